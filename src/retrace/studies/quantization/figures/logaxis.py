"""Logarithmic axes with few, plain numbers."""

from __future__ import annotations

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator


def plain(axis: Axis) -> None:
    """Ticks at 1 and 3 of every power of ten, written out; the scale must be logarithmic already."""
    axis.set_major_locator(LogLocator(10, subs=(1, 3), numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
