"""The fused scan equals the steps written one by one: outputs, states, every gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retrace.nets.memory.address import gumbel
from retrace.nets.memory.base import detach
from retrace.nets.memory.cost import saved_bytes
from retrace.nets.memory.fused import backward
from retrace.nets.memory.registry import build

NAMES = ("armin-soft", "armin-hard", "armin-pixels", "random-address")


def outcome(net, parts, noises, weights, truncated):
    """Outputs, reads and all gradients of a loss over several parts with a carried state."""
    net.zero_grad()
    parts = [part.clone().requires_grad_() for part in parts]
    state, loss, kept = None, torch.zeros((), dtype=parts[0].dtype), []
    for part, noise, weight in zip(parts, noises, weights, strict=True):
        net.draw = lambda _, noise=noise: noise
        y, state, reads = net(part, state, reads=True)
        kept += [y, reads]
        loss = loss + (y * weight).sum()
        if truncated:
            loss = loss + state.h.square().sum() + state.memory.sin().sum()
            state = detach(state)
    if not truncated:
        loss = loss + state.h.square().sum() + state.memory.sin().sum()
    loss.backward()
    return [*kept, state.h, state.memory, *(p.grad for p in parts), *(p.grad for p in net.parameters())]


def compare(name, lengths, slots, batch, truncated, kappa, dtype, scale=1.0, hidden=10, width=6):
    torch.manual_seed(len(lengths) + slots)
    net = build(name, 5, 3, hidden, slots, width, seed=1).to(dtype)
    net.set_kappa(kappa)
    with torch.no_grad():
        net.cell.memory.normal_()
    parts = [scale * torch.randn(t, batch, 5, dtype=dtype) for t in lengths]
    noises = [None if name == "armin-soft" else gumbel(x, x.shape[0], batch, slots) for x in parts]
    weights = [torch.randn(t, batch, 3, dtype=dtype) / t for t in lengths]
    found = []
    for net.fused in (True, False):
        found.append(outcome(net, parts, noises, weights, truncated))
    return max(float(((a - b).abs() / (1 + b.abs())).max().detach()) for a, b in zip(*found, strict=True))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(NAMES),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    slots=st.integers(1, 14),
    batch=st.integers(1, 4),
    truncated=st.booleans(),
    rows=st.sampled_from((1, 5, 256)),
)
def test_equal_in_double_precision(name, lengths, slots, batch, truncated, rows):
    """Chunks of one, few and all steps; memories that fill, just fill and overflow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backward, "ROWS", rows)
        assert compare(name, lengths, slots, batch, truncated, 1.7, torch.float64) < 1e-9


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("slots", [50, 16])
def test_equal_in_single_precision(name, slots):
    """At the paper's sizes, with and without overwriting.

    Slightly different rounding may tip a read, so the noise is the same and ties are not to be expected.
    """
    assert compare(name, (30, 10), slots, 4, True, 1.0, torch.float32, hidden=100, width=32) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_without_a_gradient_and_in_evaluation(name):
    net = build(name, 5, 3, 10, 4, 6, seed=1).double().eval()
    x = torch.randn(9, 3, 5, dtype=torch.float64)
    found = []
    with torch.no_grad():
        for net.fused in (True, False):
            torch.manual_seed(0)
            y, state, reads = net(x, reads=True)
            found.append((y, state.h, state.memory, reads))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(*found, strict=True))


def test_inputs_are_left_as_they_were():
    net = build("armin-hard", 5, 3, 10, 4, 6, seed=1)
    x = torch.randn(9, 3, 5)
    _, state, _ = net(x)
    state = detach(state)
    before = x.clone(), state.h.clone(), state.memory.clone()
    net(x, state)[0].sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(before, (x, state.h, state.memory), strict=True))


def test_the_graph_can_be_used_twice():
    """A backward pass changes nothing that it has saved."""
    for name in NAMES:
        net = build(name, 5, 3, 10, 4, 6, seed=1)
        loss = net(torch.randn(9, 3, 5))[0].square().sum()
        first = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
        again = torch.autograd.grad(loss, list(net.parameters()))
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def kept(name, steps, slots, fused):
    net = build(name, 5, 3, 16, slots, 8, seed=1)
    net.fused = fused
    x = torch.randn(steps, 4, 5)
    return saved_bytes(lambda: net(x), [*net.parameters(), x])


@pytest.mark.parametrize("name", ["armin-soft", "armin-hard"])
def test_saved_memory_does_not_grow_by_whole_memories(name):
    """A step more costs rows, not slots times width (but for spans of soft reads that overwrite)."""
    slots = 64
    step = (kept(name, 60, slots, True) - kept(name, 40, slots, True)) / 20
    rows = 4 * 4 * (2 * slots + 9 * 16 + 8 * 8 + 5)  # generous: batch, bytes, columns
    assert step < rows
    assert (kept(name, 60, slots, False) - kept(name, 40, slots, False)) / 20 > 4 * 4 * slots * 8
    spans = kept("armin-soft", 64 + 36, slots, True) - kept("armin-soft", 64, slots, True)
    assert spans < 36 * rows + 6 * 4 * 4 * slots * 8 + 1000
