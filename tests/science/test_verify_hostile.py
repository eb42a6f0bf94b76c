"""Networks out to break the verifier: nothing false is "verified", whatever weights, scales and boxes."""

from __future__ import annotations

import math
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from verify_nets import KINDS, draw, points

from retrace.verify import falsify
from retrace.verify.bounds import alpha, crown, interval
from retrace.verify.domain import Box, ball
from retrace.verify.fold import fold
from retrace.verify.network import Network
from retrace.verify.outcome import Limits
from retrace.verify.search import bounding, complete, leaf

PROOF_ONLY = Limits(steps=0, restarts=0, first=2, iterations=2, refine=1, domains=60, batch=16)
SPLIT_ONLY = Limits(steps=0, restarts=0, first=0, iterations=0, refine=0, candidates=1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(0, 10**6),
    st.sampled_from([float("nan"), float("inf"), -float("inf")]),
)
def test_a_weight_or_statistic_that_is_not_finite_is_refused_by_its_layers_name(kind, seed, value):
    module, net, _, _ = draw(kind, 3)
    tensors = [(n, t) for n, t in [*module.named_parameters(), *module.named_buffers()] if t.dim()]
    name, tensor = tensors[seed % len(tensors)]
    tensor.detach().view(-1)[seed % tensor.numel()] = value
    with pytest.raises(ValueError, match=rf"^net\.{name.rsplit('.', 1)[0]}: .* NaN or infinite") as refused:
        fold(module, net.input_shape)
    assert "\n" not in str(refused.value)


def test_a_folded_weight_beyond_single_precision_is_refused():
    layer = nn.Linear(2, 2).double()
    layer.weight.data.fill_(1e300)
    with pytest.raises(ValueError, match=r"net\.0, folded, in torch\.float32"):
        fold(nn.Sequential(layer), (2,), dtype=torch.float32)


def test_a_bound_that_is_nan_proves_nothing(monkeypatch):
    _, net, region, labels = draw("dense", 1, images=2, radius=0.0)

    def lost(net, node, rows, *_):
        return torch.full((len(rows), 1), torch.nan, dtype=rows.dtype)

    monkeypatch.setattr(bounding, "value", lost)
    for outcome in complete.verify(net, region.centre, labels, 0.1, limits=PROOF_ONLY):
        assert outcome.status in ("unknown", "falsified")


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(0, 10**6),
    st.sampled_from([1e-200, 1e-30, 1e-8, 1.0, 1e8, 1e30, 1e160, 1e300]),
    st.sampled_from([0.0, 1e-12, 0.05, 0.5]),
    st.booleans(),
)
def test_nothing_verified_has_a_counter_example_at_any_scale(kind, seed, scale, radius, dead):
    module, net, _, _ = draw(kind, seed, images=2)
    layers = [m for m in module.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    for layer in layers[:: 1 + seed % 2]:
        layer.weight.data *= scale
    if dead:
        for parameter in layers[0].parameters():
            parameter.data[::2] = 0.0
    net = fold(module, net.input_shape)
    torch.manual_seed(seed)
    images = torch.rand(2, *net.input_shape, dtype=torch.float64)
    labels = torch.tensor([seed % 3, (seed + 1) % 3])
    found = complete.verify(net, images, labels, radius, limits=PROOF_ONLY)
    for x in points(ball(images, radius), 8):
        broken = falsify.broken(net, x, labels)
        assert not any(
            outcome.status == "verified" and bool(b) for outcome, b in zip(found, broken, strict=True)
        )
        logits = net(x)
        for outcome, row in zip(found, logits, strict=True):
            assert outcome.status != "verified" or bool(torch.isfinite(row).all())


def least_margins(net: Network, region: Box) -> list[Fraction]:
    """The exact minimum of z_0 - z_1 of a linear layer behind ReLUs that are on, image by image."""
    (weight, bias) = (net.nodes[-1].operation.weight, net.nodes[-1].operation.bias)
    row = [Fraction(a) - Fraction(b) for a, b in zip(*weight.tolist(), strict=True)]
    start = Fraction(float(bias[0])) - Fraction(float(bias[1]))
    ends = zip(region.lower.tolist(), region.upper.tolist(), strict=True)
    return [
        start
        + sum((w * Fraction(a if w >= 0 else b) for w, a, b in zip(row, *both, strict=True)), Fraction(0))
        for both in ends
    ]


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6, 1e8, 1e10])
def test_a_margin_whose_exact_minimum_is_not_positive_is_never_verified(size):
    """Weights of any size, the bias such that the exact minimum is the last number at or below 0."""
    tight = 0
    for seed in range(30):
        torch.manual_seed(seed)
        first, last = nn.Linear(64, 64).double(), nn.Linear(64, 2).double().requires_grad_(False)
        first.weight.data, first.bias.data = torch.eye(64).double(), torch.zeros(64).double()
        last.weight.data = torch.randn(2, 64).double() * size
        last.bias.data.zero_()
        module, image = nn.Sequential(first, nn.ReLU(), last), torch.rand(1, 64).double() * 0.8 + 0.1
        region = ball(image, 0.05)
        least = least_margins(fold(module, (64,)), region)[0]
        last.bias.data[1] = float(least)
        while Fraction(float(last.bias[1])) < least:  # so that the exact minimum is 0 or just below
            last.bias.data[1] = math.nextafter(float(last.bias[1]), math.inf)
        net, label = fold(module, (64,)), torch.tensor([0])
        assert least_margins(net, region)[0] <= 0
        assert complete.verify(net, image, label, 0.05, limits=PROOF_ONLY)[0].status != "verified"
        bounds = (crown.margins, interval.margins, lambda *a: alpha.margins(*a, iterations=2))
        assert all(float(bound(net, region, label)) <= 0 for bound in bounds)
        last.bias.data[1] -= 1e-9 * size  # and a millionth of a millionth of the terms above it is seen
        above = complete.verify(fold(module, (64,)), image, label, 0.05, limits=PROOF_ONLY)[0]
        tight += above.status == "verified"
    assert tight == 30


@pytest.mark.parametrize("status", [1, 3, 4])
def test_a_linear_program_that_fails_closes_no_domain(status, monkeypatch):
    _, net, region, labels = draw("dense", 6, images=4, radius=0.0)
    solved = complete.verify(net, region.centre, labels, 0.1, limits=SPLIT_ONLY)
    assert "verified" in {outcome.status for outcome in solved}
    calls = []

    def failed(*_, **__):
        calls.append(0)
        return SimpleNamespace(status=status, x=None, ineqlin=None)

    monkeypatch.setattr(leaf, "linprog", failed)
    left = complete.verify(net, region.centre, labels, 0.1, limits=SPLIT_ONLY)
    assert calls
    assert any(o.status == "unknown" for o in left)
    for before, after in zip(solved, left, strict=True):
        assert after.status in ("unknown", before.status)
        assert after.status != "verified" or after.bound < torch.inf
