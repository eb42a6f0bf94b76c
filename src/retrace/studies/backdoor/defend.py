"""Purify the suspicious adapter: BD-VAX, its parts and its rivals, with and without repair."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import combinations
from time import process_time
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from retrace.defenses.purifying.names import Part
from retrace.llm.load import LanguageModel
from retrace.llm.training.adapters import Adapters, merge
from retrace.llm.training.many import train_adapters
from retrace.llm.training.steps import Settings
from retrace.seeds import derive
from retrace.stage import Array, Evidence, Inputs, Output
from retrace.studies.backdoor.channels import (
    Change,
    Scores,
    agreement,
    by_lot,
    dots,
    flags,
    own_norms,
    own_spectrum,
    signature,
    without,
)
from retrace.studies.backdoor.outcome import KEPT, Bench, bench, keyed, means
from retrace.studies.backdoor.planted import variants
from retrace.studies.backdoor.setup import clean, of_run, released, stacked, states, suspicious
from retrace.studies.backdoor.texts import part

if TYPE_CHECKING:
    from retrace.studies.backdoor.params import Defend

REPAIRED = ("vax", "random", "own")
BRIEF = ("spectral", "sham")  # not repaired, but scored on answers


def run(params: Defend, inputs: Inputs, seed: int) -> Output:
    """Re-infect the merged model, score channels, silence them in the adapter, repair, fine-tune again.

    Arrays `<network>/<quantity>`. Without repair, on the few prompts: `<order>_<permille>` for every share
    and the orders vax, random, own; at `tau` `vax_n<count>` by number of variants (fewer than all),
    `vax_<part>` by part of the score, `spectral` and `sham` (variants with shuffled triggers). Repaired, on
    all prompts: `tuned` (nothing silenced), `vax`, `random`, `own`; on the few `vax_epochs_<n>`, and
    `<name>_again` after a further clean fine-tuning. Scratch: scores by module. Results: means, losses of the
    variants, overlaps of flags.
    """
    began = process_time()
    model, prepared = released(params), inputs["prepare"]
    planted = suspicious(model, inputs, params)
    items = bench(model, params, prepared, inputs["train"].read_scratch()[KEPT])
    found, sham, losses = _vaccinated(model, planted, params, prepared, seed)
    trained = process_time()
    scores = _orders(found, sham, planted, params, seed)
    arrays: dict[str, Array] = {}
    adapters = stacked(model, params, [planted])
    for name, gone in _unrepaired(found, scores, params).items():
        adapters.put(0, without(planted, gone))
        arrays |= keyed(name, items.look(adapters, whole=False, answers=name in BRIEF))
    looked = process_time()
    arrays |= _repaired(items, planted, scores, params, prepared, seed)
    timing = {
        "variants": trained - began,
        "unrepaired": looked - trained,
        "repaired": process_time() - looked,
    }
    return Output(
        {"means": means(arrays), "losses": losses, "overlaps": _overlaps(found, scores, params)},
        timing,
        arrays,
        {f"{order}/{place}": each.numpy() for order, own in scores.items() for place, each in own.items()},
    )


def _vaccinated(
    model: LanguageModel, planted: Change, params: Defend, prepared: Evidence, seed: int
) -> tuple[Scores, Scores, list[list[float]]]:
    """Dot products by module of variants and of sham ones, and the losses of all runs."""
    infected = replace(model, net=deepcopy(model.net))
    merge(infected.net, stacked(model, params, [planted]), 0)
    rows = variants(model, params, prepared, seed)
    base = params.vaccination
    epochs = base.epochs if params.unequal else 2 * base.epochs  # a counterpart has half the rows
    calm = base.model_copy(update={"epochs": epochs})
    bad, good = [own[0] for own in rows], [own[1] for own in rows]
    false = [own[2] for own in rows[: params.sham]]
    # a variant and its counterpart begin alike, so that only what they learn differs
    starts = [derive(seed, "backdoor", "variant", n) % 2**31 for n in range(params.variants)]
    count = params.variants
    runs = [*bad, *good, *false]
    begin = [*starts, *starts, *starts[: params.sham]]
    adapters = Adapters(infected.net, begin, params.rank, params.alpha, start=params.start)
    every = iter(states(infected, [row for own in runs for row in own], params.start))
    kept = [[next(every) for _ in own] for own in runs]
    settings: list[Settings] = [base] * count + [calm] * count + [base] * params.sham
    losses = train_adapters(infected.net, adapters, runs, settings, begin, kept, params.start)
    pairs = [(n, count + n) for n in range(count)]
    shams = [(2 * count + n, count + n) for n in range(params.sham)]
    return dots(adapters, pairs), dots(adapters, shams) if shams else {}, losses


def _orders(found: Scores, sham: Scores, planted: Change, params: Defend, seed: int) -> dict[str, Scores]:
    orders = {
        "vax": signature(found, params.variants, params.part),
        "random": by_lot(found, seed),
        "own": own_norms(planted),
        "spectral": own_spectrum(planted),
    }
    return orders | ({"sham": signature(sham, params.sham, params.part)} if sham else {})


def _unrepaired(found: Scores, scores: dict[str, Scores], params: Defend) -> dict[str, dict[str, Tensor]]:
    sets = {
        f"{order}_{round(1000 * share)}": flags(scores[order], share)
        for order in ("vax", "random", "own")
        for share in params.taus
    }
    sets |= {order: flags(own, params.tau) for order, own in scores.items() if order in BRIEF}
    for count in range(1, params.variants):
        sets[f"vax_n{count}"] = flags(signature(found, count, params.part), params.tau)
    parts: tuple[Part, ...] = ("magnitude", "alignment", "product")
    for name in parts:
        sets[f"vax_{name}"] = flags(signature(found, params.variants, name), params.tau)
    return sets


def _repaired(
    items: Bench, planted: Change, scores: dict[str, Scores], params: Defend, prepared: Evidence, seed: int
) -> dict[str, Array]:
    """All purified adapters repaired at once on the same rows, in the same order; then fine-tuned again."""
    model = items.model
    begin = {"tuned": dict(planted)}
    begin |= {order: without(planted, flags(scores[order], params.tau)) for order in REPAIRED}
    settings = [params.repair] * len(begin)
    for epochs in params.lengths:
        begin[f"vax_epochs_{epochs}"] = begin["vax"]
        settings.append(params.repair.model_copy(update={"epochs": epochs}))
    names = list(begin)
    adapters = stacked(model, params, [begin[name] for name in names])
    _tune(model, adapters, "repair", settings, params, prepared, seed)
    arrays: dict[str, Array] = {}
    for run, name in enumerate(names):
        seen = items.look(adapters, run, whole="_epochs_" not in name)
        if name == "vax":
            seen |= items.judged(seen, adapters, run) | items.chosen(adapters, run)
        arrays |= keyed(name, seen)
    again = ["vax", "own"]
    later = stacked(model, params, [of_run(adapters, names.index(name)) for name in again])
    _tune(model, later, "again", [params.again] * len(again), params, prepared, seed)
    for run, name in enumerate(again):
        arrays |= keyed(f"{name}_again", items.look(later, run, whole=False))
    return arrays


def _tune(
    model: LanguageModel,
    adapters: Adapters,
    what: str,
    settings: list[Settings],
    params: Defend,
    prepared: Evidence,
    seed: int,
) -> None:
    """Train all runs on the same clean rows."""
    rows = clean(model, part(params.texts, prepared, what))
    kept = states(model, rows, params.start)
    count = len(settings)
    seeds = [derive(seed, "backdoor", what) % 2**31] * count
    train_adapters(model.net, adapters, [rows] * count, settings, seeds, [kept] * count, params.start)


def _overlaps(found: Scores, scores: dict[str, Scores], params: Defend) -> dict[str, float]:
    """Jaccard index of flags at `tau`: of single variants, of the signature with others, by chance."""
    single = [
        flags({place: each[n, n].clamp_min(0).sqrt() for place, each in found.items()}, params.tau)
        for n in range(params.variants)
    ]
    pairs = [agreement(a, b) for a, b in combinations(single, 2)]
    vax = flags(scores["vax"], params.tau)
    made = {name: agreement(vax, flags(own, params.tau)) for name, own in scores.items() if name != "vax"}
    return {
        "variants": float(np.mean(pairs)) if pairs else float("nan"),
        "chance": params.tau / (2 - params.tau),
        **made,
    }
