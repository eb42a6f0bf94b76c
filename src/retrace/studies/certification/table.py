"""The certification study's evidence as a table: rows for test images, for states of chains, and for pairs.

Columns of an image are `<quantity>_<method>`, so that a claim compares methods image by image: all methods
and seeds of a setting share the test images. A method speaks through the state chosen on the validation
slice; `<quantity>_last_<method>` is its sparsest state, where methods are equally sparse. Both are nan where
that state was left out, since a layer would have been lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from retrace.stage import Array, EvidenceRow
from retrace.stats.mcnemar import mcnemar
from retrace.tabled import TIMED, Tabled

if TYPE_CHECKING:
    from retrace.studies.certification.params import Params

Key = tuple[int, str]  # seed and setting
ALL = ("clean", "pgd", "ibp")  # measured of every test image
BOUNDED = ("crown", "unstable", "instability", "looseness")  # of the first
VERIFIED, UNKNOWN = 3, 2  # of `status`, see retrace.studies.certification.bounds
PAIRS = (
    ("imp", "dense"),
    ("slim", "dense"),
    ("decay", "dense"),
    ("imp_nrs", "imp"),
    ("reinit", "imp"),
    ("imp", "long"),
    ("imp", "narrow_refilled"),
    ("imp", "shuffled"),
    ("imp", "random"),
)
STANDING = (
    ("imp", "shuffled"),
    ("imp", "random"),
    ("random", "shuffled"),
)  # compared on images that neither loses, equally sparse


@dataclass
class Chain:
    """A method's states: image quantities of each, what training and validation said, which are spoken of.

    `chosen` and `last` are numbers of states, None where there is none: `last` is the sparsest one asked for.
    """

    images: list[dict[str, Array]]
    states: list[dict[str, Any]]
    seconds: list[list[float]]
    chosen: int | None
    last: int | None = None


@dataclass
class Repeat:
    """One seed of a setting: its chains by method."""

    about: dict[str, Any]
    chains: dict[str, Chain] = field(default_factory=dict)


def table(rows: Sequence[EvidenceRow[Params]]) -> Tabled[None]:
    """Rows of type "test" (every test image), "image" (those bounded by CROWN), "slice", "state" and "pair".

    Image quantities are those of `retrace.studies.certification.bounds`; the slice, which branch and bound
    decided, adds `alpha`, `verified`, `undecided`, `stands` (0 or 1; neither wrong nor attacked), `domains`
    and `seconds`, and of the pairs in `STANDING` `both_a_b`, `proved_a_b` (by a) and `proved_b_a`. A state
    has means, `kept` (of the convolution weights), `kept_whole` (of all weights), and unstable shares by
    layer `unstable_1` ... A pair has McNemar's counts `gained` and `discordant` of images certified by CROWN,
    and `p`.
    """
    repeats: dict[Key, Repeat] = {}
    for row in rows:
        key = (row.seed, row.params.setting)
        about = {"seed": row.seed, "cell": key[1], "dataset": row.params.dataset}
        repeat = repeats.setdefault(key, Repeat(about | {"mode": row.params.training.mode}))
        repeat.chains |= _chains(row, repeat.chains)
    records = [
        r for repeat in repeats.values() for r in (*_images(repeat), *_states(repeat), *_pairs(repeat))
    ]
    frame = pd.DataFrame.from_records(records)
    timed = [column for column in frame.columns if column.startswith("seconds")]
    return Tabled(frame, dict.fromkeys(timed, TIMED), rows="items")


def _chains(row: EvidenceRow[Params], before: Mapping[str, Chain]) -> dict[str, Chain]:
    """The row's chains; those that start from another method's dense network find it in it or `before`."""
    arrays = row.evidence["measure"].read_arrays()
    measured, timing = row.evidence["measure"].results["methods"], row.evidence["measure"].timing
    trained = row.evidence["train"].results["methods"]
    chains: dict[str, Chain] = dict(before)
    for name, found in measured.items():
        start = row.params.methods[name].start
        own = {s["number"]: s for s in found["states"]}
        chain = Chain([], [], [], found["chosen"])
        for number, state in enumerate(trained[name]["states"]):
            if number not in own:  # the dense network of another method
                first = chains[str(start)]
                chain.images.append(first.images[0])
                chain.states.append(first.states[0])
                chain.seconds.append(first.seconds[0])
                continue
            prefix = f"{name}/{number}/"
            chain.images.append(
                {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            )
            chain.states.append(state | own[number])
            chain.seconds.append(list(timing.get(f"{name}/{number}", [])))
        sparsest = row.params.methods[name].kept[-1:] or [1.0]
        shares = [state["share"] for state in chain.states]
        chain.last = shares.index(sparsest[0]) if sparsest[0] in shares else None
        chains[name] = chain
    return chains


def _images(repeat: Repeat) -> list[dict[str, Any]]:
    tests: dict[str, Array] = {}
    bounded: dict[str, Array] = {}
    slices: dict[str, Array] = {}
    for name, chain in repeat.chains.items():
        for where, number in (("", chain.chosen), ("last_", chain.last)):
            found = _unknown(repeat) if number is None else chain.images[number]
            tests |= {f"{q}_{where}{name}": found[q] for q in ALL}
            bounded |= {f"{q}_{where}{name}": found[q] for q in BOUNDED}
            if number is not None and "status" in found:
                slices |= _slice(f"{where}{name}", found, chain.seconds[number])
    for first, second in STANDING:
        slices |= _standing(first, second, slices)
    return [
        *_rows(repeat, "test", tests),
        *_rows(repeat, "image", bounded | tests),
        *_rows(repeat, "slice", slices | bounded | tests),
    ]


def _unknown(repeat: Repeat) -> dict[str, Array]:
    """Quantities of a state that was left out: nan for every image that other states were measured on."""
    like = next(chain.images[0] for chain in repeat.chains.values() if chain.images)
    return {q: np.full(len(like[q]), np.nan) for q in (*ALL, *BOUNDED)}


def _slice(name: str, found: dict[str, Array], seconds: list[float]) -> dict[str, Array]:
    return {
        f"alpha_{name}": found["alpha"],
        f"verified_{name}": found["status"] == VERIFIED,
        f"stands_{name}": found["status"] >= UNKNOWN,
        f"undecided_{name}": found["status"] == UNKNOWN,
        f"domains_{name}": found["domains"],
        f"seconds_{name}": np.asarray(seconds, dtype=np.float64),
    }


def _standing(first: str, second: str, slices: dict[str, Array]) -> dict[str, Array]:
    """Images that both sparsest networks get right and no attack breaks, and which of them each proves.

    So the two are equally accurate, also under attack, and only what can be proved differs.
    """
    names = [f"last_{first}", f"last_{second}"]
    if not all(f"stands_{name}" in slices for name in names):
        return {}
    both = slices[f"stands_{names[0]}"] & slices[f"stands_{names[1]}"]
    return {
        f"both_{first}_{second}": both,
        f"proved_{first}_{second}": both & slices[f"verified_{names[0]}"],
        f"proved_{second}_{first}": both & slices[f"verified_{names[1]}"],
    }


def _rows(repeat: Repeat, kind: str, columns: dict[str, Array]) -> list[dict[str, Any]]:
    """One row an image, as many as the shortest column has."""
    count = min(map(len, columns.values()))
    values = {name: v[:count].astype(np.float64).tolist() for name, v in columns.items()}
    names = list(values)
    return [
        {**repeat.about, "condition": f"{kind}:{n}", "type": kind, **dict(zip(names, row, strict=True))}
        for n, row in enumerate(zip(*values.values(), strict=True))
    ]


def _states(repeat: Repeat) -> list[dict[str, Any]]:
    records = []
    for name, chain in repeat.chains.items():
        for number, (found, state) in enumerate(zip(chain.images, chain.states, strict=True)):
            record = {q: float(found[q].mean(dtype=np.float64)) for q in (*ALL, *BOUNDED)}
            if "status" in found:
                record |= _decided(found, chain.seconds[number])
            layers = {f"unstable_{n + 1}": share for n, share in enumerate(state["unstable"])}
            records.append(
                {
                    **repeat.about,
                    "condition": f"{name}:{number}",
                    "type": "state",
                    "method": name,
                    "state": number,
                    "chosen": number == chain.chosen,
                    **{k: state[k] for k in ("share", "kept", "kept_whole", "weights")},
                    **record,
                    **layers,
                }
            )
    return records


def _decided(found: dict[str, Array], seconds: list[float]) -> dict[str, Any]:
    """Means over the slice; `<bound>_slice` are those of the other quantities on the same images."""
    count = len(found["status"])
    means = {f"{q}_slice": float(found[q][:count].mean(dtype=np.float64)) for q in (*ALL, "crown", "alpha")}
    return means | {
        "verified": float((found["status"] == VERIFIED).mean()),
        "undecided": float((found["status"] == UNKNOWN).mean()),
        "seconds": float(np.mean(seconds)),
        "outcomes": found["status"].tolist(),
        "each": seconds,
    }


def _pairs(repeat: Repeat) -> list[dict[str, Any]]:
    records = []
    for first, second in PAIRS:
        if not {first, second} <= repeat.chains.keys():
            continue
        chains = repeat.chains[first], repeat.chains[second]
        spoken = [chain.images[chain.chosen]["crown"] for chain in chains if chain.chosen is not None]
        if len(spoken) < len(chains):
            continue
        test = mcnemar(*spoken)
        records.append(
            {
                **repeat.about,
                "condition": f"pair:{first}:{second}",
                "type": "pair",
                "pair": f"{first}:{second}",
                "gained": test.gained,
                "discordant": test.gained + test.lost,
                "p": test.p,
            }
        )
    return records
