import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from retrace.nets.access import state_arrays
from retrace.nets.registry import build
from retrace.stage import StageError
from retrace.training.batches import epochs, steps_per_epoch, to_tensor
from retrace.training.evaluate import Evaluator, evaluate, foldable
from retrace.training.loop import TrainSettings, train
from retrace.training.optim import Optimiser, OptimiserSettings
from retrace.training.retrain import RetrainSettings, Shifted, retrain
from retrace.training.stoprule import StopRule

torch.set_num_threads(1)


def images(rows: int, seed: int, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    """Ten random 8x8 patterns with noise, the same patterns for every seed."""
    draw = torch.Generator().manual_seed(seed)
    patterns = torch.randn(10, 1, 8, 8, generator=torch.Generator().manual_seed(99))
    y = torch.arange(rows) % 10
    return patterns[y] + noise * torch.randn(rows, 1, 8, 8, generator=draw), y


def shifted(seed: int, rows: int = 100) -> Shifted:
    return Shifted(*images(rows, seed), *images(70, seed + 1000))


NEVER = StopRule(2.0, 1.5)


def test_bytes_become_minus_one_to_one() -> None:
    x = to_tensor(np.array([0, 255, 51, 102], dtype=np.uint8).reshape(1, 2, 2, 1))
    assert x.shape == (1, 1, 2, 2)
    assert x.dtype == torch.float32
    assert torch.allclose(x.flatten(), torch.tensor([-1.0, 1.0, -0.6, -0.2]), atol=1e-6)


def test_every_epoch_shows_every_image_once_in_a_new_order_fixed_by_the_seed() -> None:
    x, y = torch.arange(10.0)[:, None], torch.arange(10)
    stream, again = epochs(x, y, 4, seed=3), epochs(x, y, 4, seed=3)
    orders = []
    for _ in range(2):
        batches = next(stream)
        assert [len(b) for _, b in batches] == [4, 4, 2]
        assert len(batches) == steps_per_epoch(10, 4)
        assert all(torch.equal(a[:, 0].long(), b) for a, b in batches)
        orders.append(torch.cat([b for _, b in batches]))
        assert torch.equal(orders[-1].sort().values, y)
        assert torch.equal(orders[-1], torch.cat([b for _, b in next(again)]))
    assert not torch.equal(orders[0], orders[1])


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_optimiser_takes_the_steps_of_torch(name: str) -> None:
    ours = build("mlp", 1, 8, 10, 0)
    theirs = copy.deepcopy(ours)
    optimiser = Optimiser(OptimiserSettings(name, 0.01, 1e-2), ours.parameters())
    if name == "adam":
        reference = torch.optim.Adam(theirs.parameters(), 0.01, weight_decay=1e-2)
    else:
        reference = torch.optim.SGD(theirs.parameters(), 0.01, 0.9, weight_decay=1e-2)
    for seed in range(4):
        x, y = images(20, seed)
        for net, each in ((ours, optimiser), (theirs, reference)):
            each.zero_grad()
            F.cross_entropy(net(x), y).backward()
            each.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_learning_rate_schedule() -> None:
    settings = OptimiserSettings(lr=1.0, schedule=((4, 0.01), (2, 0.1)))
    assert [settings.lr_at(e) for e in range(6)] == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]


@pytest.mark.parametrize("name", ["cnn", "resnet18"])
def test_training_twice_gives_the_same_bytes_and_learns(name: str) -> None:
    rows, passes = (200, 5) if name == "cnn" else (12, 1)  # resnet18 has dropout
    x, y = images(rows, 0)
    weights = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        net = build(name, 1, 8, 10, 0)
        history = train(net, x, y, TrainSettings(epochs=passes), seed=7)
        weights.append({k: v.tobytes() for k, v in state_arrays(net).items()})
    assert weights[0] == weights[1]
    assert history.steps == passes * steps_per_epoch(rows, 32)
    if name == "cnn":
        assert history.losses[-1] < 0.7 * history.losses[0]
        other = build(name, 1, 8, 10, 0)
        train(other, x, y, TrainSettings(epochs=passes), seed=8)
        assert {k: v.tobytes() for k, v in state_arrays(other).items()} != weights[0]


def test_progress_is_told_each_epoch() -> None:
    seen: list[tuple[int, float]] = []
    x, y = images(40, 0)
    history = train(
        build("mlp", 1, 8, 10, 0), x, y, TrainSettings(epochs=3), 0, lambda e, loss: seen.append((e, loss))
    )
    assert seen == list(enumerate(history.losses, 1))


def test_a_loss_that_is_not_finite_is_named_with_epoch_and_step() -> None:
    x, y = images(100, 0)
    x[17] = float("nan")
    with pytest.raises(StageError, match=r"loss is nan at epoch 1, step \d of 4"):
        train(build("mlp", 1, 8, 10, 0), x, y, TrainSettings(), 0)
    data = Shifted(x, y, *images(50, 1))
    with pytest.raises(StageError, match=r"epoch 1, step \d of 4"):
        retrain(build("mlp", 1, 8, 10, 0), data, RetrainSettings(NEVER), 0)


@pytest.mark.parametrize("name", ["cnn", "mlp", "mobilenet-s", "resnet-s", "vgg-s", "vit-s"])
def test_evaluation_equals_the_plain_one_also_after_further_training(name: str) -> None:
    net = build(name, 1, 8, 10, 0)
    x, y = images(130, 5)
    evaluator = Evaluator(net, x, y, batch=50)
    for seed in range(2):
        train(net, *images(64, seed), TrainSettings(OptimiserSettings(lr=0.01), epochs=1), seed)
        net.eval()
        with torch.no_grad():
            logits = net(x)
        net.train()
        assert torch.allclose(evaluator.logits(), logits, atol=1e-4)
        assert evaluator.accuracy() == int((logits.argmax(1) == y).sum()) / 130
        assert evaluate(net, x, y).loss == pytest.approx(F.cross_entropy(logits, y).item(), abs=1e-4)
        assert net.training


