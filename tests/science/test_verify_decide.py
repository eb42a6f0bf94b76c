"""Answers on small random networks against samples and against enumeration of all ReLU patterns."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch import nn
from verify_nets import points

from retrace.errors import RetraceError
from retrace.verify import decide as deciding
from retrace.verify.decide import decide
from retrace.verify.domain import Box
from retrace.verify.fold import fold
from retrace.verify.foreign import vnnlib
from retrace.verify.network import Network
from retrace.verify.outcome import Limits
from retrace.verify.property import Case, questions
from retrace.verify.search import inputs

LIMITS = Limits(domains=4000, steps=10, restarts=2)


def small(seed: int, width: int = 5) -> Network:
    torch.manual_seed(seed)
    layers = [nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 3)]
    return fold(nn.Sequential(*layers).double(), (2,))


def cases(net: Network, seed: int, shift: float) -> list[Case]:
    """Two cases of one and two rows on one box, one row on another; `shift` makes them rarer."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for rows, place in ((1, 0.0), (2, 0.0), (1, 0.3)):
        weight = torch.randn(rows, 3, generator=generator, dtype=torch.float64)
        low = torch.full((2,), place - 1, dtype=torch.float64)
        at = net((low + 0.7)[None])[0]
        made.append(Case(low, low + 1.5, weight, weight @ at - shift))
    return made


def possible(net: Network, case: Case) -> float:
    """The least `t` with rows @ y <= right + t in the box: a linear program for every pattern of ReLUs."""
    first, last = net.nodes[0].operation, net.nodes[2].operation
    w, b, v, c = (t.numpy() for t in (first.weight, first.bias, last.weight, last.bias))
    best = math.inf
    for pattern in itertools.product((0, 1), repeat=len(b)):
        on = np.array(pattern)
        rows = case.rows.numpy()
        above = np.concatenate([rows @ (v * on) @ w, (1 - 2 * on)[:, None] * w])
        right = np.concatenate([case.right.numpy() - rows @ (v @ (on * b) + c), (2 * on - 1) * b])
        slack = np.concatenate([-np.ones(len(rows)), np.zeros(len(b))])[:, None]
        ends = [*zip(case.lower.tolist(), case.upper.tolist(), strict=True), (None, None)]
        found = linprog([0, 0, 1], np.hstack([above, slack]), right, bounds=ends, method="highs")
        if found.status == 0:
            best = min(best, found.fun)
    return best


@pytest.mark.parametrize("few", [0, 10])  # ReLUs are split, the box is split
@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), shift=st.sampled_from([-1.0, 0.0, 0.3, 1.0, 3.0]))
def test_answers_are_those_of_enumeration(few, seed, shift):
    before, deciding.FEW = deciding.FEW, few
    try:
        net = small(seed)
        asked = cases(net, seed, shift)
        answer = decide(net, asked, limits=LIMITS)
    finally:
        deciding.FEW = before
    least = min(possible(net, case) for case in asked)
    if abs(least) > 1e-6:
        assert answer.status == ("sat" if least < 0 else "unsat")
    if answer.status == "sat":
        assert answer.example is not None
        y = net(answer.example[None])[0]
        inside = [
            bool((c.lower <= answer.example).all() and (answer.example <= c.upper).all()) for c in asked
        ]
        assert any(ok and c.holds(y) for ok, c in zip(inside, asked, strict=True))
        assert answer.outputs is not None
        assert torch.equal(answer.outputs, y)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), shift=st.floats(-1, 4))
def test_unsat_is_never_said_where_a_sample_is_unsafe(seed, shift):
    torch.manual_seed(seed)
    layers = [nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)]
    net = fold(nn.Sequential(*layers).double(), (2,))
    asked = cases(net, seed, shift)
    answer = decide(net, asked, limits=Limits(domains=500, steps=0, restarts=0))
    for case in asked:
        x = points(Box(case.lower[None], case.upper[None]), 500)[:, 0]
        unsafe = [case.holds(y) for y in net(x)]
        assert answer.status != "unsat" or not any(unsafe)


def test_the_gaps_and_the_race_say_what_a_case_says():
    net = small(0)
    asked = cases(net, 0, 0.2)
    both = questions(net, asked)
    assert [len(q.cases) for q in both] == [2, 1]
    x = torch.rand(200, 2, dtype=torch.float64) * 2 - 1
    logits = both[0].race(x)
    for k, case in enumerate(asked[:2]):
        gap = (net(x) @ case.rows.T - case.right).amax(1)
        assert torch.allclose(logits[:, 0] - logits[:, 1 + k], gap, atol=1e-12)


@pytest.mark.parametrize("few", [0, 10])
def test_means_that_run_out_are_no_proof(few, monkeypatch):
    monkeypatch.setattr(deciding, "FEW", few)
    net = small(1)
    hard = [Case(c.lower, c.upper, c.rows, c.right) for c in cases(net, 1, 0.0)]
    least = [possible(net, c) for c in hard]
    close = [Case(c.lower, c.upper, c.rows, c.right + t - 1e-3) for c, t in zip(hard, least, strict=True)]
    assert decide(net, close, limits=Limits(domains=1, steps=0, restarts=0)).status == "unknown"
    assert decide(net, close, seconds=1e-9, limits=LIMITS).status == "timeout"
    assert decide(net, close, limits=LIMITS).status == "unsat"


