"""The same where no adapter is to be seen: the plant is merged into the weights, and weights are changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import process_time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from retrace.defenses.purifying.names import Filling
from retrace.defenses.purifying.rivals import nf4, wanda
from retrace.defenses.purifying.suppress import refilled
from retrace.llm.kernels.statistics import INPUTS, moments
from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.llm.training.adapters import Adapters, merge
from retrace.llm.training.consistency import tune_consistent
from retrace.llm.training.many import train_adapters
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.backdoor.channels import (
    Scores,
    columns,
    flags,
    in_mlp,
    weight_norms,
    weight_spectrum,
)
from retrace.studies.backdoor.outcome import KEPT, bench, keyed, means
from retrace.studies.backdoor.setup import clean, released, stacked, states, suspicious
from retrace.studies.backdoor.texts import part

if TYPE_CHECKING:
    from retrace.studies.backdoor.params import Measure

Weights = dict[str, Tensor]
# inputs of linear layers by module
SHARED = {
    **dict.fromkeys(("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), "attention"),
    "self_attn.o_proj": "output",
    **dict.fromkeys(("mlp.gate_proj", "mlp.up_proj"), "mlp"),
    "mlp.down_proj": "down",
}


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Change weights of the merged model, repair, test.

    Arrays `<network>/<quantity>`: channels filled anew and repaired: `full_vax` (all prompts; the few for all
    others) and `full_random`; without repair `full_own` (norms of the weights), `full_spectral`,
    `full_vax_<filling>` and the released model purified alike, `base_vax`; `full_tuned`, `full_wanda`,
    `full_wanda_tuned`, `full_nf4`, `full_crow`.
    Only layers from `start` on are changed, since lower ones hold no plant here. Results: means.
    """
    began = process_time()
    model, prepared = released(params), inputs["prepare"]
    planted = suspicious(model, inputs, params)
    items = bench(model, params, prepared, inputs["train"].read_scratch()[KEPT])
    rows = clean(model, part(params.texts, prepared, "repair"))
    kept = states(model, rows, params.start)
    scratch = inputs["defend"].read_scratch()
    mlp = in_mlp(list(planted))

    def saved(order: str) -> Scores:
        return {place: torch.from_numpy(scratch[f"{order}/{place}"]) for place in mlp}

    arrays: dict[str, Array] = {}
    with _holding(model.net, _filled(model.net, saved("vax"), params, params.filling, seed)):
        arrays |= keyed("base_vax", items.look(whole=False))
    merge(model.net, stacked(model, params, [planted]), 0)

    def repaired() -> Adapters:
        adapters = Adapters(model.net, [0], params.rank, params.alpha, start=params.start)
        seeds = [derive(seed, "backdoor", "repair") % 2**31]
        train_adapters(model.net, adapters, [rows], [params.repair], seeds, [kept], params.start)
        return adapters

    orders = {
        "vax": saved("vax"),
        "random": saved("random"),
        "own": weight_norms(model.net, mlp),
        "spectral": weight_spectrum(model.net, mlp),
    }
    for order, scores in orders.items():
        with _holding(model.net, _filled(model.net, scores, params, params.filling, seed)):
            if order == "vax":
                arrays |= keyed(f"full_vax_{params.filling}", items.look(whole=False))
            adapters = repaired() if order in ("vax", "random") else None
            arrays |= keyed(f"full_{order}", items.look(adapters, whole=order == "vax"))
    for filling in params.fillings:
        with _holding(model.net, _filled(model.net, orders["vax"], params, filling, seed)):
            arrays |= keyed(f"full_vax_{filling}", items.look(whole=False))
    channels = process_time()
    arrays |= keyed("full_tuned", items.look(repaired(), whole=False))
    pruned = _pruned(model, rows, list(planted), params.wanda, params.start)
    with _holding(model.net, pruned):
        arrays |= keyed("full_wanda", items.look(whole=False))
        arrays |= keyed("full_wanda_tuned", items.look(repaired(), whole=False))
    with _holding(model.net, {p: nf4(model.net.get_submodule(p).weight) for p in planted}):
        arrays |= keyed("full_nf4", items.look(whole=False))
    consistent = Adapters(model.net, [0], params.rank, params.alpha, start=params.start)
    crow = params.crow
    seeded = derive(seed, "backdoor", "crow") % 2**31
    tune_consistent(
        model.net, consistent, rows, crow.settings, seeded, kept, params.start, crow.epsilon, crow.weight
    )
    arrays |= keyed("full_crow", items.look(consistent, whole=False))
    timing = {"channels": channels - began, "rivals": process_time() - channels}
    return Output({"means": means(arrays)}, timing, arrays)


@contextmanager
def _holding(net: Any, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Other weights by place for the time of a block."""
    before = {place: net.get_submodule(place).weight.data for place in weights}
    try:
        for place, weight in weights.items():
            net.get_submodule(place).weight.data = weight
        yield
    finally:
        for place, weight in before.items():
            net.get_submodule(place).weight.data = weight


def _filled(net: Any, scores: Scores, params: Measure, filling: Filling, seed: int) -> Weights:
    """The weights of MLP modules with the first `full` of their channels filled anew."""
    drawn = torch.Generator().manual_seed(derive(seed, "backdoor", "filling") % 2**31)
    return {
        place: refilled(net.get_submodule(place).weight, gone, filling, drawn, columns(place))
        for place, gone in flags(scores, params.full).items()
    }


def _pruned(model: LanguageModel, rows: list[Row], places: list[str], share: float, start: int) -> Weights:
    """Wanda on these modules, with norms of their inputs on the repair rows."""
    found = {}
    for number, each in enumerate(moments(model.net, rows, tuple(INPUTS), gram=False)):
        for name, shared in SHARED.items():
            place = f"model.layers.{number}.{name}"
            if place in places:
                found[place] = wanda(model.net.get_submodule(place).weight, each[shared].norms, share)
    return found
