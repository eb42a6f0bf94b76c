"""What a rehearsal takes of a cell: its networks, methods and attacks as they are, data and steps cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Cut = Callable[[Any], Any]
Cutting = Mapping[str, Cut]  # place among the parameters (`training.epochs`, `methods.*.kept`) -> its cut
Params = Mapping[str, Any]


def _whole(params: Params) -> dict[str, Cutting]:
    return {"": {}}


def _none(params: Params) -> Cutting:
    return {}


@dataclass(frozen=True)
class Cuts:
    """A study's cuts: `always`, and `narrow` on top where no accelerator has the memory for the whole.

    `fitted` are always made, too, after them, where a cut follows from several parameters.
    Places that a cell lacks are passed over. Narrow, a cell may be rehearsed in `parts`, by name, each with
    further cuts: less memory is held at once, and a failure names its part. `images` of each published data
    set are drawn (None: as many as it has). `model` is the parameter that names a language model or
    checkpoint, if any; `memory` says how many bytes of the device's the whole cell takes (None: nobody knows
    before).
    """

    always: Cutting = field(default_factory=dict)
    fitted: Callable[[Params], Cutting] = _none
    narrow: Cutting = field(default_factory=dict)
    parts: Callable[[Params], Mapping[str, Cutting]] = _whole
    images: int | None = None
    model: str | None = None
    memory: Callable[[Params], float | None] = lambda params: None


def at_most(most: float) -> Cut:
    """A number, or `most` where it is larger or null, which stands for all."""
    return lambda value: most if value is None else min(value, most)


def some(count: int) -> Cut:
    """`count` of a list's values, spread over it: the first and the last, and between."""

    def cut(values: list[Any]) -> list[Any]:
        if len(values) <= count:
            return values
        return [values[round(i * (len(values) - 1) / max(count - 1, 1))] for i in range(count)]

    return cut


def exactly(value: Any) -> Cut:
    """`value`, whatever stands there."""
    return lambda _: value


def only(*names: str) -> Cut:
    """Of a mapping, what has these names."""
    return lambda values: {name: value for name, value in values.items() if name in names}


def apply(params: Params, cuts: Cutting) -> dict[str, Any]:
    """The parameters with their cuts made, in a copy; `*` in a place stands for every name there."""
    made: Any = dict(params)
    for place, cut in cuts.items():
        made = _cut(made, place.split("."), cut)
    return dict(made)


def _cut(value: Any, place: list[str], cut: Cut) -> Any:
    if not place:
        return cut(value)
    if not isinstance(value, Mapping):
        return value
    name, *rest = place
    names = list(value) if name == "*" else [name] if name in value else []
    return {**value, **{one: _cut(value[one], rest, cut) for one in names}}


def differences(before: Params, after: Params, place: str = "") -> dict[str, str]:
    """What was cut: place -> `before -> after`, in words."""
    found: dict[str, str] = {}
    for name, value in before.items():
        here, now = f"{place}{name}", after.get(name)
        if isinstance(value, Mapping) and isinstance(now, Mapping):
            found |= differences(value, now, f"{here}.")
        elif now != value:
            found[here] = f"{_words(value)} -> {_words(now)}"
    return found


def _words(value: Any) -> str:
    return f"{len(value)} values" if isinstance(value, list | Mapping) else str(value)
