"""Statistics of activations and unit scores equal the direct computation, without FLAP's known defects."""

import pytest
import torch

from retrace.llm import tiny
from retrace.llm.kernels import statistics, units
from retrace.llm.kernels.masks import prune
from retrace.llm.rows import Row

NET = tiny.network(3).double()
ROWS = [
    Row((1, 2, 3, 4, 5, 6), 3),
    Row((9, 8), 1),
    Row((7, 7, 7), 2),
    Row(tuple(range(40, 51)), 4),
    Row((5, 4, 3, 2, 1, 0), 5),
]


def inputs_of(net, rows, answers=False):
    """Every linear input over all counted tokens (N,d), row by row without padding."""
    seen = {}

    def keep(name):
        return lambda _, given: seen.setdefault(name, []).append(given[0][0])

    hooks = [
        layer.get_submodule(place).register_forward_pre_hook(keep((number, name)))
        for number, layer in enumerate(net.model.layers)
        for name, place in statistics.INPUTS.items()
    ]
    with torch.no_grad():
        for row in rows:
            net(torch.tensor([row.ids]))
    for hook in hooks:
        hook.remove()
    cut = [row.start if answers else 0 for row in rows]
    return {key: torch.cat([x[at:] for x, at in zip(parts, cut, strict=True)]) for key, parts in seen.items()}


@pytest.mark.parametrize("answers", [False, True])
@pytest.mark.parametrize("budget", [7, 1000])
def test_one_pass_equals_the_direct_sums(answers, budget):
    direct = inputs_of(NET, ROWS, answers)
    for number, found in enumerate(statistics.moments(NET, ROWS, answers=answers, budget=budget)):
        assert set(found) == set(statistics.INPUTS)
        for name, moments in found.items():
            x = direct[number, name]
            assert moments.n == len(x) == sum(len(r.answer if answers else r.ids) for r in ROWS)
            torch.testing.assert_close(moments.mean, x.mean(0))
            torch.testing.assert_close(moments.variance, x.var(0), rtol=1e-5, atol=1e-9)
            torch.testing.assert_close(moments.hessian, 2 * x.T @ x / len(x), rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(moments.norms * len(x) ** 0.5, x.norm(dim=0), rtol=1e-5, atol=1e-6)


def test_variances_alone_equal_those_of_the_whole_pass():
    whole = statistics.moments(NET, ROWS, ("down",), budget=20)
    alone = statistics.moments(NET, ROWS, ("down",), gram=False, budget=20)
    for a, b in zip(whole, alone, strict=True):
        torch.testing.assert_close(a["down"].variance, b["down"].variance, rtol=1e-5, atol=1e-6)
        with pytest.raises(ValueError, match="gram=True"):
            _ = b["down"].hessian


def test_a_layer_edited_between_two_visits_changes_only_later_statistics_when_asked():
    def second_layer(edited):
        net = tiny.network(3).double()
        passes = statistics.moments(net, ROWS, ("mlp",), gram=False, edited=edited)
        next(passes)
        with torch.no_grad():
            net.model.layers[0].mlp.down_proj.weight.zero_()
        return next(passes)["mlp"].total, net

    dense, _ = second_layer(False)
    after, net = second_layer(True)
    torch.testing.assert_close(dense, inputs_of(NET, ROWS)[1, "mlp"].sum(0))
    torch.testing.assert_close(after, inputs_of(net, ROWS)[1, "mlp"].sum(0))


def test_unknown_input_is_named():
    with pytest.raises(ValueError, match="unknown input 'gate'"):
        next(statistics.moments(NET, ROWS, ("gate",)))


def direct_scores(net, rows):
    direct = inputs_of(net, rows)
    mlp, heads = [], []
    for number, layer in enumerate(net.model.layers):
        mlp.append(direct[number, "down"].var(0) * layer.mlp.down_proj.weight.square().sum(0))
        by_channel = direct[number, "output"].var(0) * layer.self_attn.o_proj.weight.square().sum(0)
        heads.append(torch.stack([part.sum() for part in by_channel.split(layer.self_attn.head_dim)]))
    return torch.stack(mlp).detach(), torch.stack(heads).detach()


def test_unit_scores_equal_variance_times_column_norm():
    """Grouped key/value heads and a head size other than 128 included: both break FLAP's code."""
    found = units.unit_scores(NET, ROWS, budget=7)
    mlp, heads = direct_scores(NET, ROWS)
    assert found.mlp.shape == (4, 64)
    assert found.heads.shape == (4, 4)
    torch.testing.assert_close(found.mlp, mlp, rtol=1e-5, atol=1e-12)
    torch.testing.assert_close(found.heads, heads, rtol=1e-5, atol=1e-12)


def test_batches_of_different_means_keep_the_cross_term_and_the_first_batch_counts():
    """FLAP's running update loses the former and skips the latter."""
    moments = statistics.Moments(0, *(torch.zeros(2, dtype=torch.float64) for _ in range(2)), None)
    batches = [
        torch.tensor([[100.0, 1], [102, 1]]),
        torch.tensor([[-5.0, 1]]),
        torch.tensor([[7.0, 1], [3, 2]]),
    ]
    for batch in batches:
        moments.add(batch)
    every = torch.cat(batches).double()
    assert moments.n == 5
    torch.testing.assert_close(moments.variance, every.var(0))
    assert moments.variance[0] > 20 * every[:2].var(0)[0]  # within-batch spread alone is far smaller


def test_a_large_common_offset_does_not_eat_the_variance():
    x = torch.randn(500, 3, dtype=torch.float32, generator=torch.Generator().manual_seed(0)) + 300
    moments = statistics.Moments(0, *(torch.zeros(3, dtype=torch.float64) for _ in range(2)), None)
    moments.add(x)
    torch.testing.assert_close(moments.variance, x.double().var(0), rtol=1e-6, atol=0)


def test_a_removed_unit_scores_zero():
    net = tiny.network(3).double()
    kept = torch.ones(4, 64, dtype=torch.bool)
    heads = torch.ones(4, 4, dtype=torch.bool)
    kept[2, 5], heads[1, 3] = False, False
    prune(net, kept, heads)
    found = units.unit_scores(net, ROWS)
    assert found.mlp[2, 5] == 0
    assert found.heads[1, 3] == 0


def test_scores_of_unions_are_those_of_their_rows_together():
    parts = [ROWS[:2], [], ROWS[2:3], ROWS[3:]]
    unions = [(0, 2), (0, 1, 3), (2, 3)]
    for answers in (None, [True, False, True], [True] * 3):
        made = units.union_scores(NET, parts, unions, answers, budget=9)
        for union, only, found in zip(unions, answers or [False] * 3, made, strict=True):
            expected = units.unit_scores(NET, [row for part in union for row in parts[part]], only)
            torch.testing.assert_close(found.mlp, expected.mlp, rtol=1e-6, atol=1e-12)
            torch.testing.assert_close(found.heads, expected.heads, rtol=1e-6, atol=1e-12)
    with pytest.raises(ValueError, match="two tokens"):
        units.union_scores(NET, parts, [(1,)])


def test_one_token_has_no_variance():
    with pytest.raises(ValueError, match="two tokens"):
        units.unit_scores(NET, [Row((1,), 1)])
