"""The picture of one claim: an inline SVG row of what was expected, found, and found beside it."""

from __future__ import annotations

import math

from markupsafe import Markup

from retrace.claims.record import Beside, ClaimVerdict, Interval
from retrace.plot.scale import limits, ticks
from retrace.plot.words import NOTHING, ends, number, short, span

WIDTH, HEIGHT = 460, 92
_LEFT, _RIGHT, _FLOOR = 74, 446, 68  # the axis, in units of the view box
_HERE, _TRIVIAL, _CONTROL = 14, 36, 56  # heights of the three lines of marks


def row(claim: ClaimVerdict) -> Markup:
    """The row as an SVG element that takes its colours from the page; empty without a measurement."""
    if math.isnan(number(claim.measured)):
        return Markup("")
    low, high = limits(claim)
    pad = 0.03 * (high - low)
    axis = _Axis(low - pad, high + pad)
    parts = [_wanted(claim, axis), _floor(axis, low, high)]
    parts.append(_interval(claim.interval, axis, _HERE, "here"))
    if claim.published:
        parts.append(_published(claim.published.value, axis))
    parts += [_mark(claim, "here", axis, _HERE), _name("here", _HERE)]
    if claim.baselines:
        parts += [_name("trivial", _TRIVIAL), *(_mark(b, "trivial", axis, _TRIVIAL) for b in claim.baselines)]
    if claim.control:
        parts += [_name("control", _CONTROL), _interval(claim.control.interval, axis, _CONTROL, "control")]
        parts.append(_mark(claim.control, "control", axis, _CONTROL))
    return Markup('<svg class="row" role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>').format(
        words(claim), WIDTH, HEIGHT, Markup("").join(parts)
    )


def words(claim: ClaimVerdict) -> str:
    """What the row shows, in words: its text alternative."""
    told = [f"measured {_value(claim)}"]
    if claim.expect:
        told.append(f"wanted {claim.expect.words(short)}")
    if claim.published:
        told.append(f"published {short(claim.published.value)}")
    if claim.control:
        told.append(f"control, {claim.control.label}: {_value(claim.control)}")
    told += [f"trivial baseline, {baseline.label}: {_value(baseline)}" for baseline in claim.baselines]
    return "; ".join(told)


class _Axis:
    """From values to the view box."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __call__(self, value: float) -> float:
        """The place of a value; what lies beyond an end is drawn at the end."""
        inside = min(max(value, self.low), self.high)
        return round(_LEFT + (inside - self.low) / (self.high - self.low) * (_RIGHT - _LEFT), 1)


def _wanted(claim: ClaimVerdict, axis: _Axis) -> Markup:
    if claim.expect is None:
        return Markup("")
    left, right = axis(claim.expect.low), axis(claim.expect.high)
    area = Markup('<rect class="wanted" x="{}" y="2" width="{}" height="{}"/>').format(
        left, round(right - left, 1), _FLOOR - 2
    )
    edges = [
        Markup('<path class="edge" d="M{} 2V{}"/>').format(axis(end), _FLOOR)
        for end in (claim.expect.low, claim.expect.high)
        if math.isfinite(end)
    ]
    return area + Markup("").join(edges)


def _floor(axis: _Axis, low: float, high: float) -> Markup:
    """The axis with its ticks."""
    drawn = [Markup('<path class="axis" d="M{} {}H{}"/>').format(_LEFT, _FLOOR, _RIGHT)]
    for value in ticks(low, high):
        x = axis(value)
        drawn.append(Markup('<path class="axis" d="M{} {}v4"/>').format(x, _FLOOR))
        drawn.append(Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(x, 86, short(value)))
    return Markup("").join(drawn)


def _interval(interval: Interval | None, axis: _Axis, y: int, kind: str) -> Markup:
    """A line between the ends; an open end runs to the axis' edge."""
    low, high = ends(interval)
    if math.isnan(low) and math.isnan(high):
        return Markup("")
    left = axis(axis.low if math.isnan(low) else low)
    right = axis(axis.high if math.isnan(high) else high)
    return Markup('<path class="interval {}" d="M{} {}H{}"/>').format(kind, left, y, right)


def _mark(item: ClaimVerdict | Beside, kind: str, axis: _Axis, y: int) -> Markup:
    """A dot for what is claimed, a square for the control, a stroke for a trivial baseline; with words."""
    value = number(item.measured)
    if math.isnan(value):
        return Markup("")
    x = axis(value)
    shape = {
        "here": Markup('<circle cx="{x}" cy="{y}" r="6"/>'),
        "control": Markup('<path d="M{x} {y}m-4.5 -4.5h9v9h-9z"/>'),
        "trivial": Markup('<path d="M{x} {y}m0 -6v12"/>'),
    }[kind].format(x=x, y=y)
    label = item.label if isinstance(item, Beside) else "measured"
    return Markup('<g class="mark-{}"><title>{}</title>{}</g>').format(
        kind, f"{label}: {_value(item)}", shape
    )


def _published(value: float, axis: _Axis) -> Markup:
    return Markup(
        '<g class="published"><title>published: {}</title><path d="M{} {}m-6 -6h12l-6 11z"/></g>'
    ).format(short(value), axis(value), _HERE)


def _name(name: str, y: int) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(_LEFT - 12, y + 4, name)


def _value(item: ClaimVerdict | Beside) -> str:
    value = short(item.measured)
    return "none" if value == NOTHING else f"{value} {span(item.interval)}".strip()
