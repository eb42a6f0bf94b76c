"""Every study's stages on a pretended accelerator, which finds what lies on the wrong device."""

import copy

import cell as cells
import numpy as np
import pytest
import torch
from torch import nn

from retrace.data import sets
from retrace.rehearsal.pretend import Marked, on_device, pretended
from retrace.sheet import load_study
from retrace.stage import Evidence

# of each study's smoke scale: a cell and what is cut of it
CUT = {
    "reuse": ("digits-shift", {"conditions": ["gauss:0.2"], "epochs": 3, "drop_at": 2, "max_epochs": 2}),
    "membership": ("tiny", {"epochs": 9, "checkpoints": 4}),
    "certification": ("digits-adversarial", {"train_images": 200, "test_images": 40}),
    "memory": ("copy", {"steps": 4}),
    "safety": ("tiny-policy", {}),
}
# where numbers are taken in float64 on the device, which has few units for them
DOUBLES = {
    "reuse": {
        "metrics/activations.py",
        "metrics/reuse/arm_maps.py",
        "metrics/reuse/gradients.py",
        "metrics/reuse/resque.py",
        "training/retrain.py",
    },
    "membership": {
        "defenses/membership/rewinding/cwrf.py",
        "defenses/membership/rewinding/pptp.py",
        "defenses/membership/rewinding/scores.py",
        "studies/membership/measure.py",
    },
    "memory": {"training/sequences.py"},
    "safety": {
        "llm/kernels/nll.py",
        "llm/kernels/score.py",
        "llm/kernels/statistics.py",
        "llm/kernels/units.py",
    },
}
PROOFS = ("verify/", "studies/certification/")  # what certification proves, it proves in float64
EFFORT = {"crown_images": 10, "complete_images": 4, "alpha_iterations": 2, "pgd_steps": 3, "domains": 8}


def cut(study):
    sheet = cells.sheet(study)
    scale, (name, changes) = sheet["scales"]["smoke"], CUT[study]
    chosen = {**sheet["base"], **scale.get("base", {}), **scale["cells"][name], **changes}
    return chosen | ({"verification": EFFORT} if study == "certification" else {})


@pytest.fixture
def on_cuda(monkeypatch):
    monkeypatch.setenv("RETRACE_DEVICE", "cuda")


@pytest.mark.parametrize("study", sorted(CUT))
def test_every_stage_keeps_its_tensors_on_one_device(study, on_cuda):
    chosen, inputs, doubles = cut(study), {}, set()
    params = cells.params_of(study, chosen)
    for stage in load_study(study).stages:
        for name in stage.reads:
            if getattr(params, name):
                images = sets.load(cells.ROOT, getattr(params, name), "", False)
                arrays = {"x": images.x, "y": images.y}
                inputs[name] = Evidence({"classes": images.classes}, read_arrays=lambda a=arrays: a)
        with pretended() as tally:
            inputs[stage.verb] = cells.run(study, stage.verb, chosen, inputs)
        assert (tally.calls > 0) == stage.torch or stage.verb == "prepare"
        doubles |= {line.split(":")[0] for line in tally.doubles}
        found = inputs[stage.verb]
        kinds = {type(a) for part in (found.read_arrays(), found.read_scratch()) for a in part.values()}
        assert kinds <= {np.ndarray}
    if study == "certification":
        assert any(place.startswith("verify/") for place in doubles)
        assert not [place for place in doubles if not place.startswith(PROOFS)]
    else:
        assert doubles == DOUBLES[study]


