"""Train the networks of a cell: dense ones, and chains of pruned ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from retrace.compress.pruning.masks import kept_share, prunable
from retrace.device import current
from retrace.nets.conv_block_names import SHAPES
from retrace.stage import Array, Inputs, Output
from retrace.studies.certification.chain import Bench, Chain, State, run_chain
from retrace.studies.certification.setup import arrays_of, set_up
from retrace.training.robust.settings import changed

if TYPE_CHECKING:
    from retrace.studies.certification.params import Train


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Run every method's chain; leaves the networks as `<method>/<state>/<tensor>`, states counted from 0.

    A dense network that a method shares with an earlier one is left once, by the earlier one.
    Results of each method: `states`, each with the share of convolution weights it was to keep and keeps,
    filters of each convolution, number of weights not zero and their share of the dense network's, and mean
    loss by epoch; `own`: states it left; `left_out`: shares at which a layer would be lost, with the reason.
    """
    device = current()
    data = set_up(inputs, device)
    bench = Bench(params.network, data, seed, device)
    chains: dict[str, Chain] = {}
    results: dict[str, Any] = {}
    scratch: dict[str, Array] = {}
    shape = SHAPES[params.network]
    full, whole = shape.conv_weights(data.frame[0]), shape.weights(*data.frame)
    for name, method in params.methods.items():
        dense = chains[method.start].states[0] if method.start else None
        masks = chains[method.masks].states if method.masks else ()
        chain = chains[name] = run_chain(
            bench, method, changed(params.training, method.training), dense, masks
        )
        own = [n for n, state in enumerate(chain.states) if state is not dense]
        for number in own:
            scratch |= arrays_of(chain.states[number].net, f"{name}/{number}")
        records = [_record(state, full, whole) for state in chain.states]
        left_out = [{"share": share, "why": why} for share, why in chain.left_out]
        results[name] = {"own": own, "states": records, "left_out": left_out}
    return Output({"methods": results}, scratch=scratch)


def _record(state: State, full: int, whole: int) -> dict[str, Any]:
    weights = sum(int((p != 0).sum()) for p in state.net.parameters())
    left = sum(int((w != 0).sum()) for w in prunable(state.net).values())
    return {
        "share": state.share,
        "kept": left / full,
        "masked": kept_share(state.masks) if state.masks else 1.0,
        "filters": [m.out_channels for m in state.net if isinstance(m, nn.Conv2d)],
        "weights": weights,
        "kept_whole": weights / whole,
        "losses": state.losses,
    }
