"""Properties in VNN-LIB 1, the format of VNN-COMP: boxes of inputs, linear inequalities on outputs."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from typing import Any

import torch

from retrace.errors import RetraceError
from retrace.verify.property import Case

TOKEN = re.compile(r"[()]|[^\s()]+")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
VARIABLE = re.compile(r"([XY])_(\d+)")
MOST = 100_000  # cases of one property


@dataclass(frozen=True)
class Atom:
    """sum of coefficient x variable + constant <= 0."""

    terms: dict[str, float]
    constant: float


def cases(text: str, place: str) -> list[Case]:
    """The cases of a VNN-LIB text, in float64; `place` names it in errors.

    Takes declare-const and declare-fun of X_i and Y_i, and asserts of <=, >=, =, and, or over sums, products
    with numbers and differences.
    Errors: RetraceError for anything else, an input without both ends or with ends the wrong way round, an
    inequality over several inputs or over inputs and outputs, and a case that says nothing of the outputs.
    """
    try:
        return _cases(text)
    except ValueError as error:
        raise RetraceError(f"{place}: {error}") from None


def _cases(text: str) -> list[Case]:
    declared: set[str] = set()
    whole: list[list[list[Atom]]] = []  # for every assert its alternatives
    for form in _forms(text):
        head = form[0] if isinstance(form, list) and form else form
        if head in ("declare-const", "declare-fun") and len(form) >= 3:
            if not isinstance(form[1], str) or not VARIABLE.fullmatch(form[1]):
                raise ValueError(f"declares {_shown(form[1])}: variables are X_0, X_1 ... and Y_0, Y_1 ...")
            declared.add(form[1])
        elif head == "assert" and len(form) == 2:
            whole.append(_alternatives(form[1], declared))
        elif head not in ("set-logic", "set-info", "check-sat", "exit"):
            raise ValueError(f"cannot read {_shown(form)}: expected declare-const or assert (VNN-LIB 1)")
    inputs, outputs = _count(declared, "X"), _count(declared, "Y")
    if math.prod(len(w) for w in whole) > MOST:
        raise ValueError(f"its asserts multiply to more than {MOST} cases: split the property")
    always = [atom for w in whole if len(w) == 1 for atom in w[0]]
    choices = itertools.product(*(w for w in whole if len(w) != 1))
    return [_case([*always, *itertools.chain(*some)], inputs, outputs) for some in choices]


def _forms(text: str) -> list[Any]:
    """Nested lists of words; comments run from a semicolon to the end of the line."""
    stack: list[list[Any]] = [[]]
    for token in TOKEN.findall(re.sub(r";[^\n]*", "", text)):
        if token == "(":
            stack.append([])
        elif token == ")":
            if len(stack) == 1:
                raise ValueError("a bracket is closed that none opened")
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    if len(stack) > 1:
        raise ValueError(f"{len(stack) - 1} brackets are never closed: is the file whole?")
    return stack[0]


def _alternatives(form: Any, declared: set[str]) -> list[list[Atom]]:
    """A formula in disjunctive normal form."""
    head = form[0] if isinstance(form, list) and form else form
    if head == "or":
        return [each for part in form[1:] for each in _alternatives(part, declared)]
    if head == "and":
        parts = [_alternatives(part, declared) for part in form[1:]]
        if math.prod(len(p) for p in parts) > MOST:
            raise ValueError(f"an assert multiplies to more than {MOST} cases: split the property")
        return [list(itertools.chain(*some)) for some in itertools.product(*parts)]
    if head in ("<=", ">=", "=") and len(form) == 3:
        left, right = (_sum(part, declared) for part in form[1:])
        below, above = _minus(left, right), _minus(right, left)
        return [{"<=": [below], ">=": [above], "=": [below, above]}[head]]
    raise ValueError(f"cannot read {_shown(form)}: expected and, or, <=, >= or =")


def _sum(form: Any, declared: set[str]) -> Atom:
    if isinstance(form, str):
        if NUMBER.fullmatch(form) and math.isfinite(float(form)):
            return Atom({}, float(form))
        if VARIABLE.fullmatch(form):
            if form not in declared:
                raise ValueError(f"{form} is not declared")
            return Atom({form: 1.0}, 0.0)
        raise ValueError(f"{form!r} is no finite number and no variable X_i or Y_i")
    head, parts = form[0] if form else "", [_sum(part, declared) for part in form[1:]]
    if head == "+" and parts:
        total = Atom({}, 0.0)
        for part in parts:
            total = _minus(total, _times(part, -1.0))
        return total
    if head == "-" and len(parts) == 1:
        return _times(parts[0], -1.0)
    if head == "-" and len(parts) == 2:
        return _minus(*parts)
    if head == "*" and len(parts) == 2 and not (parts[0].terms and parts[1].terms):
        number, other = parts if not parts[0].terms else parts[::-1]
        return _times(other, number.constant)
    raise ValueError(f"cannot read {_shown(form)}: expected a linear sum of +, - and * with a number")


def _times(atom: Atom, factor: float) -> Atom:
    return Atom({k: factor * v for k, v in atom.terms.items()}, factor * atom.constant)


def _minus(left: Atom, right: Atom) -> Atom:
    names = [*left.terms, *(k for k in right.terms if k not in left.terms)]
    terms = {k: left.terms.get(k, 0.0) - right.terms.get(k, 0.0) for k in names}
    return Atom({k: v for k, v in terms.items() if v}, left.constant - right.constant)


def _count(declared: set[str], kind: str) -> int:
    numbers = {int(name[2:]) for name in declared if name[0] == kind}
    if numbers != set(range(len(numbers))) or not numbers:
        raise ValueError(f"declares {len(numbers)} variables {kind}_i, not {kind}_0, {kind}_1 ... in a row")
    return len(numbers)


def _case(atoms: list[Atom], inputs: int, outputs: int) -> Case:
    low, high = [-math.inf] * inputs, [math.inf] * inputs
    rows, right = [], []
    for atom in atoms:
        kinds = {name[0] for name in atom.terms}
        if kinds == {"Y"}:
            rows.append([atom.terms.get(f"Y_{k}", 0.0) for k in range(outputs)])
            right.append(-atom.constant)
        elif kinds == {"X"} and len(atom.terms) == 1:
            ((name, factor),) = atom.terms.items()
            number, end = int(name[2:]), -atom.constant / factor
            if factor > 0:
                high[number] = min(high[number], end)
            else:
                low[number] = max(low[number], end)
        elif kinds:
            names = " and ".join(sorted(atom.terms)[:2])
            raise ValueError(
                f"an inequality over {names}: inputs take a box, outputs an inequality of their own"
            )
        elif atom.constant > 0:
            raise ValueError("an inequality between numbers that is false: leave its case out")
    for k, (a, b) in enumerate(zip(low, high, strict=True)):
        if not (math.isfinite(a) and math.isfinite(b)):
            raise ValueError(f"X_{k} has no {'upper' if math.isfinite(a) else 'lower'} end: give it both")
        if a > b:
            raise ValueError(f"X_{k} lies between {a:g} and {b:g}: an empty box; swap the ends")
    if not rows:
        raise ValueError("a case says nothing of the outputs: every input would be unsafe")
    numbers = [torch.tensor(t, dtype=torch.float64) for t in (low, high, right)]
    return Case(numbers[0], numbers[1], torch.tensor(rows, dtype=torch.float64), numbers[2])


def _shown(form: Any) -> str:
    text = form if isinstance(form, str) else "(" + " ".join(_shown(f) for f in form) + ")"
    return text if len(text) <= 60 else text[:57] + "..."
