"""The rivals' scans equal their steps one by one: outputs, states, every gradient."""

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
    usage = torch.rand(shape, dtype=x.dtype, generator=torch.Generator().manual_seed(0))
    return net.start(x.shape[1])._replace(usage=usage)


def of_state(state):
    """A term of the loss for each part of a state that has a gradient."""
    parts = [part for part in state if isinstance(part, torch.Tensor) and part.requires_grad]
    return [
        (part * torch.linspace(1, 2, part.numel(), dtype=part.dtype).view(part.shape)).sin().sum()
        for part in parts
    ]


def gap(name, lengths, slots, batch, truncated, kappa, dtype, noisy, hidden=10, width=6):
    torch.manual_seed(len(lengths) + slots)
    net = build(name, 5, 3, hidden, slots, width, seed=1).to(dtype)
    net.set_kappa(kappa)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn_like(p))
    parts = [torch.randn(t, batch, 5, dtype=dtype) for t in lengths]
    noises = [net.draw(x) if noisy else None for x in parts]
    found = []
    for net.fused in (True, False):
        found.append(outcome(net, parts, noises, truncated))
    return max(float(((a - b).abs() / (1 + b.abs())).max().detach()) for a, b in zip(*found, strict=True))


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
    assert gap(name, lengths, slots, batch, truncated, 1.7, torch.float64, noisy) < 1e-8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("slots", [24, 8])
def test_equal_in_single_precision(name, slots):
    """At the laptop's sizes, with and without overwriting."""
    assert gap(name, (14,), slots, 8, True, 1.0, torch.float32, True, hidden=64, width=32) < 1e-5


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
