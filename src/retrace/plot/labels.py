"""Labels of points that avoid each other: a greedy choice among places around each point."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from retrace.plot.style import MUTED

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in points
_ANGLES = (0, 90, -90, 180, 45, -45, 135, -135, 20, -20, 160, -160)
_SIZE = 8.5  # of the font, points
_RADII = (7, 12, 19, 28, 40)  # points


def overlap(a: Box, b: Box) -> float:
    """Area that two boxes share, in square points."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def place(points: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], frame: Box) -> list[Box]:
    """A box of the size (n, 2) near each point (n, 2) that avoids points, earlier boxes and the frame's edge.

    All in points. Crowded points choose first. Of equal places the nearest wins, so the outcome is
    deterministic.
    """
    marks = [(x - 8, y - 8, x + 8, y + 8) for x, y in points]
    crowd = [-sum(1 for q in points if np.hypot(*(p - q)) < 45) for p in points]
    boxes: dict[int, Box] = {}
    for i in sorted(range(len(points)), key=lambda k: (crowd[k], k)):
        best, least = None, math.inf
        for radius in _RADII:
            for angle in _ANGLES:
                box = _box(points[i], sizes[i], radius, math.radians(angle))
                outside = sizes[i][0] * sizes[i][1] - overlap(box, frame)
                taken = sum(overlap(box, other) for other in boxes.values())
                badness = (
                    4 * taken
                    + 2 * sum(overlap(box, m) for k, m in enumerate(marks) if k != i)
                    + 4 * max(outside, 0)
                    + 0.4 * radius
                )
                if badness < least - 1e-9:
                    best, least = box, badness
        assert best is not None
        boxes[i] = best
    return [boxes[i] for i in range(len(points))]


def _box(point: npt.NDArray[np.float64], size: npt.NDArray[np.float64], radius: float, angle: float) -> Box:
    """The box whose nearest side or corner lies `radius` from the point in the direction `angle`."""
    dx, dy = math.cos(angle), math.sin(angle)
    x = point[0] + radius * dx + (0.0 if dx > 0.3 else -size[0] if dx < -0.3 else -size[0] / 2)
    y = point[1] + radius * dy + (0.0 if dy > 0.3 else -size[1] if dy < -0.3 else -size[1] / 2)
    return x, y, x + size[0], y + size[1]


def annotate(fig: Figure, ax: Axes, xs: Sequence[float], ys: Sequence[float], texts: Sequence[str]) -> None:
    """Write one text beside each data point; call last, because it freezes the layout and the limits."""
    canvas = FigureCanvasAgg(fig)
    drawn = [ax.text(0, 0, text, fontsize=_SIZE, parse_math=False) for text in texts]
    for text in drawn:
        text.set_in_layout(False)
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())
    unit = 72.0 / fig.dpi  # points a pixel
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    extents = [text.get_window_extent(renderer) for text in drawn]
    for text in drawn:
        text.remove()
    sizes = np.array([[e.width, e.height] for e in extents]).reshape(-1, 2) * unit
    points = ax.transData.transform(np.column_stack([xs, ys])).reshape(-1, 2) * unit
    edge = ax.get_window_extent(renderer)
    frame = (edge.x0 * unit, edge.y0 * unit, edge.x1 * unit, edge.y1 * unit)
    for k, box in enumerate(place(points, sizes, frame)):
        corner = np.array(box[:2])
        near = np.clip(points[k], corner, box[2:])
        far = float(np.hypot(*(near - points[k]))) > 11
        anchor = (near - corner) / sizes[k]
        line = {
            "arrowstyle": "-",
            "color": MUTED,
            "lw": 0.6,
            "shrinkA": 0,
            "shrinkB": 4,
            "relpos": tuple(anchor),
        }
        ax.annotate(
            texts[k],
            (xs[k], ys[k]),
            tuple(corner - points[k]),
            textcoords="offset points",
            fontsize=_SIZE,
            va="bottom",
            ha="left",
            parse_math=False,
            path_effects=[withStroke(linewidth=2.2, foreground="white")],
            arrowprops=line if far else None,
        )
