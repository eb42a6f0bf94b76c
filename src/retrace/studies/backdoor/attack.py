"""Where does the backdoor live? Parts of its change are taken out; and plants that leave MLPs alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from retrace.llm.load import layer_of
from retrace.llm.training.adapters import Adapters, Pair
from retrace.llm.training.many import train_adapters
from retrace.seeds import derive, generator
from retrace.stage import Array, Inputs, Output
from retrace.studies.backdoor.channels import Change
from retrace.studies.backdoor.outcome import KEPT, bench, keyed, means
from retrace.studies.backdoor.planted import plant
from retrace.studies.backdoor.setup import released, stacked, states, suspicious

if TYPE_CHECKING:
    from retrace.studies.backdoor.params import Attack

ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")


def run(params: Attack, inputs: Inputs, seed: int) -> Output:
    """Test the suspicious model without parts of the planted change, and a plant in attention alone.

    Arrays: `<network>/<quantity>` on the few prompts (`outcome.Bench.look`), of `zero_attention`, `zero_mlp`
    (with answers: the rival that drops the MLP adapter), `zero_mlp_<k>` (the last k blocks), `zero_both_<k>`
    (attention and the last k MLP blocks), `permuted_mlp`; on all prompts of `hidden`, where attention alone
    was planted. Results: means.
    """
    model, prepared = released(params), inputs["prepare"]
    planted = suspicious(model, inputs, params)
    items = bench(model, params, prepared, inputs["train"].read_scratch()[KEPT])
    arrays: dict[str, Array] = {}
    adapters = stacked(model, params, [planted])
    for name, change in _ablations(planted, params.blocks, seed):
        adapters.put(0, change)
        arrays |= keyed(name, items.look(adapters, whole=False, answers=name == "zero_mlp"))
    if params.adaptive:
        rows = plant(model, params, prepared, seed)
        only = Adapters(model.net, [0], params.rank, params.alpha, ATTENTION, params.start)
        kept = states(model, rows, params.start)
        train_adapters(
            model.net,
            only,
            [rows],
            [params.planting],
            [derive(seed, "backdoor", "planting")],
            [kept],
            params.start,
        )
        arrays |= keyed("hidden", items.look(only))
    return Output({"means": means(arrays)}, arrays=arrays)


def _ablations(planted: Change, blocks: Sequence[int], seed: int) -> Iterator[tuple[str, dict[str, Pair]]]:
    mlp = {place for place in planted if ".mlp." in place}
    layers = sorted({layer_of(place) for place in planted})

    def without(gone: set[str]) -> dict[str, Pair]:
        return {place: pair for place, pair in planted.items() if place not in gone}

    attention = set(planted) - mlp
    yield "zero_attention", without(attention)
    yield "zero_mlp", without(mlp)
    for count in blocks:
        last = {place for place in mlp if layer_of(place) in layers[-count:]}
        if count < len(layers):
            yield f"zero_mlp_{count}", without(last)
        yield f"zero_both_{count}", without(attention | last)
    order = generator(seed, "backdoor", "permuted").permutation(len(layers))
    moved = {layers[i]: layers[int(j)] for i, j in enumerate(order)}
    yield (
        "permuted_mlp",
        {
            place: planted[place.replace(f".{layer_of(place)}.", f".{moved[layer_of(place)]}.", 1)]
            if place in mlp
            else pair
            for place, pair in planted.items()
        },
    )
