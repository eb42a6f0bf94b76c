"""Test a seed's prompts: accuracy, in another template too, and what each gives away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_softmax

from retrace.attacks.roc import auc
from retrace.llm.prompts.classify import Template
from retrace.stage import Array, Inputs, Output
from retrace.studies.prompts.secret import exposure, longest_run, planted
from retrace.studies.prompts.setup import (
    INITIAL,
    LABELS,
    Floats,
    answers,
    labels_of,
    methods,
    model_of,
    pools,
    private,
    texts_of,
)

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Measure


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Arrays: `right/<method>` and `chat/<method>` (0 or 1 by test item; the second in the other template).

    Results by method: `run`, words shared with a private record and not with the initial instruction;
    `exposure` of the planted secret in bits; `auc` of the membership attack by the label's loss. Methods that
    claims compare answer all test items, others the first ones.
    """
    found, model = pools(params, inputs), model_of(params)
    records = [found.pool[i] for i in private(params, found, seed)]
    drawn = inputs["train"].results["methods"]
    texts = {name: row.tobytes().decode() for name, row in inputs["train"].read_scratch().items()}
    before, shots = inputs["prepare"].read_arrays(), inputs["train"].read_arrays()["demonstrations"]
    names = LABELS[params.task]
    shown = [(found.pool[i].text, names[found.pool[i].label]) for i in shots]
    # whoever shows records as they are may show the worst one
    shown[-1] = (planted(params, seed).text, names[planted(params, seed).label])
    y, tests = labels_of(found.test), texts_of(found.test)
    few, members = params.counts.few, params.members
    inside = [*records[:members]]
    own = np.concatenate([labels_of(inside), y[:members]])
    scored: dict[tuple[str, int, str], Floats] = {
        (INITIAL[params.task], len(y), "plain"): before["test/0"],
        (INITIAL[params.task], few, "plain"): before["test/0"][:few],
        (INITIAL[params.task], few, "chat"): before["chat/0"],
    }

    def scores(prompt: str, count: int, template: Template = "plain", icl: bool = False) -> Floats:
        key = (prompt if not icl else "", count, template)
        if key not in scored:
            scored[key] = answers(model, params, prompt, tests[:count], template, shown if icl else ())
        return scored[key]

    arrays: dict[str, Array] = {}
    results: dict[str, dict[str, Any]] = {}
    whole = {"opt", "icl", *methods(params)}
    largest = max(methods(params), key=lambda name: methods(params)[name])
    abroad, attacked = {"zero", "opt", "random", largest}, {"opt", "icl", "one_group", largest}
    for name, made in {"zero": {}, **drawn}.items():
        if "public" in made:
            values = before[f"test/{made['public']}"]
            arrays[f"right/{name}"] = _right(values, y)
            continue
        prompt, icl = texts.get(name, INITIAL[params.task]), name == "icl"
        values = scores(prompt, len(y) if name in whole or name == "zero" else few, icl=icl)
        arrays[f"right/{name}"] = _right(values, y)
        if name in abroad:
            arrays[f"chat/{name}"] = _right(scores(prompt, few, "chat", icl), y)
        text = prompt if not icl else " ".join([prompt, *(x for x, _ in shown)])
        results[name] = {
            "run": longest_run(text, [*texts_of(records), planted(params, seed).text], INITIAL[params.task]),
            "exposure": exposure(model, text, seed),
        }
        if name in attacked:
            of_members = answers(model, params, prompt, texts_of(inside), "plain", shown if icl else ())
            both = np.concatenate([of_members, values[:members]])
            results[name]["auc"] = _auc(both, own)
    return Output({"methods": results}, arrays=arrays)


def _right(values: Floats, y: Sequence[int] | Array) -> Array:
    return np.asarray(values.argmax(1) == np.asarray(y)[: len(values)]).astype(np.int8)


def _auc(values: Floats, y: Array) -> float:
    """AUC of minus the loss of the right label; members come first, as many as others."""
    loss = log_softmax(values, axis=1)[np.arange(len(y)), y]
    return auc(loss, np.arange(len(y)) < len(y) // 2)