def test_a_count_ends_where_the_share_is_out_of_reach() -> None:
    net = build("cnn", 1, 8, 10, 0)
    x, y = images(130, 5)
    evaluator = Evaluator(net, x, y, batch=10)
    share = evaluator.accuracy()
    assert evaluator.accuracy(share) == share
    seen = []
    evaluator.twin.register_forward_pre_hook(lambda _net, given: seen.append(len(given[0])))
    most = evaluator.accuracy(0.9)
    assert share <= most < 0.9
    assert sum(seen) < 130


@pytest.mark.parametrize(("name", "norms"), [("cnn", 3), ("resnet-s", 9), ("vit-s", 0), ("googlenet", 55)])
def test_all_batch_norms_fold(name: str, norms: int) -> None:
    assert len(foldable(build(name, 1, 8, 10, 0))) == norms


def test_retraining_repeats_exactly_and_meets_the_target() -> None:
    settings = RetrainSettings(StopRule(0.5, 10), eval_every=2)
    net = build("cnn", 1, 8, 10, 0)
    before = state_arrays(net)
    done = [retrain(copy.deepcopy(net), shifted(1), settings, seed) for seed in (3, 3, 4)]
    texts = [json.dumps(d.costs) for d in done]
    assert texts[0] == texts[1] != texts[2]
    assert all(np.array_equal(before[k], v) for k, v in state_arrays(net).items())
    costs = done[0].costs
    assert costs["outcome"] == "PASS"
    assert not costs["censored"]
    assert costs["curve"][-1][1] >= 0.5
    assert all(accuracy < 0.5 for _, accuracy in costs["curve"][:-1])
    assert costs["steps"] % 2 == 0
    assert costs["epochs"] == costs["steps"] / 4 == costs["curve"][-1][0]


def test_checks_cut_short_change_no_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first check, which a rival looks at, and the last are whole, and so is every one with cut-offs."""
    whole = Evaluator.accuracy
    net, asked = build("cnn", 1, 8, 10, 0), []
    x, y = images(700, 4)
    data = Shifted(*images(100, 1), x, y)

    def full(self: Evaluator, needed: float = 0.0) -> float:
        asked.append(needed)
        return whole(self)

    for rule in (StopRule(0.5, 3), NEVER, StopRule(0.5, 3, ((0.1, 1),))):
        asked.clear()
        settings = RetrainSettings(rule, eval_every=1)
        short = retrain(copy.deepcopy(net), data, settings, 3).costs
        with monkeypatch.context() as patched:
            patched.setattr(Evaluator, "accuracy", full)
            long = retrain(copy.deepcopy(net), data, settings, 3).costs
        curves = [np.array(costs.pop("curve")) for costs in (short, long)]
        assert short == long
        assert (curves[0] >= curves[1]).all()
        assert (curves[0] < rule.target)[:-1, 1].all()
        assert (curves[0] == curves[1])[[0, -1]].all()
        assert asked[0] == 0
        assert any(asked) != bool(rule.cutoffs)


@pytest.mark.parametrize("every", [0, 3, 1000])
def test_a_rule_that_can_never_be_met_is_censored_at_its_cap(every: int) -> None:
    done = retrain(build("mlp", 1, 8, 10, 0), shifted(1), RetrainSettings(NEVER, eval_every=every), 0)
    assert done.costs["outcome"] == "CAP"
    assert done.costs["censored"]
    assert (done.costs["steps"], done.costs["epochs"]) == (6, 1.5)
    assert [round(e * 4) for e, _ in done.costs["curve"]] == {0: [4, 6], 3: [3, 6], 1000: [6]}[every]


def test_costs_against_plain_sums() -> None:
    net = build("mlp", 1, 8, 10, 0)
    plain = copy.deepcopy(net)
    data = shifted(2)
    costs = retrain(net, data, RetrainSettings(NEVER, eval_every=5), seed=9).costs
    start = [p.detach().clone() for p in plain.parameters()]
    reference = torch.optim.Adam(plain.parameters(), 1e-3, weight_decay=1e-5)
    stream, norms = epochs(data.x_train, data.y_train, 32, 9), []
    for x, y in [*next(stream), *next(stream)[:2]]:
        reference.zero_grad()
        F.cross_entropy(plain(x), y).backward()
        norms.append(float(torch.nn.utils.get_total_norm([p.grad for p in plain.parameters()])))
        reference.step()
    moved = [(p.detach() - s).norm() for p, s in zip(plain.parameters(), start, strict=True)]
    sizes = [s.numel() for s in start]
    assert costs["grad_norm_mean"] == pytest.approx(np.mean(norms), rel=1e-4)
    assert costs["grad_norm_official"] == pytest.approx(norms[3] + norms[5], rel=1e-4)
    assert costs["param_change"] == pytest.approx(
        np.mean([m / n**0.5 for m, n in zip(moved, sizes, strict=True)]), rel=1e-3
    )
    assert costs["param_change_mean_numel"] == pytest.approx(
        np.mean([m / n for m, n in zip(moved, sizes, strict=True)]), rel=1e-3
    )


def test_training_does_not_import_the_compiler() -> None:
    code = (
        "import sys, torch; from retrace.nets.registry import build; from retrace.training.loop import *;"
        "x, y = torch.randn(4, 1, 8, 8), torch.arange(4);"
        "train(build('cnn', 1, 8, 10, 0), x, y, TrainSettings(epochs=1), 0);"
        "sys.exit('torch._dynamo' in sys.modules or 'torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
