"""The diffusion study's evidence as a table: a row a seed, cell, tuning or defence, and domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from retrace.stage import Array, EvidenceRow
from retrace.tabled import Tabled

if TYPE_CHECKING:
    from retrace.studies.diffusion.params import Params

ADVANCED = ("dreambooth", "words_4", "lora", "hyper", "db_hyper")  # what DreamBooth + LoRA is compared with
DEFENCES = ("half", "dedup", "private")
AGAINST = ("auc", "tpr", "auc_shuffled", "auc_loss", "auc_calibrated", "auc_pia", "auc_pian", "auc_secmi", "auc_clid")


@dataclass(frozen=True, eq=False)
class Pictures:
    """What only figures need: curves of each seed, and images of the first seed by cell."""

    curves: list[dict[str, Any]] = field(default_factory=list)
    drawn: dict[str, dict[str, Array]] = field(default_factory=dict)


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[Pictures]:
    """Rows of type "tuning", "untrained" (the same on the domain of which nothing was trained), "defence".

    `auc` and `tpr` (at `fpr`) are the main attack's, `auc_<attack>` each attack's, `auc_shuffled` with labels
    dealt out at random; `gain_<column>` is the change from the untuned model on the same images; of tunings
    looked at closely `auc_from_<source>` and its gain, `extracted`, `decoys` (held-out images "found"),
    `excess` (their difference). `leak`: the best attack's AUC on the calibration domain; `quality`: share of
    the model's own images that a classifier recognises; `real`, of real ones.
    """
    records: list[dict[str, Any]] = []
    pictures = Pictures()
    first = min((row.seed for row in rows), default=0)
    for row in rows:
        measured = row.evidence["measure"]
        quality = row.evidence["train"].results["quality"]
        judged = slice(row.params.domains - 1)
        common = {
            "seed": row.seed,
            "cell": row.cell,
            "leak": max(measured.results["leak"].values()),
            "quality": float(np.mean(quality["own"][judged])),
            "real": float(np.mean(quality["real"][judged])),
        }
        records += [common | record for record in _records(measured.results["rows"], quality)]
        pictures.curves.append({"cell": row.cell, **measured.results["curves"]})
        if row.seed == first:
            pictures.drawn[row.cell] = measured.read_arrays()
    return Tabled(pd.DataFrame.from_records(records), pictures=pictures)


def _records(rows: list[dict[str, Any]], quality: dict[str, list[float]]) -> list[dict[str, Any]]:
    plain = {row["domain"]: row for row in rows if row["method"] == "none"}
    records = []
    for row in rows:
        kind = "defence" if row["method"] in DEFENCES else "tuning"
        kind = "untrained" if row["domain"] == "untrained" else kind
        base = plain[row["domain"]]
        gains = {
            f"gain_{name}": value - base[name]
            for name, value in row.items()
            if name.startswith(("auc", "tpr")) and name in base
        }
        told = {"type": kind, "condition": f"{row['method']}:{row['domain']}"}
        records.append(told | row | gains | _sources(row, base))
    return records


def _sources(row: dict[str, Any], base: dict[str, Any]) -> dict[str, float]:
    """How far another source of non-members moves the AUC, and how far it moves its change."""
    found = {}
    for source in ("shifted", "other"):
        name = f"auc_from_{source}"
        if name in row:
            found[f"moved_{source}"] = row[name] - row["auc"]
            found[f"moved_gain_{source}"] = row[name] - base[name] - (row["auc"] - base["auc"])
    return found
