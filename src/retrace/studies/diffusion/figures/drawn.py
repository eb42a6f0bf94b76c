"""Images that a model draws, each above the private image that is nearest to it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from retrace.plot.style import styled
from retrace.plot.table import label
from retrace.stage import Array
from retrace.studies.diffusion.figures.rows import untuned_first


def pairs(drawn: Mapping[str, Mapping[str, Array]]) -> dict[str, dict[tuple[str, str], tuple[Array, Array]]]:
    """cell -> (tuning, domain) -> drawn images and their nearest private ones, uint8 (n,S,S,C)."""
    found: dict[str, dict[tuple[str, str], tuple[Array, Array]]] = {}
    for cell, arrays in drawn.items():
        keys = [key.split("/")[:2] for key in arrays if key.endswith("/drawn")]
        found[cell] = {
            (name, k): (arrays[f"{name}/{k}/drawn"], arrays[f"{name}/{k}/nearest"])
            for name, k in sorted(keys, key=lambda key: (untuned_first(key[0]), key[1]))
        }
    return found


def grids(
    cells: Mapping[str, Mapping[tuple[str, str], tuple[Array, Array]]],
    *,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Two rows of pictures a tuning and domain; ValueError when there is nothing to draw."""
    shown = [(key, pair) for group in cells.values() for key, pair in group.items()]
    if not shown:
        raise ValueError("grids: no images; name a tuning in `deep`")
    names, domains = (list(dict.fromkeys(key[place] for key, _ in shown)) for place in (0, 1))
    found = dict(shown)
    with styled():
        fig = Figure(figsize=(8.4, 1.2 * len(names)), layout="constrained")
        axes = fig.subplots(len(names), len(domains), squeeze=False)
        for row, name in zip(axes, names, strict=True):
            for ax, k in zip(row, domains, strict=True):
                ax.axis("off")
                ax.imshow(_strip(*found[name, k]), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                title = f"{label(name, labels)}, domain {int(k) + 1}"
                ax.set_title(title, fontsize=8.5, fontweight="normal")
    return fig


def _strip(own: Array, near: Array) -> Array:
    """Drawn images in one row, the nearest private ones below, a line apart."""
    rows = [
        np.concatenate([np.pad(one, ((1, 1), (1, 1), (0, 0)), constant_values=128) for one in x], 1)
        for x in (own, near)
    ]
    whole = np.concatenate(rows, 0)
    return whole[..., 0] if whole.shape[-1] == 1 else whole
