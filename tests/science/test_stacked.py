import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from shadow_bench import CLASSES, SHAPE, bench, fresh, pool

from retrace.nets.targets import build_target
from retrace.stage import StageError
from retrace.training.fit import Batch, Data, Hold, Schedule, cross_entropy, fit, orders
from retrace.training.halves import complementary_halves, member_rows
from retrace.training.norm_statistics import reestimate
from retrace.training.shadows import Shadows, groups, join

SCHEDULE = Schedule(epochs=3, batch=16, learning_rate=0.1)


@given(st.integers(2, 6), st.integers(1, 30), st.integers(0, 9))
def test_every_example_is_in_exactly_half_of_the_models(pairs, half, seed):
    member = complementary_halves(2 * pairs, 2 * half, seed)
    assert (member.sum(0) == pairs).all()
    assert (member[::2] != member[1::2]).all()
    rows = member_rows(member)
    assert rows.shape == (2 * pairs, half)
    assert all(member[k][row].all() for k, row in enumerate(rows))


@pytest.mark.parametrize(("models", "examples"), [(3, 10), (2, 10), (4, 7), (4, 0)])
def test_halves_that_cannot_be_made_are_refused(models, examples):
    with pytest.raises(StageError, match="even number"):
        complementary_halves(models, examples, 0)


def by_hand(number: int, rows: torch.Tensor, network: str) -> dict[str, torch.Tensor]:
    """One model trained with nothing but PyTorch's own parts, in the same order of rows."""
    net = build_target(network, SHAPE, CLASSES, 100 + number).train()
    optimiser = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    x, y = pool(80)
    for epoch in range(SCHEDULE.epochs):
        optimiser.param_groups[0]["lr"] = SCHEDULE.rate(epoch)
        for batch in rows[orders((number,), len(rows), epoch, 5)[0]].split(16):
            optimiser.zero_grad()
            F.cross_entropy(net(x[batch])[0], y[batch]).backward()
            optimiser.step()
    return net.state_dict()


@pytest.mark.parametrize("network", ["mlp-relu-8-6", "mlp-tanh-8", "cnn"])
@pytest.mark.parametrize("together", [True, False])
def test_models_trained_together_are_those_of_the_loop(network, together):
    x, y = pool(80)
    rows = torch.from_numpy(member_rows(complementary_halves(4, 80, 0)))
    parts = []
    for part in [range(4)] if together else [[0], [1], [2], [3]]:
        models = fresh(part, network)
        fit(models, Data(x, y, rows[list(part)]), cross_entropy, SCHEDULE, 5)
        parts.append(models)
    models = join(parts)
    for number in range(4):
        for name, value in by_hand(number, rows[number], network).items():
            mine = {**models.params, **models.buffers}[name][number]
            assert torch.allclose(mine.float(), value.float(), atol=1e-5), name


def test_every_model_has_an_order_of_its_own_whatever_its_group():
    together = orders((0, 1, 2), 40, 3, 5)
    assert torch.equal(together[2], orders((2,), 40, 3, 5)[0])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(together, orders((0, 1, 2), 40, 4, 5))
    assert torch.equal(together.sort().values, torch.arange(40).expand(3, -1))


def test_a_loss_sees_each_examples_own_state():
    x, y = pool(80)
    rows = torch.from_numpy(member_rows(complementary_halves(4, 80, 0)))
    stamp = torch.arange(80.0) + 1000 * torch.arange(4.0)[:, None]
    seen = [set() for _ in range(4)]

    def loss(batch: Batch):
        for g in range(4):
            seen[g] |= set(batch.state["stamp"][g].tolist())
        return cross_entropy(batch)

    fit(fresh(range(4)), Data(x, y, rows, {"stamp": stamp}), loss, SCHEDULE.lasting(1), 5)
    assert [sorted(s) for s in seen] == [stamp[g, rows[g]].tolist() for g in range(4)]


def test_held_entries_keep_their_bits_under_decay_and_momentum():
    made = bench()
    models = made.trained.copy()
    draw = torch.Generator().manual_seed(0)
    mask = {n: torch.rand(p.shape, generator=draw) < 0.3 for n, p in models.params.items()}
    values = {n: p.detach().clone() for n, p in made.start.params.items()}
    fit(models, made.data, cross_entropy, made.schedule, 0, hold=Hold(mask, values))
    for name, p in models.params.items():
        assert torch.equal(p[mask[name]], values[name][mask[name]])
        assert not torch.equal(p[~mask[name]], made.trained.params[name][~mask[name]])


def test_prediction_and_copies_leave_models_alone():
    made = bench("cnn", epochs=2)
    before = made.trained.arrays()
    first, features = made.trained.predict(made.x, batch=7)
    again, _ = made.trained.copy().loaded(before).predict(made.x)
    assert first.shape == (4, 80, CLASSES)
    assert features.shape[:2] == (4, 80)
    assert torch.allclose(first, again, atol=1e-5)
    assert all(np.array_equal(before[name], value) for name, value in made.trained.arrays().items())
    second, _ = made.trained.of([2]).predict(made.x)
    assert torch.allclose(second[0], first[2], atol=1e-5)


def test_statistics_after_a_rewind_are_those_of_the_members():
    models = fresh([0], "cnn")
    x, _ = pool(60)
    models.buffers["body.1.running_mean"] += 5
    reestimate(models, x, torch.arange(60)[None], batch=60)
    seen = F.conv2d(x, models.params["body.0.weight"][0], padding=1)
    assert torch.allclose(models.buffers["body.1.running_mean"][0], seen.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(models.buffers["body.1.running_var"][0], seen.var((0, 2, 3)), atol=1e-4)


def test_perceptrons_are_stacked_and_convolutions_looped_on_a_cpu():
    assert groups(fresh([0]).base, 6, "cpu") == [range(6)]
    assert groups(fresh([0], "cnn").base, 3, "cpu") == [range(1), range(1, 2), range(2, 3)]
    assert groups(fresh([0], "cnn").base, 3, "cuda") == [range(3)]


def test_a_loss_that_explodes_is_named():
    made = bench()
    broken: Shadows = made.start.copy()
    with torch.no_grad():
        broken.params["head.bias"][2] = float("nan")
    with pytest.raises(StageError, match=r"model 2 is not finite in epoch 1; lower learning_rate"):
        fit(broken, made.data, cross_entropy, made.schedule, 0)
