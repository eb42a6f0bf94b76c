"""Fine-tuning with frozen entries, and adapters of many runs trained in one pass."""

import copy

import pytest
import torch

from retrace.llm import tiny
from retrace.llm.kernels import masks, nll, prefix, score
from retrace.llm.rows import Row
from retrace.llm.training import adapters, many, tune
from retrace.llm.training.steps import Settings, orders, rate_at

ROWS = [
    Row((1, 2, 3, 4), 2),
    Row((9, 8, 7), 1),
    Row((5, 6, 5, 6, 5), 3),
    Row((2, 2, 8, 1), 2),
    Row((3, 1), 1),
]
SETTINGS = Settings(epochs=2, batch=2, rate=1e-2, decay=0.1)


def fresh():
    return tiny.network(4).double().requires_grad_(False)


def test_training_lowers_the_loss_and_repeats_to_the_bit():
    first, second = fresh(), fresh()
    settings = Settings(epochs=10, batch=3, rate=1e-2)
    losses = tune.tune(first, ROWS, settings, tune.linears(first), seed=1)
    assert sum(losses[-2:]) < 0.7 * sum(losses[:2])
    assert losses == tune.tune(second, ROWS, settings, tune.linears(second), seed=1)
    assert not any(p.requires_grad or p.grad is not None for p in first.parameters())


def test_training_from_kept_states_equals_training_from_tokens():
    direct, cached = fresh(), fresh()
    kept = prefix.lower(cached, [row.ids for row in ROWS], 2)
    a = tune.tune(direct, ROWS, SETTINGS, tune.linears(direct, 2), seed=3)
    b = tune.tune(cached, ROWS, SETTINGS, tune.linears(cached, 2), seed=3, kept=kept, start=2)
    assert a == pytest.approx(b, abs=1e-10)
    for x, y in zip(direct.parameters(), cached.parameters(), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-9)


def test_frozen_units_keep_their_bits_under_decay_and_momentum():
    net, before = fresh(), fresh().state_dict()
    mlp, heads = torch.rand(4, 64) > 0.5, torch.zeros(4, 4, dtype=torch.bool)
    heads[:, :2] = True  # one whole group of key/value heads, and none of the other
    frozen = tune.unit_entries(net, mlp, heads)
    tune.tune(net, ROWS, SETTINGS, tune.complement(frozen), seed=0)
    for name, value in net.state_dict().items():
        if name in frozen:
            assert torch.equal(value[frozen[name]], before[name][frozen[name]]), name
            assert not torch.equal(value[~frozen[name]], before[name][~frozen[name]]), name
        else:
            assert torch.equal(value, before[name]), name


def test_entries_of_a_unit_are_those_that_pruning_empties():
    net = fresh()
    mlp, heads = torch.rand(4, 64) > 0.6, torch.rand(4, 4) > 0.4
    entries = tune.unit_entries(net, mlp, heads)
    masks.prune(net, ~mlp, ~heads)
    for name, weight in net.named_parameters():
        if name in entries:
            assert torch.equal(weight == 0, entries[name]), name


def test_what_cannot_be_trained_is_named():
    net = fresh()
    with pytest.raises(ValueError, match="no parameter nonsense"):
        tune.tune(net, ROWS, SETTINGS, {"nonsense": None}, seed=0)
    kept = prefix.lower(net, [row.ids for row in ROWS], 2)
    with pytest.raises(ValueError, match="below layer 2"):
        tune.tune(net, ROWS, SETTINGS, tune.linears(net, 1), seed=0, kept=kept, start=2)
    with pytest.raises(ValueError, match=r"epochs\n.* greater than or equal to 1"):
        Settings(epochs=0, batch=1, rate=0.1)


def test_orders_are_permutations_and_the_rate_rises_then_falls():
    plan = orders(5, SETTINGS, seed=7)
    assert [len(batch) for batch in plan] == [2, 2, 1] * 2
    assert sorted(i for batch in plan[:3] for i in batch) == list(range(5))
    assert plan[:3] != plan[3:]
    rates = [rate_at(step, 40, Settings(epochs=1, batch=1, rate=1.0, warmup=0.1)) for step in range(40)]
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert 0 < rates[-1] < 0.01


RUNS = [
    (ROWS, SETTINGS, 11),
    (ROWS[2:], Settings(epochs=3, batch=1, rate=3e-2), 12),
    (ROWS[:2], Settings(epochs=1, batch=2, rate=1e-2), 13),
]


@pytest.mark.parametrize("start", [0, 2])
def test_many_runs_at_once_equal_each_alone(start):
    net = fresh()

    def train(runs):
        made = adapters.Adapters(net, [seed for *_, seed in runs], rank=2, start=start).double()
        kept = [prefix.lower(net, [row.ids for row in rows], start) for rows, *_ in runs]
        losses = many.train_adapters(net, made, *map(list, zip(*runs, strict=True)), kept=kept, start=start)
        return made, losses

    together, losses = train(RUNS)
    assert [len(run) for run in losses] == [6, 9, 1]
    for number, run in enumerate(RUNS):
        alone, own = train([run])
        assert losses[number] == pytest.approx(own[0], abs=1e-5)
        for place in together.places:
            for a, b in zip(together.factors(place, number), alone.factors(place, 0), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_our_optimiser_is_adamw():
    net = fresh()
    made = adapters.Adapters(net, [0], rank=2).double()
    other = copy.deepcopy(list(made.parameters()))
    torch_adam = torch.optim.AdamW(other, lr=1.0, weight_decay=SETTINGS.decay)
    plan = orders(len(ROWS), SETTINGS, 5)
    many.train_adapters(net, made, [ROWS], [SETTINGS], [5])
    ours = list(made.parameters())
    trained = [p.detach().clone() for p in ours]
    for step, batch in enumerate(plan):  # the same run with torch's optimiser
        with torch.no_grad():
            for mine, theirs in zip(ours, other, strict=True):
                mine.copy_(theirs)
        rows = [ROWS[i] for i in batch]
        with made.attached([0] * len(rows)) as switch:
            switch(range(len(rows)))
            loss = nll.answer_nll(net, rows).sum() / sum(len(row.answer) for row in rows)
            for p, gradient in zip(other, torch.autograd.grad(loss, ours), strict=True):
                p.grad = gradient
        torch_adam.param_groups[0]["lr"] = rate_at(step, len(plan), SETTINGS)
        torch_adam.step()
    for a, b in zip(trained, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-10)


def test_adapters_begin_as_nothing_and_merge_into_the_weights():
    net = fresh()
    items = [score.Item((1, 2), ((3, 4),)), score.Item((5,), ((6,),))]
    made = adapters.Adapters(net, [1, 2], rank=3).double()
    plain = score.score(net, items)
    with made.attached([0, 1]) as switch:
        at_start = score.score(net, items, switch=switch)
    many.train_adapters(net, made, [ROWS, ROWS[:3]], [SETTINGS] * 2, [1, 2])
    with made.attached([1, 1]) as switch:
        fast = score.score(net, items, switch=switch)
    adapters.merge(net, made, 1)
    for before, began, attached, merged in zip(plain, at_start, fast, score.score(net, items), strict=True):
        assert began == pytest.approx(before, abs=1e-12)
        assert attached == pytest.approx(merged, abs=1e-9)
        assert abs(attached - before).max() > 1e-3


def test_lists_that_do_not_fit_the_runs_are_refused():
    net = fresh()
    made = adapters.Adapters(net, [1, 2], rank=2)
    with pytest.raises(ValueError, match="2 runs"):
        many.train_adapters(net, made, [ROWS], [SETTINGS], [0])
