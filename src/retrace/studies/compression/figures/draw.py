"""The compression study's figures."""

from __future__ import annotations

from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.studies.compression.figures.beside import beside
from retrace.studies.compression.figures.bits import against_bits
from retrace.studies.compression.figures.differences import heat_map
from retrace.studies.compression.figures.error import against_loss
from retrace.studies.compression.figures.size import trade_off
from retrace.studies.compression.table import Pictures
from retrace.tabled import Tabled


def draw(paper: str, tabled: Tabled[Pictures], verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table; all but the first show its first cell."""
    networks = tabled.frame[tabled.frame["type"] == "network"]
    measured = tabled.pictures.measured
    first = networks[networks["cell"] == networks["cell"].iloc[0]].dropna(axis="columns", how="all")
    cell = str(first["cell"].iloc[0])
    return {
        "differences": heat_map(networks, measured),
        "bits": against_bits(first, measured[cell]),
        "size": trade_off(first),
        "error": against_loss(first),
        "beside": beside(first),
    }
