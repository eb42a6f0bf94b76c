"""The memory study's figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from retrace.plot.curves import index_against_costs
from retrace.plot.learning import learning_curves
from retrace.plot.reads import memory_reads
from retrace.plot.tradeoff import cost_and_quality
from retrace.studies.memory.table import Pictures

LABELS = {
    "lstm": "LSTM",
    "lstm_large": "LSTM, larger",
    "lstm_quarter": "LSTM, a quarter of the training",
    "armin_soft": "ARMIN, soft reads",
    "armin_hard": "ARMIN, hard reads",
    "armin_small": "ARMIN, memory overflows",
    "random_address": "random address (control)",
    "awta": "awta (ARMIN, TARDIS's address)",
    "tardis": "TARDIS",
    "ntm": "NTM",
    "dnc": "DNC",
    "sam": "SAM",
    "cpu_seconds": "CPU seconds of training",
    "errors": "share of errors, held out",
    "bits": "bits per character, held out",
    "copy": "copy",
    "repeat": "repeat copy",
    "recall": "associative recall",
    "sort": "priority sort",
    "digits": "permuted digits",
    "text": "characters",
    "truncation": "steps of back-propagation",
}
READERS = ("armin_soft", "armin_hard", "awta", "tardis", "ntm", "dnc", "sam", "random_address")
MAIN = ("lstm", "lstm_large", *READERS[:2], "armin_small", *READERS[2:])


def draw(paper: str, table: pd.DataFrame, verdicts: Mapping[str, Any]) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table and what its `attrs` hold for pictures."""
    figures = {
        "learning_curves": learning_curves(curves(table), labels=LABELS),
        "cost_and_quality": cost_and_quality(
            table[table["condition"].isin(MAIN)],
            "cpu_seconds",
            "errors",
            hollow="censored_strict",
            labels=LABELS,
        ),
    }
    cut = table[(table["type"] == "characters") & (table["family"] != "")]
    if not cut.empty:
        figures["truncation"] = index_against_costs(
            cut, "truncation", ["bits"], curve="family", order="truncation", censored=None, labels=LABELS
        )
    shown = reads(table)
    if len(shown) > 1:
        figures["reads"] = memory_reads(shown, labels=LABELS)
    return figures


def curves(table: pd.DataFrame) -> pd.DataFrame:
    """Learning curves of the main networks: cell, curve, seed, step, errors."""
    pictures: Pictures = table.attrs["pictures"]
    parts = [
        pd.DataFrame(
            {"cell": cell, "curve": name, "seed": seed, "step": curve["steps"], "errors": curve["errors"]}
        )
        for (seed, cell), found in pictures.curves.items()
        for name, curve in found.items()
        if name in MAIN
    ]
    return pd.concat(parts, ignore_index=True)


def reads(table: pd.DataFrame) -> dict[str, Any]:
    """Inputs and reads of one sequence of the first cell and seed that has several readers."""
    pictures: Pictures = table.attrs["pictures"]
    most = max(pictures.reads.values(), key=lambda found: sum(name in READERS for name in found))
    return {name: most[name] for name in ("input", *READERS) if name in most}
