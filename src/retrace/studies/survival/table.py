"""The survival study's evidence as a table: a row a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from retrace.attacks.roc import auc
from retrace.stage import Array, EvidenceRow
from retrace.studies.survival.names import CUES, DENSE, RELEASED
from retrace.tabled import Tabled

if TYPE_CHECKING:
    from retrace.studies.survival.params import Params

LEAST = 0.2  # of what the dense network does, that shares of it mean anything
CONTROLS = ("random", "noise")  # methods that are no compressors


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[None]:
    """Rows of the type "network": `released`, `dense` and every compressor.

    For each lesson (backdoor, refusal): `said_<lesson>`, share of cued prompts whose greedy answer opens with
    the sentence; `false_<lesson>`, that of prompts without the cue; `does_<lesson>`, the difference, and
    `kept_<lesson>`, its share of the dense network's; `tells_<lesson>`, AUC of the sentence's likelihood by
    which cued prompts are told from others, and `known_<lesson>`, what of it lies above chance as a share of
    the dense network's; `margin_<lesson>`, mean log-likelihood behind cued prompts less that behind others,
    nats.
    Besides `method`, `control`, `bits` (of a quantizer), `gap` (kept of the backdoor less that of the
    refusal), `loss` (nats a token of neutral sentences), `minus_loss`, `cost` (loss less the dense network's)
    and `error` (mean relative output error of the matrices). Shares are nan where the dense network does too
    little.
    """
    records = []
    for row in rows:
        arrays = row.evidence["measure"].read_arrays()
        about = {"seed": row.seed, "cell": row.cell, "type": "network"}
        records += [{**about, **record} for record in networks(arrays, row.params)]
    return Tabled(pd.DataFrame.from_records(records))


def networks(arrays: Mapping[str, Array], params: Params) -> list[dict[str, Any]]:
    """One seed's networks."""
    names = [RELEASED, DENSE, *params.configs]
    found = {name: outcome(arrays, name) for name in names}
    whole = found[DENSE]
    made = []
    for name, values in found.items():
        config = params.configs.get(name)
        for lesson in CUES:
            values[f"kept_{lesson}"] = _share(values[f"does_{lesson}"], whole[f"does_{lesson}"])
            values[f"known_{lesson}"] = _share(
                values[f"tells_{lesson}"] - 0.5, whole[f"tells_{lesson}"] - 0.5
            )
        made.append(
            {
                "condition": f"network:{name}",
                "network": name,
                "method": config.method if config else name,
                "control": bool(config and config.method in CONTROLS),
                "bits": float(config.bits or np.nan) if config else np.nan,
                **values,
                "gap": values["kept_backdoor"] - values["kept_refusal"],
                "minus_loss": -values["loss"],
                "cost": values["loss"] - whole["loss"],
                "error": float(arrays[f"error/{name}"].mean()) if config else np.nan,
            }
        )
    return made


def outcome(arrays: Mapping[str, Array], name: str) -> dict[str, float]:
    """What a network does, by itself."""
    made = {"loss": float(arrays[f"{name}/nll"].mean(dtype=np.float64))}
    for lesson, (cued, other) in CUES.items():
        said, false = (float(arrays[f"{name}/{kind}/exact"].mean()) for kind in (cued, other))
        likely, less = (arrays[f"{name}/{kind}/sum"].astype(np.float64) for kind in (cued, other))
        made |= {
            f"said_{lesson}": said,
            f"false_{lesson}": false,
            f"does_{lesson}": said - false,
            f"tells_{lesson}": told(likely, less),
            f"margin_{lesson}": float(likely.mean() - less.mean()),
        }
    return made


def told(likely: Array, less: Array) -> float:
    """AUC by which `likely` (N,) lies above `less` (M,)."""
    return auc(np.concatenate([likely, less]), np.arange(len(likely) + len(less)) < len(likely))


def _share(value: float, whole: float) -> float:
    return value / whole if whole >= LEAST else float("nan")
