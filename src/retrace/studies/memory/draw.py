"""The memory study's figures."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from retrace.claims.record import PaperVerdict
from retrace.plot.curves import index_against_costs
from retrace.plot.memory.dots import cost_dots
from retrace.plot.memory.learning import learning_curves
from retrace.plot.memory.reads import memory_reads
from retrace.plot.memory.tradeoff import cost_and_quality
from retrace.studies.memory.table import Pictures

LABELS = {
    "lstm": "LSTM",
    "lstm_large": "LSTM, 4x the parameters",
    "lstm_small": "LSTM, smaller",
    "armin_soft": "ARMIN, soft reads",
    "armin_hard": "ARMIN, hard reads",
    "armin_small": "ARMIN, memory overflows",
    "random_address": "random address",
    "awta": "awta",
    "tardis": "TARDIS",
    "ntm": "NTM",
    "dnc": "DNC",
    "sam": "SAM",
    "cpu_seconds": "CPU seconds of training",
    "us_rate": "CPU microseconds a character",
    "ms_step": "CPU ms of an optimiser step",
    "mops_step": "million operations of a time step",
    "kib_step": "KiB of activations of a time step",
    "errors": "share of errors, held out",
    "bits": "bits per character, held out",
    "repeat": "repeat copy",
    "recall": "associative recall",
    "sort": "priority sort",
    "digits": "permuted digits",
    "text": "characters",
    "truncation": "steps of back-propagation",
}
READERS = ("armin_soft", "armin_hard", "awta", "tardis", "ntm", "dnc", "sam", "random_address")
MAIN = ("lstm", "armin_soft", "armin_hard", "ntm", "dnc", "sam", "tardis", "awta", "random_address",
        "armin_small", "lstm_large")  # fmt: skip
STEP_COSTS = ("mops_step", "ms_step", "kib_step")
SHOWN = "_t50"  # of the text's networks this truncation stands in the figures of all tasks


def draw(paper: str, table: pd.DataFrame, verdicts: PaperVerdict) -> dict[str, Figure]:
    """The paper's figures by name, from the study's table and what its `attrs` hold for pictures."""
    figures = {
        "learning_curves": learning_curves(curves(table), labels=LABELS),
        "cost_and_quality": cost_and_quality(
            points(table),
            "cpu_seconds",
            "errors",
            hollow="censored_strict",
            labels=LABELS,
        ),
    }
    first = points(table[table["cell"] == table["cell"].iloc[0]])
    figures["step_costs"] = cost_dots(first, "condition", STEP_COSTS, labels=LABELS)
    cut = table[(table["type"] == "characters") & (table["family"] != "")]
    if not cut.empty:
        figures["truncation"] = index_against_costs(
            cut,
            "truncation",
            ["bits", "us_rate"],
            curve="family",
            order="truncation",
            censored=None,
            labels=LABELS,
        )
    shown = reads(table)
    if len(shown) > 1:
        figures["reads"] = memory_reads(shown, labels=LABELS)
    return figures


def points(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the main networks, under one name whatever the task, in one order."""
    named = table.assign(condition=table["condition"].map(main_name))
    kept = named[named["condition"] != ""]
    return kept.sort_values("condition", key=lambda names: names.map(MAIN.index), kind="stable")


def main_name(condition: str) -> str:
    """The name in `MAIN` of a network of the sheet; empty where it has none."""
    known = {f"lstm{SHOWN}": "lstm", f"armin{SHOWN}": "armin_soft"}
    return known.get(condition, condition if condition in MAIN else "")


def curves(table: pd.DataFrame) -> pd.DataFrame:
    """Learning curves of the main networks: cell, curve, seed, step, errors."""
    pictures: Pictures = table.attrs["pictures"]
    parts = [
        pd.DataFrame(
            {
                "cell": cell,
                "curve": main_name(name),
                "seed": seed,
                "step": curve["steps"],
                "errors": curve["errors"],
                "stopped": curve["stopped"],
            }
        )
        for (seed, cell), found in pictures.curves.items()
        for name, curve in found.items()
        if main_name(name)
    ]
    together = pd.concat(parts, ignore_index=True)
    return together.sort_values("curve", key=lambda names: names.map(MAIN.index), kind="stable")


def reads(table: pd.DataFrame) -> dict[str, Any]:
    """Inputs and reads of one sequence of the first cell and seed that has several readers."""
    pictures: Pictures = table.attrs["pictures"]
    most = max(pictures.reads.values(), key=lambda found: sum(name in READERS for name in found))
    return {name: most[name] for name in ("input", *READERS) if name in most}
