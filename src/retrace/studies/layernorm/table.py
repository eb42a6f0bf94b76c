"""The layernorm study's evidence as a table: runs side by side, epochs, and norms.

Columns of a run are `<quantity>_<run>` (at the end of training), `matched_<quantity>_<run>` where its
accuracy on clean training samples first reaches a height that both it and the kept network reach, and
`matched_<quantity>_kept_<run>`, the kept network's there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from retrace.stage import Array, EvidenceRow
from retrace.tabled import Tabled

if TYPE_CHECKING:
    from retrace.studies.layernorm.params import Params

QUANTITIES = ("learning", "clean", "memorisation", "recovery", "random", "gap", "noisy_loss")
SLACK = 1.01  # the power method comes from below
MATCHED = ("learning", "memorisation", "recovery", "random")


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[None]:
    """Rows of the types "cell", "epoch" and "norm".

    All have `order` (post or pre). A cell row has the columns above. An epoch row has a run's quantities
    after one `epoch` (0: before training). A norm row is one LayerNorm of a layer of the kept network,
    numbered from 0 by `norm` (`place` LN1 or LN2): `log_ratio`, log of gradient norms of test over noisy
    samples where the noisy loss passes the sheet's, `log_ratio_clean`, the same of test over clean training
    samples, `log_ratio_end`, `learn_larger` (the ratio at the end is at least 1), `learn_larger_matched`,
    gradient norms `learn` and `mem` there; `known`, whether theorem 2's bound is, and then `log_bound` and
    `log_measured` (mean over rows), `held` (share of rows within the bound, but for 1 %), `held_above`
    (within that of the next LayerNorm; nan where the norm is the `last`).
    """
    records: list[dict[str, Any]] = []
    for row in rows:
        order = row.evidence["train"].results["order"]
        about = {"seed": row.seed, "cell": row.cell, "order": order}
        arrays = row.evidence["train"].read_arrays()
        runs = {name: {q: arrays[f"{name}/{q}"] for q in QUANTITIES} for name in row.params.runs}
        made = [_cell(runs, row.params), *_epochs(runs), *_norms(row, arrays)]
        records += [{**about, **record} for record in made]
    return Tabled(pd.DataFrame.from_records(records))


def _cell(runs: Mapping[str, Mapping[str, Array]], params: Params) -> dict[str, Any]:
    found: dict[str, Any] = {"condition": "cell", "type": "cell"}
    kept = runs["kept"]
    for name, run in runs.items():
        found |= {f"{q}_{name}": float(run[q][-1]) for q in QUANTITIES}
        if name == "kept":
            continue
        height = min(params.level, float(run["clean"].max()), float(kept["clean"].max()))
        for quantity in MATCHED:
            found[f"matched_{quantity}_{name}"] = at(run["clean"], height, run[quantity])
            found[f"matched_{quantity}_kept_{name}"] = at(kept["clean"], height, kept[quantity])
        found[f"matched_at_{name}"] = height
    return found


def at(track: Array, height: float, values: Array) -> float:
    """`values` (E,) where `track` (E,) first reaches `height` from below, between epochs by straight lines.

    nan where it never does.
    """
    reached = np.flatnonzero(track >= height)
    if not len(reached):
        return float("nan")
    after = int(reached[0])
    if after == 0:
        return float(values[0])
    share = (height - track[after - 1]) / (track[after] - track[after - 1])
    return float(values[after - 1] + share * (values[after] - values[after - 1]))


def _epochs(runs: Mapping[str, Mapping[str, Array]]) -> list[dict[str, Any]]:
    return [
        {
            "condition": f"epoch:{name}:{epoch}",
            "type": "epoch",
            "run": name,
            "epoch": epoch,
            **{q: float(run[q][epoch]) for q in QUANTITIES},
        }
        for name, run in runs.items()
        for epoch in range(len(run["learning"]))
    ]


def _norms(row: EvidenceRow[Params], arrays: Mapping[str, Array]) -> list[dict[str, Any]]:
    learn, mem, clean = (arrays[f"kept/gradients_{kind}"] for kind in ("learn", "mem", "clean"))
    falling = -arrays["kept/noisy_loss"]
    bounds = row.evidence["measure"].read_arrays()
    records = []
    for norm in range(_inner(row)):
        here = {
            name: at(falling, -row.params.noisy_loss, np.log(values[:, norm]))
            for name, values in (("learn", learn), ("mem", mem), ("clean", clean))
        }
        end = float(np.log(learn[-1, norm]) - np.log(mem[-1, norm]))
        matched = here["learn"] - here["mem"]
        records.append(
            {
                "condition": f"norm:{norm}",
                "type": "norm",
                "norm": norm,
                "last": norm == _inner(row) - 1,
                "place": f"LN{norm % 2 + 1}",
                "learn": float(np.exp(here["learn"])),
                "mem": float(np.exp(here["mem"])),
                "log_ratio": matched,
                "log_ratio_clean": here["learn"] - here["clean"],
                "log_ratio_end": end,
                "learn_larger": float(end >= 0),
                "learn_larger_matched": float(matched >= 0) if np.isfinite(matched) else np.nan,
                "noisy_loss_end": float(-falling[-1]),
                **_bound(bounds, norm),
            }
        )
    return records


def _inner(row: EvidenceRow[Params]) -> int:
    """Norms that are in a layer: they come first."""
    return 2 * int(row.evidence["train"].results["layers"])


def _bound(arrays: Mapping[str, Array], norm: int) -> dict[str, float | bool]:
    if not len(arrays["bound"]):
        return {"known": False}
    bound, measured = arrays["bound"][norm], arrays["measured"][norm]
    above = arrays["bound"][norm + 1 : norm + 2]
    return {
        "known": True,
        "log_bound": float(np.log(bound).mean()),
        "log_measured": float(np.log(measured).mean()),
        "held": float(np.mean(measured <= SLACK * bound)),
        "held_above": float(np.mean(measured <= SLACK * above[0])) if len(above) else np.nan,
    }
