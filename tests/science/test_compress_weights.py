"""Compressors of weights: identities, the plain loops they stand for, and inputs that cannot be."""

import numpy as np
import pytest
import torch

from retrace.compress.weights import awq, columns, error, grids, masks, names, pruning
from retrace.compress.weights.gptq import gptq
from retrace.compress.weights.sparsegpt import sparsegpt
from retrace.stage import StageError

TWO_OF_FOUR = names.pattern("2:4")


def case(rows=24, width=128, tokens=600, seed=0):
    """A weight (O,I), inputs (N,I) of unequal size that correlate, and H = 2X'X/n; float64."""
    draw = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, width, generator=draw, dtype=torch.float64)
    mixed = torch.randn(width, width, generator=draw, dtype=torch.float64) / width**0.5
    x = torch.randn(tokens, width, generator=draw, dtype=torch.float64) @ (torch.eye(width) + mixed)
    x *= torch.rand(width, generator=draw, dtype=torch.float64) + 0.1
    return weight, x, 2 * x.T @ x / tokens


def plain_upper(hessian, damping=columns.DAMPING):
    damped = hessian + damping * hessian.diagonal().mean() * torch.eye(len(hessian), dtype=hessian.dtype)
    return torch.linalg.cholesky(torch.linalg.inv(damped), upper=True)


def plain_walk(weight, upper, choose):
    """The walk as it is written down: column by column, each error spread over all later columns at once."""
    w = weight.clone()
    for j in range(w.shape[1]):
        new = choose(j, w)
        lost = (w[:, j] - new) / upper[j, j]
        w[:, j:] -= lost[:, None] * upper[j, j:]
        w[:, j] = new
    return w


def plain_gptq(weight, hessian, bits, group):
    grid = {}

    def choose(j, w):
        if j % group == 0:
            some = w[:, j : j + group]
            grid["step"], grid["zero"] = grids.uniform_grid(some.amin(1), some.amax(1), 2**bits - 1)
        codes = (w[:, j] / grid["step"]).round() + grid["zero"]
        return (codes.clamp(0, 2**bits - 1) - grid["zero"]) * grid["step"]

    return plain_walk(weight, plain_upper(hessian), choose)


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize("group", [16, 64])
def test_gptq_is_the_plain_loop(bits, group):
    weight, _, hessian = case()
    [made] = gptq(weight, columns.factor(hessian), [bits], group)
    torch.testing.assert_close(made, plain_gptq(weight, hessian, bits, group), rtol=0, atol=1e-9)


def test_act_order_is_the_plain_loop_on_permuted_columns():
    weight, _, hessian = case()
    order = hessian.diagonal().argsort(descending=True)
    [made] = gptq(weight, columns.factor(hessian, act_order=True), [4], 32)
    permuted = plain_gptq(weight[:, order], hessian[order][:, order], 4, 32)
    torch.testing.assert_close(made[:, order], permuted, rtol=0, atol=1e-9)
    assert not torch.allclose(made, gptq(weight, columns.factor(hessian), [4], 32)[0])


def test_sparsegpt_is_the_plain_loop():
    weight, _, hessian = case()
    upper = plain_upper(hessian)
    dropped = {}

    def choose(j, w):
        if j % 4 == 0:
            scores = (w[:, j : j + 4] / upper.diagonal()[j : j + 4]) ** 2
            dropped["now"] = scores.argsort(1).argsort(1) < 2
        return w[:, j] * ~dropped["now"][:, j % 4]

    [made] = sparsegpt(weight, columns.factor(hessian), [TWO_OF_FOUR])
    torch.testing.assert_close(made, plain_walk(weight, upper, choose), rtol=0, atol=1e-9)


def test_stacks_equal_single_runs():
    weight, _, hessian = case(rows=30, width=256)
    made = columns.factor(hessian)
    together = gptq(weight, made, [8, 4, 3], 64)
    for bits, stacked in zip((8, 4, 3), together, strict=True):
        for part in (slice(0, 10), slice(10, 30)):
            alone = gptq(weight[part], made, [bits], 64)[0]
            torch.testing.assert_close(stacked[part], alone, rtol=0, atol=1e-10)
    kept = [TWO_OF_FOUR, 0.5, names.pattern("4:8"), 0.3]
    together = sparsegpt(weight, made, kept, [10, 20])
    for one, stacked in zip(kept, together, strict=True):
        for part in (slice(0, 10), slice(10, 30)):
            alone = sparsegpt(weight[part], made, [one])[0]
            torch.testing.assert_close(stacked[part], alone, rtol=0, atol=1e-10)


def test_sparsegpt_without_sparsity_returns_the_weight():
    weight, _, hessian = case()
    torch.testing.assert_close(sparsegpt(weight, columns.factor(hessian), [0.0])[0], weight, rtol=0, atol=0)


@pytest.mark.parametrize("bits", [3, 4])
def test_gptq_without_correlations_is_rounding_to_nearest(bits):
    weight, _, _ = case()
    one = columns.factor(torch.eye(128, dtype=torch.float64))
    torch.testing.assert_close(gptq(weight, one, [bits], 32)[0], grids.rtn(weight, bits, 32))
    torch.testing.assert_close(gptq(weight, one, [bits], None)[0], grids.rtn(weight, bits, None))


