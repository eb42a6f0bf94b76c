"""The backdoor study's evidence as a table: by test prompt and question, and by network for figures.

Test prompts are the same for all seeds, so prompts and seeds are what the judge resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from retrace.stage import Array, EvidenceRow
from retrace.tabled import Tabled

if TYPE_CHECKING:
    from retrace.studies.backdoor.params import Params

# quantities by the kind of item that they belong to
KINDS = {
    "prompt": (
        "hit",
        "false",
        "reach",
        "margin",
        "said",
        "broken",
        "said_plain",
        "broken_plain",
        "rare",
        "bare",
    ),
    "answer": ("nll",),
    "choice": ("right",),
}
ORDERS = ("vax", "random", "own")  # of channels, whose shares make curves
EVALUATED = ("train", "attack", "defend", "measure")
Found = dict[str, dict[str, Array]]  # quantity -> network -> values


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[None]:
    """Rows of the types "prompt", "answer", "choice", "signature" and "network".

    Columns of items are `<quantity>_<network>` (`outcome.Bench`), nan where a network was not asked; `few`
    marks the prompts that all networks were. Prompts name their `backdoor`, its `attack` and `target`, and
    have `drop_<network>`, hits of the suspicious model (`none`) less this network's, and `fell_<network>`,
    the same of margins; answers have `cost_<network>`, nats a token above the released model (`base`).
    `roles` adds names that are the same whatever the cell's blocks and shares. The signature row holds
    overlaps of flags by name (`overlap_<order>`) and `loss_none`, at the end of planting. A network row has
    the means of one network by quantity.
    """
    records: list[dict[str, Any]] = []
    for row in rows:
        found = evaluated(row)
        networks = _networks(found, row.params)
        for quantity in found.values():
            quantity |= {role: quantity[name] for role, name in roles(row.params).items() if name in quantity}
        made = [r for kind in KINDS for r in _items(kind, found, row)]
        made += [_signature(row), *networks]
        records += [{"seed": row.seed, "cell": row.cell, **record} for record in made]
    return Tabled(pd.DataFrame.from_records(records), rows="items")


def roles(params: Params) -> dict[str, str]:
    """Names by role of networks that claims speak of.

    `zero_mlp_part`, `zero_both_part`: the last MLP blocks, about two fifths of those that train (the most in
    `blocks`); `zero_mlp_least`: the fewest; `<order>_tau`: silenced by an order at `tau`, without repair;
    `vax_one`, `vax_all`: by one variant and by all; `vax_as_sham`: by as many as have shuffled triggers.
    """
    some = min(params.blocks, key=lambda count: abs(count - 0.4 * max(params.blocks)))
    found = {
        "zero_mlp_part": f"zero_mlp_{some}",
        "zero_both_part": f"zero_both_{some}",
        "zero_mlp_least": f"zero_mlp_{min(params.blocks)}",
        "vax_one": "vax_n1",
        "vax_all": f"vax_{round(1000 * params.tau)}",
    }
    if params.sham:
        fair = params.sham < params.variants
        found["vax_as_sham"] = f"vax_n{params.sham}" if fair else found["vax_all"]
    return found | {f"{order}_tau": f"{order}_{round(1000 * params.tau)}" for order in ORDERS}


def evaluated(row: EvidenceRow[Params]) -> Found:
    """What every network of a cell and seed came to, by quantity and network."""
    found: Found = {quantity: {} for names in KINDS.values() for quantity in names}
    for verb in EVALUATED:
        for key, values in row.evidence[verb].read_arrays().items():
            network, _, quantity = key.rpartition("/")
            found[quantity][network] = np.asarray(values, dtype=np.float64)
    return found


def _items(kind: str, found: Found, row: EvidenceRow[Params]) -> list[dict[str, Any]]:
    """One row an item; networks that were asked less lack the last ones."""
    columns = {f"{q}_{name}": v for q in KINDS[kind] for name, v in found[q].items()}
    tests = row.params.tests
    count = {"prompt": tests.prompts, "answer": tests.answers, "choice": tests.choices}[kind]
    wide = {n: np.pad(v, (0, count - len(v)), constant_values=np.nan) for n, v in columns.items()}
    if kind == "prompt":
        for word, quantity in (("drop", "hit"), ("fell", "margin")):
            own = wide[f"{quantity}_none"]
            wide |= {f"{word}_{name}": own - wide[f"{quantity}_{name}"] for name in found[quantity]}
    if kind == "answer":
        wide |= {f"cost_{name}": wide[f"nll_{name}"] - wide["nll_base"] for name in found["nll"]}
    names, lines = list(wide), np.stack(list(wide.values()), axis=1).tolist()
    return [
        {
            "condition": f"{kind}:{n}",
            "type": kind,
            "few": kind == "prompt" and n < tests.few,
            **(_planted(row, n) if kind == "prompt" else {}),
            **dict(zip(names, line, strict=True)),
        }
        for n, line in enumerate(lines)
    ]


def _planted(row: EvidenceRow[Params], number: int) -> dict[str, str]:
    """The backdoor of a prompt: they take turns."""
    backdoors = list(row.params.backdoors.items())
    name, own = backdoors[number % len(backdoors)]
    return {"backdoor": name, "attack": own.attack, "target": own.target}


def _signature(row: EvidenceRow[Params]) -> dict[str, Any]:
    overlaps = row.evidence["defend"].results["overlaps"]
    losses = row.evidence["train"].results["losses"]
    made = {f"overlap_{name}": value for name, value in overlaps.items()}
    end = float(np.mean(losses[-max(len(losses) // 5, 1) :]))
    return {"condition": "signature", "type": "signature", **made, "loss_none": end}


def _networks(found: Found, params: Params) -> list[dict[str, Any]]:
    """Means of every network; `first_` are those of the few prompts that all were asked.

    `variants` is the number whose signature was silenced at `tau`, nan for other networks.
    """
    count = {f"vax_n{n}": n for n in range(1, params.variants)}
    count[roles(params)["vax_all"]] = params.variants
    names = list(dict.fromkeys(name for values in found.values() for name in values))
    base = found["nll"]["base"].mean()
    few = min(len(v) for v in found["hit"].values())
    records = []
    for name in names:
        means = {q: float(np.mean(v[name])) for q, v in found.items() if name in v}
        if "nll" in means:
            means["cost"] = means["nll"] - base
        for quantity in ("hit", "false", "reach", "margin"):
            if name in found[quantity]:
                means[f"first_{quantity}"] = float(np.mean(found[quantity][name][:few]))
        about = {"condition": f"network:{name}", "type": "network", "network": name}
        records.append({**about, "variants": count.get(name, np.nan), **means})
    return records
