"""The counts of work: against PyTorch, against the data, and growing with what is asked."""

import csv
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from retrace.config import SCALES, load_config
from retrace.data import frames
from retrace.data.frames import LOCAL, Frame, frame
from retrace.defenses.membership.rewinding.blocks import blocks
from retrace.metrics.sequence_costs import _FREE as FREE
from retrace.nets.conv_block_names import SHAPES
from retrace.nets.conv_blocks import conv_blocks
from retrace.nets.names import NETWORKS
from retrace.nets.registry import build
from retrace.nets.sizes import COUNTED, size_of
from retrace.nets.target_names import TARGETS
from retrace.nets.targets import build_target
from retrace.planning.known import Known
from retrace.planning.plan import plan_study
from retrace.sheet import counts_of, known_studies, load_cells, load_study, scales_of
from retrace.studies.certification.work import _net
from retrace.studies.membership.work import BLOCKS
from retrace.studies.memory.work import STEPS
from retrace.studies.reuse.work import used
from retrace.training.shadows import Shadows
from retrace.work import NAMES

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = 8
KNOWN = Known(ROOT)


class Count(TorchDispatchMode):
    """Calls that compute, and numbers that they write."""

    def __init__(self):
        super().__init__()
        self.calls = self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__.rstrip("_") not in FREE:
            self.calls += 1
            outs = out if isinstance(out, tuple | list) else (out,)
            self.elements += sum(o.numel() for o in outs if isinstance(o, torch.Tensor))
        return out


def passed(net, x):
    out = net(x)
    return out[0] if isinstance(out, tuple) else out


def counted(net, x):
    """As in `Size`."""
    net.train()
    with FlopCounterMode(display=False) as flops:
        passed(net, x)
    net.eval()
    with torch.no_grad(), Count() as forward:
        passed(net, x)
    net.train()
    with Count() as step:
        passed(net, x).sum().backward()
    parameters = sum(p.numel() for p in net.parameters())
    return (
        flops.get_total_flops() / len(x),
        forward.calls,
        step.calls,
        forward.elements / len(x),
        (step.elements - parameters) / len(x),
        parameters,
    )


def cases():
    for key, size in COUNTED.items():
        large = size.flop > 1e8 or size.parameters > 1e6
        yield pytest.param(*key, marks=[pytest.mark.slow] if large else [], id=f"{key[0]}-{key[2]}")


@pytest.mark.parametrize(("name", "channels", "side"), list(cases()))
def test_networks_are_as_counted(name, channels, side):
    x = torch.randn(EXAMPLES, channels, side, side)
    net = build(name, channels, side, 10, 0) if name in NETWORKS else build_target(name, x.shape[1:], 10, 0)
    # the library chooses how it convolves by processor: calls and numbers may differ a little
    assert counted(net, x) == pytest.approx(tuple(COUNTED[name, channels, side]), rel=0.1)


def test_every_network_a_sheet_may_name_has_a_size():
    for name in {*NETWORKS, *TARGETS} - {"mlp"}:
        assert size_of(name, 3, 32, 10).flop > 0
    with pytest.raises(ValueError, match="not counted"):
        size_of("resnet99", 3, 32, 10)


def test_a_perceptron_is_counted_by_its_widths():
    x = torch.randn(EXAMPLES, 1, 8, 8)
    net = build_target("mlp-relu-128-64", (1, 8, 8), 10, 0)
    size = size_of("mlp-relu-128-64", 1, 8, 10)
    flop, *_, parameters = counted(net, x)
    assert (size.flop, size.parameters) == (flop, parameters)


def test_a_network_of_another_side_grows_with_the_area():
    assert size_of("cnn", 1, 56, 10).flop == pytest.approx(4 * size_of("cnn", 1, 28, 10).flop)


@pytest.mark.parametrize("name", [name for name in BLOCKS if name == "vit-s"])
def test_blocks_that_pptp_tells_apart(name):
    net = build_target(name, (3, 32, 32), 10, 0)
    one = Shadows(
        net,
        {k: v[None] for k, v in net.named_parameters()},
        {k: v[None] for k, v in net.named_buffers()},
        [0],
    )
    assert len(blocks(one)) == BLOCKS[name]


