"""The rival that trains: soft prompts by SGD, and by DP-SGD at every epsilon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.llm.chat import encode
from retrace.llm.prompts.soft import Training, fit, initial, scores
from retrace.privacy.accounting import noise_for
from retrace.seeds import generator
from retrace.stage import Array, Inputs, Output
from retrace.studies.prompts.setup import INITIAL, LABELS, labels_of, model_of, pools, private, texts_of

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Defend


def run(params: Defend, inputs: Inputs, seed: int) -> Output:
    """Arrays: `right/soft_sgd` and `right/soft_<e>`, 0 or 1 by item; none where the cell has no `soft`.

    Results: noise multiplier by method. The vectors begin as those of the initial instruction; the label bias
    is learned, so nothing is calibrated.
    """
    arrays: dict[str, Array] = {"items": np.array([params.counts.test], dtype=np.int64)}
    soft = params.soft
    if soft is None:
        return Output({"noise": {}}, arrays=arrays)
    found, model = pools(params, inputs), model_of(params)
    records = [found.pool[i] for i in private(params, found, seed)]
    labels = [encode(model, f" {name}")[0] for name in LABELS[params.task]]
    start = initial(model.net, encode(model, INITIAL[params.task]))
    rows, tests = (
        [encode(model, f"\n\nInput: {text}\nOutput:") for text in texts_of(part)]
        for part in (records, found.test)
    )
    noise = {"soft_sgd": 0.0}
    for epsilon in params.epsilons:
        own = noise_for(epsilon, soft.share, soft.steps, params.delta, most=10_000.0)
        noise[f"soft_{epsilon:g}".replace(".", "_")] = own
    for name, multiplier in noise.items():
        training = Training(soft.steps, soft.share, soft.rate, soft.clip, multiplier)
        rng = generator(seed, "prompts", "soft", name)
        vectors = fit(model.net, start, rows, labels_of(records), labels, training, rng)
        right = scores(model.net, vectors, tests, labels).argmax(1) == labels_of(found.test)
        arrays[f"right/{name}"] = right.astype(np.int8)
    return Output({"noise": noise}, arrays=arrays)
