"""The rivals' scans equal their steps one by one: outputs, states, every gradient."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retrace.nets.memory.base import detach
from retrace.nets.memory.dnc import Dnc
from retrace.nets.memory.registry import build

NAMES = ("ntm", "tardis", "awta", "dnc", "sam")


def outcome(net, parts, noises, truncated):
    """Outputs, reads, last state and all gradients of a loss over several parts with a carried state."""
    net.zero_grad()
    parts = [part.clone().requires_grad_() for part in parts]
    state, loss, kept = begin(net, parts[0]), torch.zeros((), dtype=parts[0].dtype), []
    for part, noise in zip(parts, noises, strict=True):
        net.draw = lambda _, noise=noise: noise
        y, state, reads = net(part, state, reads=True)
        kept += [y, reads]
        loss = loss + (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)).sum()
        if truncated:
            loss = loss + sum(of_state(state))
            state = detach(state)
    if not truncated:
        loss = loss + sum(of_state(state))
    loss.backward()
    kept += [value for value in state if isinstance(value, torch.Tensor)]
    return [*kept, *(p.grad for p in parts), *(p.grad for p in net.parameters())]


def begin(net, x):
    """Fresh, but for the DNC: among equally used slots rounding would decide which is allocated."""
    if not isinstance(net, Dnc):
        return None
    shape = x.shape[1], net.slots
    usage = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return net.start(x.shape[1])._replace(usage=usage.to(x.dtype))


def of_state(state):
    """A term of the loss for each part of a state that has a gradient."""
    parts = [part for part in state if isinstance(part, torch.Tensor) and part.requires_grad]
    return [
        (part * torch.linspace(1, 2, part.numel(), dtype=part.dtype).view(part.shape)).sin().sum()
        for part in parts
    ]


def problem(name, lengths, slots, batch, kappa, noisy, hidden=10, width=6):
    """A network with unlike weights, parts of a sequence and noise for each, in double precision."""
    torch.manual_seed(len(lengths) + slots)
    net = build(name, 5, 3, hidden, slots, width, seed=1).double()
    net.set_kappa(kappa)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn_like(p))
    parts = [torch.randn(t, batch, 5, dtype=torch.float64) for t in lengths]
    return net, parts, [net.draw(x) if noisy else None for x in parts]


def solved(net, parts, noises, truncated, fused, dtype=torch.float64):
    net, parts = copy.deepcopy(net).to(dtype), [part.to(dtype) for part in parts]
    net.fused = fused
    noises = [noise.to(dtype) if isinstance(noise, torch.Tensor) else noise for noise in noises]
    return outcome(net, parts, noises, truncated)


def gap(found, wanted):
    """The largest difference, relative where numbers are large."""
    pairs = [(a.detach().double(), b.detach().double()) for a, b in zip(found, wanted, strict=True)]
    return max(float(((a - b).abs() / (1 + b.abs())).max()) for a, b in pairs)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(NAMES),
    lengths=st.lists(st.integers(1, 10), min_size=1, max_size=3),
    slots=st.integers(4, 14),
    batch=st.integers(1, 4),
    truncated=st.booleans(),
    noisy=st.booleans(),
)
def test_equal_in_double_precision(name, lengths, slots, batch, truncated, noisy):
    """Memories that fill, just fill and overflow; carried and cut states."""
    given = problem(name, lengths, slots, batch, 1.7, noisy)
    assert gap(solved(*given, truncated, fused=True), solved(*given, truncated, fused=False)) < 1e-8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("slots", [24, 8])
def test_as_near_in_single_precision_as_the_steps(name, slots):
    """At the laptop's sizes, with and without overwriting: the processor sets how far rounding reaches."""
    given = problem(name, (14,), slots, 8, 1.0, True, hidden=64, width=32)
    exact = solved(*given, True, fused=False)
    scan, steps = (gap(solved(*given, True, fused, torch.float32), exact) for fused in (True, False))
    assert 0 < scan < 5 * steps + 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_left_as_they_were_and_the_graph_can_be_used_twice(name):
    net = build(name, 5, 3, 10, 6, 6, seed=1)
    x = torch.randn(9, 3, 5)
    state = detach(net(x)[1])
    before = [part.clone() for part in state if isinstance(part, torch.Tensor)]
    loss = net(x, state)[0].square().sum()
    first = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True, allow_unused=True)
    again = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    assert all(a is b or torch.equal(a, b) for a, b in zip(first, again, strict=True))
    after = [part for part in state if isinstance(part, torch.Tensor)]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
