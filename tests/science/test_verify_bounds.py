"""The bounds: sound, nested, and equal to the published formulas written out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_nets import KINDS, direct_crown, draw, points, segments

from retrace.verify import falsify
from retrace.verify.bounds import alpha, crown, interval, wanted
from retrace.verify.bounds.dual import Splits, clip, evaluate, flat
from retrace.verify.bounds.relaxation import relax, unstable
from retrace.verify.search import exact
from retrace.verify.specification import margin_rows

NEAR = 1e-9


def inside(value, low, high):
    return bool((value >= low - NEAR).all()) and bool((value <= high + NEAR).all())


@pytest.mark.slow
@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(KINDS)), st.integers(0, 2**31 - 40), st.sampled_from([0.0, 0.02, 0.1, 0.3, 1.0])
)
def test_no_sampled_point_leaves_the_bounds(kind, seed, radius):
    for k in range(42):  # 2,100 networks and 100,800 points in all
        _, net, region, labels = draw(kind, seed + k, images=3, radius=radius)
        plain, known = interval.preactivations(net, region), crown.preactivations(net, region)
        lower = crown.margins(net, region, labels, known=known)
        x = points(region, 16)
        values = [v.reshape(*x.shape[:2], *v.shape[1:]) for v in net.values(x.flatten(0, 1))]
        for relu, ends, wide in zip(net.relus, known, plain, strict=True):
            assert inside(values[net.source(relu)], *ends)
            assert inside(values[net.source(relu)], *wide)
        assert all(bool((falsify.gaps(logits, labels) >= lower - NEAR).all()) for logits in values[-1])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_optimised_and_refined_bounds_hold_for_many_points(kind):
    for seed in range(3):
        _, net, region, labels = draw(kind, seed, radius=0.3)
        known = alpha.preactivations(net, region, 5)
        lower = alpha.margins(net, region, labels, iterations=10, known=known)
        for x in points(region, 100):
            values = net.values(x)
            assert all(inside(values[net.source(r)], *ends) for r, ends in zip(net.relus, known, strict=True))
            assert bool((falsify.gaps(values[-1], labels) >= lower - NEAR).all())


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_crown_equals_the_published_formulas_neuron_by_neuron(kind):
    for seed in range(8):
        module, net, region, labels = draw(kind, seed, images=2, radius=0.2)
        maps = segments(module, net.input_shape)
        rows = margin_rows(labels, net.classes)
        known = crown.preactivations(net, region)
        found = crown.margins(net, region, labels)
        plain = interval.margins(net, region, labels)
        for k in range(2):
            low, high = region.lower[k].flatten().numpy(), region.upper[k].flatten().numpy()
            for c in range(net.classes - 1):
                hidden, bound = direct_crown(maps, low, high, rows[k, c].double().numpy())
                assert max(bound, float(plain[k, c])) == pytest.approx(float(found[k, c]), abs=1e-5)
            for ours, theirs in zip(known, hidden, strict=True):
                for side in (0, 1):
                    assert ours[side][k].flatten().numpy() == pytest.approx(theirs[side], abs=1e-5)


def test_intervals_contain_crown_contain_optimised_contain_exact():
    tighter = 0
    for seed in range(100):
        _, net, region, labels = draw(("dense", "residual")[seed % 2], seed, images=1, radius=0.2)
        plain = interval.margins(net, region, labels)
        first = crown.margins(net, region, labels)
        best = alpha.margins(net, region, labels, iterations=8)
        assert bool((plain <= first + NEAR).all())
        assert bool((first <= best + NEAR).all())
        tighter += bool((best > first + 1e-4).any())
        for loose, tight in zip(
            interval.preactivations(net, region), crown.preactivations(net, region), strict=True
        ):
            assert inside(tight[0], *loose)
            assert inside(tight[1], *loose)
        if seed < 30:
            assert bool((best <= exact.margins(net, region, labels) + 1e-6).all())
    assert tighter > 10


@pytest.mark.parametrize("radius", [0.05, 0.4])
def test_patches_equal_whole_maps(radius, monkeypatch):
    _, net, region, _ = draw("convolutional", 3, images=3, radius=radius)
    local = crown.preactivations(net, region)
    assert crown.patches(net, net.source(net.relus[1]), local[:1], region) is not None
    monkeypatch.setattr(crown, "patches", lambda *_: None)
    for ours, whole in zip(local, crown.preactivations(net, region), strict=True):
        assert torch.allclose(ours[0], whole[0], atol=1e-9)
        assert torch.allclose(ours[1], whole[1], atol=1e-9)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_lists_of_wanted_neurons_give_the_bounds_of_all(kind, monkeypatch):
    fewer = 0
    for seed in range(4):
        _, net, region, labels = draw(kind, seed, images=5, radius=0.1)
        found, rows = [], []
        for share, block in ((0.0, 10**6), (1.0, 10**6), (1.0, 1)):
            monkeypatch.setattr(wanted, "SHARED", share)
            monkeypatch.setattr(wanted, "BLOCK", block)
            rows.append(0)

            def counted(net, node, known, region, rows=rows):
                bound = crown.bound_rows(net, node, known, region)

                def count(given):
                    rows[-1] += given.shape[1] * len(region)
                    return bound(given)

                return count

            found.append(crown.margins(net, region, labels, known=crown.preactivations(net, region, counted)))
        assert torch.allclose(found[0], found[1], atol=1e-9)
        assert torch.allclose(found[0], found[2], atol=1e-9)
        assert rows[0] >= rows[1] >= rows[2]  # every neuron, the longest list of all boxes, each its own
        fewer += rows[0] > rows[2]
    assert fewer > 0


def _split_problem(seed, kind="residual"):
    _, net, region, labels = draw(kind, seed, images=1, radius=0.5)
    low, high = flat(crown.preactivations(net, region))
    neurons = unstable(low, high)[0].nonzero()[:2, 0]
    signs = torch.tensor([1, -1])[: len(neurons)]
    splits = Splits(neurons[None], signs[None])
    return net, region, labels, low, high, splits


@pytest.mark.parametrize("kind", ["residual", "residual convolutional"])
def test_the_closed_form_gradient_equals_autograd(kind):
    torch.manual_seed(0)
    net, region, labels, low, high, splits = _split_problem(1, kind)
    low, high = clip(low, high, splits)
    open_, base = unstable(low, high)[:, None], relax(low, high)
    slopes = torch.rand(1, 1, low.shape[1], dtype=torch.float64, requires_grad=True)
    beta = torch.full(splits.sign.shape, 0.05, dtype=torch.float64, requires_grad=True)
    row = margin_rows(labels, net.classes).double()[:, :1]
    line = replace(base, low=torch.where(open_, slopes, base.low))
    found = evaluate(net, net.output, row, line, region, splits, beta)
    by_slope, by_beta = torch.autograd.grad(found.bound.sum(), [slopes, beta])
    assert by_slope.abs().max() > 1e-6
    assert torch.allclose(by_slope, found.coefficients.clamp(min=0) * found.values * open_, atol=1e-12)
    assert torch.allclose(by_beta, -splits.sign * found.values[:, 0].gather(1, splits.neuron), atol=1e-12)


def test_split_bounds_hold_where_the_splits_do():
    held = 0
    for seed in range(20):
        net, region, labels, low, high, splits = _split_problem(seed)
        ends = clip(low, high, splits)
        rows = margin_rows(labels, net.classes).double()[:, :1]
        found = alpha.optimise(net, net.output, rows, *ends, region, iterations=15, splits=splits)
        for x in points(region, 200):
            values = net.values(x)
            hidden = torch.cat([values[net.source(r)].flatten(1) for r in net.relus], 1)
            if bool((hidden.gather(1, splits.neuron) * splits.sign >= 0).all()):
                held += 1
                assert falsify.gaps(values[-1], labels)[0, 0] >= found.bound[0, 0] - NEAR
    assert held > 100


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_leaving_boxes_early_changes_no_bound_that_is_still_open(kind):
    early = 0
    for seed in range(6):
        _, net, region, labels = draw(kind, seed, images=12, radius=0.1)
        low, high = flat(crown.preactivations(net, region))
        rows = margin_rows(labels, net.classes).double()[:, :1]
        full = alpha.optimise(net, net.output, rows, low, high, region, iterations=8)
        short = alpha.optimise(net, net.output, rows, low, high, region, iterations=8, until=0.0)
        left = short.bound[:, 0] <= 0
        early += int((~left).sum())
        assert torch.allclose(short.bound[left], full.bound[left], atol=1e-9)
        assert bool((full.bound[~left] >= short.bound[~left] - 1e-9).all())
        assert short.last.example.shape == full.last.example.shape
    assert early > 0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_gradient_pulled_through_the_first_layer_is_autograds(kind):
    _, net, region, _ = draw(kind, 1, images=4)
    x = region.centre.requires_grad_(True)
    (expected,) = torch.autograd.grad(net(x)[:, 0].sum(), x)
    value, back = net.opened(x)
    value.requires_grad_(True)
    (slope,) = torch.autograd.grad(net.onward(value)[:, 0].sum(), value)
    assert torch.allclose(back(slope), expected, atol=1e-9)


def test_hidden_bounds_are_refined_while_a_box_has_seconds_left(monkeypatch):
    _, net, region, _ = draw("convolutional", 2, images=4, radius=0.1)
    monkeypatch.setattr(crown, "CHUNK", 1)  # a box at a time, as on a processor with larger networks
    plain, refined = crown.preactivations(net, region), alpha.preactivations(net, region, 5)

    def same(one, other):
        ends = [pair for a, b in zip(one, other, strict=True) for pair in zip(a, b, strict=True)]
        return [all(torch.equal(a[k], b[k]) for a, b in ends) for k in range(4)]

    assert not any(same(plain, refined))
    assert all(same(plain, alpha.preactivations(net, region, 5, seconds=0.0)))
    assert all(same(refined, alpha.preactivations(net, region, 5, seconds=1e9)))
    calls, real = [], alpha.optimise
    monkeypatch.setattr(alpha, "optimise", lambda *a, **k: calls.append(0) or real(*a, **k))
    monkeypatch.setattr(alpha.time, "process_time", lambda: float(len(calls)))
    some = alpha.preactivations(net, region, 5, seconds=1.0)  # each search takes one second of this clock
    assert len(calls) == 4  # every box had its own, none took another's
    assert not any(same(plain, some))