@pytest.mark.parametrize("seed", range(5))
def test_solvers_leave_less_error(seed):
    weight, x, hessian = case(seed=seed)
    made = columns.factor(hessian)

    def lost(new):
        return float(error.output_error(new - weight, hessian))

    direct = 2 * ((x @ (gptq(weight, made, [3], 64)[0] - weight).T) ** 2).sum() / len(x)
    assert lost(gptq(weight, made, [3], 64)[0]) == pytest.approx(float(direct))
    assert lost(gptq(weight, made, [3], 64)[0]) < lost(grids.rtn(weight, 3, 64))
    assert lost(awq.awq(weight, x.abs().mean(0), hessian, 3, 64)) <= lost(grids.rtn(weight, 3, 64))
    norms = x.square().mean(0).sqrt()
    pruned = [sparsegpt(weight, made, [TWO_OF_FOUR])[0], pruning.wanda(weight, norms, TWO_OF_FOUR)]
    pruned.append(pruning.magnitude(weight, TWO_OF_FOUR))
    assert lost(pruned[0]) < lost(pruned[1]) < lost(pruned[2])


def test_noise_has_the_error_that_is_asked_for():
    weight, _, hessian = case()
    moved = error.noise(weight, hessian, 0.7, torch.Generator().manual_seed(1))
    assert float(error.output_error(moved - weight, hessian)) == pytest.approx(0.7)


@pytest.mark.parametrize("of", [4, 8])
def test_patterns_keep_the_largest_and_break_ties(of):
    kept = names.Pattern(of // 2, of)
    scores = torch.randint(0, 3, (40, 64)).double()  # many ties
    stays = masks.n_of_m(scores, kept)
    assert stays.view(40, -1, of).sum(2).eq(of // 2).all()
    lanes, flags = scores.view(40, -1, of), stays.view(40, -1, of)
    least = lanes.masked_fill(~flags, 9).amin(2)
    assert (lanes.masked_fill(flags, -1).amax(2) <= least).all()
    assert torch.equal(masks.n_of_m(scores.T, kept, 0), stays.T)


def test_shares_are_dropped_by_matrix_and_by_row():
    weight, x, _ = case()
    assert (pruning.magnitude(weight, 0.3) == 0).double().mean() == pytest.approx(0.3, abs=1e-3)
    rows = (pruning.wanda(weight, x.square().mean(0).sqrt(), 0.5) == 0).sum(1)
    assert rows.eq(64).all()
    drawn = pruning.random(weight, 0.5, torch.Generator().manual_seed(0))
    assert (drawn == 0).sum(1).eq(64).all()


@pytest.mark.parametrize("method", [lambda w: grids.nf4(w, 64), lambda w: grids.hqq(w, 4, 64)])
def test_four_bits_have_sixteen_levels(method):
    weight, _, _ = case()
    made = method(weight)
    levels = [len(group.unique()) for row in made.view(24, 2, 64) for group in row]
    assert max(levels) <= 16
    assert ((made - weight) ** 2).mean() < 0.02 * (weight**2).mean()


def test_the_zeros_of_hqq_are_fitted():
    weight, _, _ = case()
    gaps = [float((grids.hqq(weight, 3, 64, steps) - weight).abs().mean()) for steps in (1, 20)]
    assert gaps[1] < gaps[0]


def test_rounding_keeps_zeros_and_constants():
    weight = torch.zeros(2, 8)
    weight[1] = 3.0
    for made in (grids.rtn(weight, 4, 8), grids.nf4(weight, 8)):
        torch.testing.assert_close(made, weight)


def test_dead_columns_become_zero_and_do_no_harm():
    weight, x, _ = case()
    x[:, 5] = 0
    made = columns.factor(2 * x.T @ x / len(x))
    for new in (gptq(weight, made, [4], 64)[0], sparsegpt(weight, made, [TWO_OF_FOUR])[0]):
        assert torch.isfinite(new).all()
        assert new[:, 5].eq(0).all()


def test_a_singular_hessian_is_one_line():
    x = torch.ones(50, 16)
    with pytest.raises(StageError, match=r"16 channels\) are singular: calibrate on more tokens, or raise"):
        columns.factor(2 * x.T @ x / 50, damping=0.0)


@pytest.mark.parametrize("size", [128, 100])
def test_a_group_that_does_not_divide_names_one_that_does(size):
    with pytest.raises(StageError, match=rf"group {size} does not divide 576 inputs; take \d+, "):
        grids.rtn(torch.ones(2, 576), 4, size)


def test_a_pattern_that_does_not_divide_is_one_line():
    with pytest.raises(StageError, match="pattern of 4 does not divide 30 inputs"):
        pruning.magnitude(torch.ones(2, 30), TWO_OF_FOUR)


@pytest.mark.parametrize("text", ["4:2", "2-4", ":4", "0:4", "a:b"])
def test_a_pattern_is_written_as_keep_of(text):
    with pytest.raises(ValueError, match="such as 2:4"):
        names.pattern(text)


def test_bits_have_a_range():
    with pytest.raises(ValueError, match="bits 1: must be 2 to 8"):
        grids.rtn(torch.ones(1, 4), 1, 4)


def test_the_powers_of_awq_are_normalised():
    s = awq.scales(torch.tensor([0.1, 1.0, 4.0]), 0.5)
    assert float(s.max() * s.min()) == pytest.approx(1)
    assert np.allclose(awq.scales(torch.ones(3), 0.0), 1)
