"""Heat maps of where networks read their memory, step by step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from retrace.plot.style import panels, styled
from retrace.plot.table import label
from retrace.stage import Array
from retrace.studies.memory.figures.words import READERS
from retrace.studies.memory.table import Pictures


def most_reads(pictures: Pictures) -> dict[str, Array]:
    """Inputs and reads of one sequence of the first cell and seed that has several readers."""
    most = max(pictures.reads.values(), key=lambda found: sum(name in READERS for name in found))
    return {name: most[name] for name in ("input", *READERS) if name in most}


def memory_reads(
    reads: Mapping[str, npt.NDArray[np.floating]], *, labels: Mapping[str, str] | None = None
) -> Figure:
    """One panel a network: read weights (T, slots), time to the right; the key "input" is (T, channels).

    Rows of the input are scaled to the largest size of the whole. ValueError when there is nothing to draw.
    """
    if not reads:
        raise ValueError("memory_reads: no reads; run a network with a memory")
    with styled():
        fig, axes = panels(len(reads), columns=3, height=2.2)
        for ax, (name, values) in zip(axes, reads.items(), strict=True):
            shown = np.asarray(values, dtype=float).T
            if name == "input":
                shown = np.abs(shown) / max(float(np.abs(shown).max()), 1e-12)
            ax.imshow(
                shown, aspect="auto", cmap=colormaps["cividis"], vmin=0, vmax=1, interpolation="nearest"
            )
            ax.grid(False)
            ax.set(
                title=label(name, labels), xlabel="time step", ylabel="channel" if name == "input" else "slot"
            )
            ax.title.set_fontsize(9)
        scale = ScalarMappable(Normalize(0, 1), colormaps["cividis"])
        fig.colorbar(scale, ax=axes, fraction=0.02, pad=0.01, label="weight of the read")
    return fig