@pytest.mark.parametrize("name", SHAPES)
def test_certified_networks_are_counted_by_their_shape(name):
    data = frame("mnist")
    net = conv_blocks(SHAPES[name], data.channels, data.side, data.classes, 0)
    with FlopCounterMode(display=False) as flops:
        net(torch.randn(EXAMPLES, 1, 28, 28))
    assert _net(name, data).flop == pytest.approx(flops.get_total_flops() / EXAMPLES)


def test_frames_are_those_of_the_catalogue():
    with (ROOT / "data/catalogue.csv").open(newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    for name, known in LOCAL.items():
        row = rows[name]
        assert [known.images, f"{known.side}x{known.side}x{known.channels}", known.classes] == [
            int(row["rows"]),
            row["shape"],
            int(row["classes"]),
        ]
    assert frame("purchase100").values == 600
    with pytest.raises(ValueError, match="no frame"):
        frame("nothing")


def test_a_set_of_ones_own_has_the_frame_that_its_row_says(tmp_path, monkeypatch):
    rows = (ROOT / "data/catalogue.csv").read_text(encoding="utf-8").splitlines()
    own = [
        f"{name},data/own/{name}.npz,{'0' * 64},40,{shape},2,MIT,me,1,by hand"
        for name, shape in (("square", "8x8x3"), ("table", "1x4x1"))
    ]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/catalogue.csv").write_text("\n".join([rows[0], *own]) + "\n", encoding="utf-8")
    monkeypatch.setattr(frames, "SOURCE", tmp_path / "src")
    assert [frame("square"), frame("table")] == [Frame(40, 3, 8, 2), Frame(40, 4, 1, 2)]
    with pytest.raises(ValueError, match="no frame"):
        frame("absent")


def test_memory_networks_all_have_a_step():
    from retrace.studies.memory.model import NETWORKS as MEMORY

    assert set(STEPS) == set(MEMORY)


def sheets():
    for study in known_studies():
        for scale in scales_of(load_study(study), ROOT):
            yield study, scale


@pytest.mark.parametrize(("study", "scale"), list(sheets()))
def test_every_stage_of_every_sheet_can_be_counted(study, scale):
    count, seen = counts_of(study), set()
    plan = plan_study(load_study(study), load_config({"scale": scale}), ROOT, KNOWN)
    for task in plan.tasks.values():
        if (task.group, task.stage.verb) in seen:
            continue
        seen.add((task.group, task.stage.verb))
        for device in ("cpu", "cuda"):
            # by what meters of evidence know of a stage: its parameters and those of what it needs
            work = count(task.stage.verb, task.asked, device)
            assert set(work.amounts) <= set(NAMES)
            assert min(work.amounts.values()) >= 0
            assert sum(work.amounts.values()) > 0
            # scratch is counted just where the stage leaves some
            assert (work.scratch > 0) == task.stage.scratch
    with pytest.raises(ValueError, match="judge"):
        count("judge", task.asked, "cpu")


GROWING = {
    "reuse": ("epochs", "max_epochs"),
    "membership": ("epochs", "models"),
    "memory": ("steps", "tests"),
    "safety": ("tests.harmful", "alignment.epochs"),
    "prompts": ("counts.test", "longest"),
    "certification": ("training.epochs", "verification.crown_images"),
}


@pytest.mark.parametrize(("study", "name"), [(s, n) for s, names in GROWING.items() for n in names])
def test_more_of_anything_is_never_less_work(study, name):
    count, cell = counts_of(study), load_cells(load_study(study), SCALES[1], ROOT)[0]
    first, _, second = name.partition(".")
    inner = (
        {**cell.params[first], second: 2 * cell.params[first][second]} if second else 2 * cell.params[first]
    )
    grown = {**cell.params, first: inner}
    more = False
    for stage in load_study(study).stages:
        before, after = (count(stage.verb, p, "cpu").amounts for p in (cell.params, grown))
        assert all(after[n] >= before[n] for n in before)
        more |= any(after[n] > before[n] for n in before)
    assert more


def test_the_share_that_retraining_used():
    results = {"conditions": [{"costs": {"epochs": 1.0}}, {"costs": {"epochs": 3.0}}]}
    assert used("defend", {"max_epochs": 10}, results) == pytest.approx(0.2)
    assert used("train", {}, {}) == 1.0