def test_an_example_that_the_network_itself_denies_is_not_printed():
    net = small(2)
    sure = [Case(c.lower, c.upper, c.rows, c.right + 100) for c in cases(net, 2, 0.0)]
    assert decide(net, sure).status == "sat"
    denied = decide(net, sure, run=lambda x: torch.full((3,), torch.nan))
    assert (denied.status, denied.example) == ("unknown", None)


def test_an_example_in_float32_lies_inside_its_box():
    low = torch.tensor([0.7, 0.1, 0.0], dtype=torch.float64)  # float32 has less than 0.7, more than 0.1
    high = torch.tensor([0.8, 0.1, 0.1], dtype=torch.float64)
    found = deciding._single(torch.tensor([0.7, 0.1, 0.1], dtype=torch.float64), low, high)
    assert torch.equal(found, found.float().double())
    assert found[0] >= low[0]
    assert found[2] <= high[2]
    assert found[1] == low[1].float().double()  # no float32 lies between equal ends: the nearest


def test_halves_cover_their_boxes_and_a_box_without_a_middle_is_counted():
    low = torch.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, 3.0]], dtype=torch.float64)
    high = torch.tensor([[1.0, 4.0], [2.0, 2.0], [3.0, 3.0]], dtype=torch.float64)
    halves, small = inputs._halves(Box(low, high), torch.tensor([[0.0, 1.0], [0.0, 9.0], [1.0, 1.0]]))
    assert small == 1
    assert halves.lower.tolist() == [[0, 0], [1, 2], [0, 2], [1.5, 2]]
    assert halves.upper.tolist() == [[1, 2], [1.5, 2], [1, 4], [2, 2]]


BOX = "(declare-const X_0 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)(assert (<= X_0 1))"
WHOLE = BOX + "(assert (>= X_0 -1))"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOX + "(assert (<= Y_0 0))", "X_0 has no lower end"),
        (BOX + "(assert (>= X_0 2))(assert (<= Y_0 0))", "an empty box"),
        (BOX + "(assert (>= X_0 nan))", "'nan' is no finite number"),
        (BOX + "(assert (>= X_0 1e999))", "is no finite number"),
        (WHOLE, "nothing of the outputs"),
        (WHOLE + "(assert (<= Y_0 X_0))", "inputs take a box"),
        (WHOLE + "(assert (<= Y_2 0))", "Y_2 is not declared"),
        (WHOLE + "(assert (< Y_0 0))", "expected and, or, <=, >= or ="),
        (WHOLE + "(assert (<= (* Y_0 Y_1) 0))", "linear sum"),
        (WHOLE + "(assert (<= Y_0 0)", "1 brackets are never closed"),
        (WHOLE + ")", "closed that none opened"),
        (WHOLE + "(assert ())", "cannot read"),
        ("(declare-const X_1 Real)" + "(declare-const Y_0 Real)", "in a row"),
        ("(declare-const Z Real)", "declares Z"),
        ("(vnnlib-version 2.0)", "VNN-LIB 1"),
    ],
)
def test_a_property_that_cannot_be_read_is_one_line(text, says):
    with pytest.raises(RetraceError, match=r"^p\.vnnlib: ") as refused:
        vnnlib.cases(text, "p.vnnlib")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def _formula(rng: random.Random, depth: int) -> tuple[str, Callable]:
    """A random formula over Y_0, Y_1 with what it means at a point."""
    kind = rng.choice(["atom", "and", "or", "or"] if depth else ["atom"])
    if kind == "atom":
        a, b, c = rng.choice([-2, -1, 1, 3]), rng.randint(-3, 3), rng.randint(-3, 3)
        word, sign = rng.choice([("<=", 1), (">=", -1)])
        text = f"({word} (+ (* {a} Y_0) (- (* Y_1 {b}))) (- {c} 0.5))"
        return text, lambda y: sign * (a * y[0] - b * y[1] - (c - 0.5)) <= 0
    parts = [_formula(rng, depth - 1) for _ in range(rng.randint(1, 3))]
    join = all if kind == "and" else any
    return f"({kind} {' '.join(t for t, _ in parts)})", lambda y: join(f(y) for _, f in parts)


@given(seed=st.integers(0, 10**6))
def test_cases_mean_what_the_formula_means(seed):
    text, meaning = _formula(random.Random(seed), 3)
    found = vnnlib.cases(WHOLE + f"(assert {text}) ; a remark\n", "p")
    for y in itertools.product((-2.25, -0.3, 0.1, 1.7), repeat=2):
        assert any(case.holds(torch.tensor(y, dtype=torch.float64)) for case in found) == meaning(y)


def test_several_boxes_and_scaled_ends_are_read():
    text = BOX + "(assert (or (and (>= (* 2 X_0) -1) (<= Y_0 0)) (and (<= 0 X_0) (= Y_1 2))))"
    first, second = vnnlib.cases(text, "p")
    assert (first.lower.item(), first.upper.item(), second.lower.item()) == (-0.5, 1.0, 0.0)
    assert second.rows.tolist() == [[0.0, 1.0], [0.0, -1.0]]
    assert second.right.tolist() == [2.0, -2.0]
