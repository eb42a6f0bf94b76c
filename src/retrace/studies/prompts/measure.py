"""Test a seed's prompts: accuracy, by other readers too, and what each gives away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_softmax

from retrace.attacks.roc import auc
from retrace.llm.load import LanguageModel
from retrace.llm.prompts.classify import Template
from retrace.stage import Array, Inputs, Output
from retrace.stats.areas import auc_interval
from retrace.studies.prompts.readers import readers
from retrace.studies.prompts.secret import exposure, longest_run, planted
from retrace.studies.prompts.setup import (
    INITIAL,
    LABELS,
    Answers,
    answers,
    instructions,
    labels_of,
    methods,
    model_of,
    pools,
    private,
    texts_of,
)

if TYPE_CHECKING:
    from retrace.studies.prompts.params import Measure

Shown = Sequence[tuple[str, str]]  # demonstrations


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Arrays, 0 or 1 by test item: `right/<method>`, `uncalibrated/<method>`, and of the prompts that travel
    `chat/<method>` (in the other template) and `<reader>/<method>`.

    Results by method: `run`, words shared with a private record and not with the initial instruction;
    `exposure` of the planted secret in bits; `auc` of the membership attack by the label's loss, with its
    95 % interval. Methods that claims compare answer all test items, others the first ones.
    """
    found = pools(params, inputs)
    records = [found.pool[i] for i in private(params, found, seed)]
    drawn, texts = inputs["train"].results["methods"], inputs["train"].read_scratch()
    before, shots = inputs["prepare"].read_arrays(), inputs["train"].read_arrays()["demonstrations"]
    names, worst = LABELS[params.task], planted(params, seed)
    # whoever shows records as they are may show the worst one
    shown = [
        *((found.pool[i].text, names[found.pool[i].label]) for i in shots[:-1]),
        (worst.text, names[worst.label]),
    ]
    prompts = {"zero": INITIAL[params.task]} | {name: row.tobytes().decode() for name, row in texts.items()}
    for name, made in drawn.items():
        if "public" in made:
            prompts[name] = instructions(params.task)[made["public"]]
    y, tests = labels_of(found.test), texts_of(found.test)
    inside, few = records[: params.members], params.counts.few
    own = np.concatenate([labels_of(inside), y[: params.members]])
    private_texts = [*texts_of(records), worst.text]
    model = model_of(params)
    ask = _Asked(params, model, {(INITIAL[params.task], "test", "plain"): _kept(before, "test/0", "bias/0")})
    ask.known[INITIAL[params.task], "few", "chat"] = _kept(before, "chat/0", "bias/chat")
    parts = {"test": tests, "few": tests[:few], "inside": texts_of(inside)}
    largest = max(methods(params), key=lambda name: methods(params)[name])
    private_pool, afresh = (largest.replace("dp_", kind) for kind in ("pool_", "poisson_"))
    headline = {"zero", "opt", "icl", private_pool, afresh, *methods(params)}
    travel = ("zero", "opt", "random", largest)
    exposed: dict[str, float] = {}
    arrays: dict[str, Array] = {}
    results: dict[str, dict[str, Any]] = {}
    for name, prompt in prompts.items():
        demonstrations = shown if name == "icl" else ()
        part = "test" if name in headline else "few"
        got = ask(prompt, part, parts[part], "plain", demonstrations)
        arrays[f"right/{name}"] = _right(got.values, y)
        arrays[f"uncalibrated/{name}"] = _right(got.uncalibrated(params), y)
        if name in travel:
            arrays[f"chat/{name}"] = _right(ask(prompt, "few", parts["few"], "chat", ()).values, y)
        of_members = ask(prompt, "inside", parts["inside"], "plain", demonstrations).values
        text = " ".join([prompt, *(x for x, _ in demonstrations)])
        if text not in exposed:
            exposed[text] = exposure(model, text, seed)
        results[name] = {
            "run": longest_run(text, private_texts, INITIAL[params.task]),
            "exposure": exposed[text],
            **_membership(np.concatenate([of_members, got.values[: params.members]]), own),
        }
    del model, ask
    for reader, other in readers(params, inputs["prepare"].read_scratch()):
        theirs = _Asked(params, other, {})
        for name in travel:
            values = theirs(prompts[name], "few", parts["few"], "plain", ()).values
            arrays[f"{reader}/{name}"] = _right(values, y)
    return Output({"methods": results}, arrays=arrays)


class _Asked:
    """A model's answers by prompt, part of the records and template: equal prompts are asked once."""

    def __init__(
        self, params: Measure, model: LanguageModel, known: dict[tuple[str, str, str], Answers]
    ) -> None:
        self.params, self.model, self.known = params, model, known

    def __call__(
        self, prompt: str, part: str, texts: Sequence[str], template: Template, shown: Shown
    ) -> Answers:
        key = ("\n".join([prompt, *(x for x, _ in shown)]), part, template)
        whole = self.known.get((key[0], "test", template))
        if part == "few" and whole is not None:  # the first of all test items
            return Answers(whole.values[: len(texts)], whole.bias)
        if key not in self.known:
            self.known[key] = answers(self.model, self.params, prompt, texts, template, shown)
        return self.known[key]


def _kept(before: Mapping[str, Array], values: str, bias: str) -> Answers:
    return Answers(before[values].astype(np.float64), before[bias].astype(np.float64))


def _right(values: Array, y: Array) -> Array:
    return np.asarray(values.argmax(1) == y[: len(values)]).astype(np.int8)


def _membership(values: Array, y: Array) -> dict[str, float]:
    """AUC of minus the loss of the right label, and its interval; members come first, as many as others."""
    loss = log_softmax(values, axis=1)[np.arange(len(y)), y]
    half = len(y) // 2
    least, most = auc_interval(loss[:half], loss[half:])
    return {"auc": auc(loss, np.arange(len(y)) < half), "auc_least": least, "auc_most": most}
