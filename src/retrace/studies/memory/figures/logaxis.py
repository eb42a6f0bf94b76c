"""A logarithmic axis whose labels are plain numbers and never run into each other."""

from __future__ import annotations

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator


def plain_log(axis: Axis) -> None:
    """Label 1, 2 and 5 times powers of ten over a short range, powers of ten over a long one."""
    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high < 60 * max(low, 1e-300) else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