# of each study: what makes twice as many steps of training
TWICE = {
    "reuse": lambda whole, batch: {"batch": batch},
    "membership": lambda whole, batch: {"batch": batch},
    "certification": lambda whole, batch: {"training": whole["training"] | {"batch": batch}},
    "memory": lambda whole, batch: {"steps": 200 // batch, "window": 100},
    "safety": lambda whole, batch: {"alignment": whole["alignment"] | {"batch": batch // 5}},
}


@pytest.mark.parametrize("study", sorted(TWICE))
def test_training_waits_by_epoch_and_not_by_step(study, on_cuda):
    waits, calls, whole = [], [], cut(study)
    if "methods" in whole:
        whole["methods"] = dict([next(iter(whole["methods"].items()))])
    for batch in (50, 25):
        chosen, inputs = whole | TWICE[study](whole, batch), {"dataset": cells.digits()}
        inputs["prepare"] = cells.run(study, "prepare", chosen, inputs)
        with pretended() as tally:
            cells.run(study, "train", chosen, inputs)
        # a scan of a new shape is measured, and each piece is checked for NaN: both wait
        waits.append(sum(n for line, n in tally.waits.items() if not line.startswith("nets/memory/")))
        calls.append(tally.calls)
    assert waits[0] == waits[1] > 0
    assert calls[1] > calls[0]  # twice as many steps


def test_what_cuda_refuses_is_refused():
    here = torch.ones(3)
    with pretended():
        there = torch.ones(3, device="cuda")
        assert there.is_cuda
        assert there.device == torch.device("cuda:0")
        for wrong in (
            lambda: here + there,
            lambda: torch.cat([here, there]),
            lambda: nn.Linear(3, 2)(there),
            lambda: here[torch.arange(2, device="cuda")],
            lambda: torch.rand(3, device="cuda", generator=torch.Generator()),
            lambda: torch.rand(3, generator=torch.Generator(device="cuda")),
        ):
            with pytest.raises(RuntimeError, match="device"):
                wrong()
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
    assert float((here + 1).sum()) == 6


def test_what_cuda_takes_is_taken():
    with pretended():
        here, there = torch.arange(3.0), torch.arange(3.0).to("cuda")
        assert on_device(there)
        assert not on_device(here)
        for right in (
            there * here[1],  # a scalar may lie anywhere
            there[torch.tensor([0, 2])],
            torch.rand(2, device="cuda", generator=torch.Generator(device="cuda").manual_seed(1)),
            nn.Linear(3, 2).to("cuda")(there),
            torch.vmap(lambda x: x * 2)(there),
            copy.deepcopy(there),
            there.to(torch.float64).to(here.to("cuda")),
        ):
            assert on_device(right)
        here.copy_(there)
        assert there.cpu().numpy().tolist() == [0, 1, 2]
        assert not on_device(there.to("cpu"))


def test_training_there_is_training_here():
    def trained(device):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).to(device)
        optimiser = torch.optim.SGD(net.parameters(), 0.1)
        x = torch.linspace(0, 1, 12).view(4, 3).to(device)
        for _ in range(3):
            optimiser.zero_grad()
            net(x).square().sum().backward()
            optimiser.step()
        return torch.cat([p.detach().cpu().flatten() for p in net.parameters()])

    expected = trained("cpu")
    with pretended() as tally:
        found = trained("cuda")
    assert type(found) is torch.Tensor
    assert torch.equal(found, expected)
    assert tally.calls > 20


def test_waits_and_doubles_are_counted():
    with pretended() as tally:
        there = torch.arange(4.0, device="cuda")
        there.sum().item()
        there[there > 1]
        there.cpu()
        assert sum(tally.waits.values()) == 3
        there * 2
        assert sum(tally.doubles.values()) == 0
        there.double()
        there.to(torch.float64)
        assert sum(tally.doubles.values()) == 2


def test_nothing_stays_pretended():
    before = torch.Generator, torch.cuda.is_available, torch.cuda.Event
    try:
        with pretended():
            raise KeyError
    except KeyError:
        pass
    assert (torch.Generator, torch.cuda.is_available, torch.cuda.Event) == before
    assert not torch.__future__.get_overwrite_module_params_on_conversion()
    assert type(torch.ones(1) + 1) is torch.Tensor
    assert type(torch.ones(1)) is not Marked
