"""The one look of all figures, and how they reach the disk.

Colours are those of Okabe and Ito (2008), told apart with any common colour blindness; markers and
words repeat what colour says. Figures are made without pyplot, so no window and no global state.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrace.claims.words import CODES, Code

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B4C9A", "#4D4D4D")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, MUTED, FAINT = "#222222", "#666666", "#D9D9D9"
_BLUE, _RED, _OCHRE, _GREY = "#0072B2", "#D55E00", "#8A6100", "#666666"
VERDICT_COLOURS: dict[Code, str] = dict(
    zip(CODES, (_BLUE, "#3A7D9C", _RED, "#B0703C", "#6B4C9A", _OCHRE, _GREY, "#6E6E6E"), strict=True)
)
VERDICT_MARKERS: dict[Code, str] = dict(zip(CODES, ("o", "h", "X", "P", "d", "D", "s", "s"), strict=True))
WIDTH = 8.4  # inches: the text width of the report

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#8C8C8C",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E8E8E8",
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "hatch.linewidth": 0.5,
    "figure.titlesize": 11.5,
    "figure.titleweight": "bold",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.w_pad": 0.09,
    "figure.constrained_layout.wspace": 0.03,
    "svg.fonttype": "path",  # text as outlines: the same on every machine
    "svg.hashsalt": "retrace",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw inside this context: matplotlib's defaults plus our style, whatever the user's own settings."""
    with matplotlib.style.context(["default", _RC], after_reset=True):
        yield


def panels(count: int, columns: int = 3, height: float = 3.0) -> tuple[Figure, list[Axes]]:
    """A figure of report width with `count` axes, rows of `height` inches; to be used inside `styled`.

    Four in rows of three would leave one alone: they stand two by two.
    """
    if count < 1:
        raise ValueError("panels: nothing to draw; give at least one column or group")
    columns = 2 if (count, columns) == (4, 3) else min(count, columns)
    rows = -(-count // columns)
    width = WIDTH if columns > 1 else 0.7 * WIDTH
    fig = Figure(figsize=(width, height * rows), layout="constrained")
    axes = list(fig.subplots(rows, columns, squeeze=False).ravel())
    for unused in axes[count:]:
        unused.remove()
    return fig, axes[:count]


def colour(position: int) -> str:
    """The colour of the curve at that position; they repeat after eight."""
    return PALETTE[position % len(PALETTE)]


def marker(position: int) -> str:
    """The marker at that position; shifted by one each round, so colour and marker never repeat together."""
    return MARKERS[(position + position // len(PALETTE)) % len(MARKERS)]


def image(fig: Figure, form: str) -> bytes:
    """The figure as the bytes of an "svg" or "png" file (160 dots an inch): same figure, same bytes."""
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    with styled():
        fig.savefig(buffer, format=form, dpi=160, metadata=metadata)
    return buffer.getvalue()


def save(fig: Figure, stem: Path) -> tuple[Path, Path]:
    """Write `stem`.svg and `stem`.png, each whole or not at all; folders are made as needed."""
    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = (stem.with_name(stem.name + ".svg"), stem.with_name(stem.name + ".png"))
    contents = [image(fig, path.suffix[1:]) for path in paths]
    for path, content in zip(paths, contents, strict=True):
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(content)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    return paths
