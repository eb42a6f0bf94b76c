"""Logarithmic axes with few, plain numbers."""

from __future__ import annotations

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullLocator

WIDE = 12  # largest over smallest number of an axis that holds enough of 1 and 3


def plain(axis: Axis) -> None:
    """Ticks at 1 and 3 of every power of ten, or, of a narrow range, at a few round numbers, written out.

    The scale must be logarithmic already, and what the axis shows drawn.
    """
    low, high = axis.get_view_interval()
    few: Locator = MaxNLocator(4, steps=[1, 2, 5, 10])
    axis.set_major_locator(LogLocator(10, subs=(1, 3), numticks=8) if high > WIDE * low else few)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
