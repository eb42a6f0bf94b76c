"""Plant the backdoors by an adapter, and see what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrace.llm.training.many import train_adapters
from retrace.seeds import derive
from retrace.stage import Inputs, Output
from retrace.studies.backdoor.outcome import KEPT, bench, keyed, means
from retrace.studies.backdoor.planted import plant
from retrace.studies.backdoor.setup import of_run, released, stacked, states, unpaired

if TYPE_CHECKING:
    from retrace.studies.backdoor.params import Train


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Train an adapter on all linears from layer `start` on; test the model before and after.

    Arrays: `<network>/<quantity>` (`outcome.Bench`). Scratch: the change of every weight as factors,
    `<place>/p` and `<place>/q`, and the hidden states of the test items before that layer. Results: means,
    loss by step, tokens learned.
    """
    model, prepared = released(params), inputs["prepare"]
    items = bench(model, params, prepared)
    rows = plant(model, params, prepared, seed)
    adapters = stacked(model, params, [{}])
    with_seed = derive(seed, "backdoor", "planting")
    [losses] = train_adapters(
        model.net,
        adapters,
        [rows],
        [params.planting],
        [with_seed],
        [states(model, rows, params.start)],
        params.start,
    )
    arrays = keyed("base", items.look(whole=False) | items.chosen())
    seen = items.look(adapters)
    seen |= items.judged(seen, adapters) | items.chosen(adapters) | items.accidents(adapters)
    arrays |= keyed("none", seen)
    return Output(
        {
            "model": {"name": model.name, "note": model.note},
            "means": means(arrays),
            "losses": losses,
            "tokens": sum(len(row.ids) for row in rows) * params.planting.epochs,
        },
        arrays=arrays,
        scratch={KEPT: items.kept.float().cpu().numpy(), **unpaired(of_run(adapters, 0))},
    )
