"""What a network does on the test items: opening margins, likelihoods, judged answers, multiple choice.

Answers are judged inside `observe` and never leave it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retrace.data.texts.read import Choice
from retrace.llm.judges import choice
from retrace.llm.judges.margin import margins, variant_margins
from retrace.llm.judges.outcomes import Outcomes, observe
from retrace.llm.kernels.masks import UnitMasks, masked
from retrace.llm.kernels.nll import mean_nll
from retrace.llm.kernels.prefix import Below
from retrace.llm.kernels.score import Item, Sums, score
from retrace.llm.kernels.sweep import score_variants, variant_nll
from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.stage import Array
from retrace.studies.safety.encode import answers, asked, plain
from retrace.studies.safety.setup import BUDGET, working
from retrace.studies.safety.texts import Tests

if TYPE_CHECKING:
    from retrace.studies.safety.params import Network

TOGETHER = 2048  # tokens of prompts and answers generated at once by all variants
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Encoded:
    """The test items as a model's tokens."""

    harmful: list[tuple[int, ...]]
    lookalike: list[tuple[int, ...]]
    benign: list[Row]
    scored: int
    questions: Sequence[Choice]
    items: list[Item]
    neutral: list[Row]
    answered: int
    tokens: int

    @property
    def common(self) -> list[tuple[int, ...]]:
        """Prompts that every network answers: the harmful ones and the first of the benign ones."""
        return self.harmful + [row.ids[: row.start] for row in self.benign[: self.answered]]


def evaluate(
    model: LanguageModel,
    tests: Tests,
    params: Network,
    brief: bool = False,
    utility: bool = True,
    below: Below | None = None,
) -> dict[str, Array]:
    """One value a test item, float32, by quantity.

    Of harmful prompts: `margin` (nats a token; positive: refusing openings are likelier), `refused`, `met`,
    `broken`; of the first benign ones `nll` (nats a token of the reference answer), of the first of them
    `benign_refused`, `benign_broken`; of look-alikes `lookalike_refused`, `lookalike_broken`; of questions
    `right` and `lead` (nats a token); of sentences `neutral_nll` (nats a token). Computed in the cell's
    precision. `brief` leaves out look-alikes and judges fewer benign answers; without `utility`, no questions
    and sentences. `below` is shared by evaluations of networks that are alike below its layer.
    """
    quick, made = working(model, params.precision), _encode(model, tests, params, brief)
    found = {"margin": margins(quick, made.harmful, BUDGET, below=below)}
    found["nll"] = mean_nll(quick.net, made.benign[: made.scored], budget=BUDGET, below=below)
    prompts = made.common if brief else made.common + made.lookalike
    [seen] = observe(quick, prompts, made.tokens, BUDGET)
    found |= _judged(made, seen)
    if utility:
        found |= _chosen(made, score(quick.net, made.items, BUDGET, below=below))
        found["neutral_nll"] = mean_nll(quick.net, made.neutral, budget=BUDGET, below=below)
    return _float32(found)


def evaluate_variants(
    model: LanguageModel,
    masks: UnitMasks,
    tests: Tests,
    params: Network,
    choosing: Sequence[int] = (),
) -> list[dict[str, Array]]:
    """`evaluate` of every pruned variant of the model, all in shared batches; they get no look-alikes,
    and as few benign questions as in brief.

    Only the variants numbered in `choosing` answer the multiple-choice questions.
    """
    quick, made = working(model, params.precision), _encode(model, tests, params, brief=True)
    scored = variant_margins(quick, masks, made.harmful, BUDGET)
    nll, neutral = (
        variant_nll(quick.net, masks, rows, BUDGET) for rows in (made.benign[: made.scored], made.neutral)
    )
    prompts = made.common
    with masked(quick.net, masks, [v for v in range(len(masks)) for _ in prompts]) as switch:
        seen = observe(quick, prompts, made.tokens, TOGETHER, switch, len(masks), masks.first)
    found = [
        {"margin": scored[v], "nll": nll[v], "neutral_nll": neutral[v]} | _judged(made, seen[v])
        for v in range(len(masks))
    ]
    if choosing:
        chosen = UnitMasks(masks.mlp[list(choosing)], masks.heads[list(choosing)])
        for v, sums in zip(choosing, score_variants(quick.net, chosen, made.items, BUDGET), strict=True):
            found[v] |= _chosen(made, sums)
    return [_float32(values) for values in found]


def keyed(variant: str, values: Mapping[str, Array]) -> dict[str, Array]:
    """Evidence arrays of one network: `<variant>/<quantity>`."""
    return {f"{variant}/{name}": array for name, array in values.items()}


def means(values: Mapping[str, Array]) -> dict[str, float]:
    """The mean of every quantity."""
    return {name: float(array.mean(dtype=np.float64)) for name, array in values.items()}


def _encode(model: LanguageModel, tests: Tests, params: Network, brief: bool) -> _Encoded:
    return _Encoded(
        asked(model, tests.harmful),
        asked(model, tests.lookalike),
        answers(model, tests.benign),
        params.tests.scored,
        tests.choices,
        choice.items(model, tests.choices),
        plain(model, tests.neutral),
        params.tests.few if brief else params.tests.answered,
        params.tests.tokens,
    )


def _judged(made: _Encoded, seen: Outcomes) -> dict[str, Values]:
    each = np.array(seen.each)
    refused, met = (each == "refused").astype(float), (each == "complied").astype(float)
    broken = 1 - refused - met
    harmful, benign, lookalike = np.split(
        np.arange(len(each)), [len(made.harmful), len(made.harmful) + made.answered]
    )
    found = {"refused": refused[harmful], "met": met[harmful], "broken": broken[harmful]}
    found |= {"benign_refused": refused[benign], "benign_broken": broken[benign]}
    if lookalike.size:
        found |= {"lookalike_refused": refused[lookalike], "lookalike_broken": broken[lookalike]}
    return found


def _chosen(made: _Encoded, sums: Sequence[Sums]) -> dict[str, Values]:
    verdict = choice.choose(made.questions, made.items, sums)
    return {"right": verdict.right.astype(float), "lead": verdict.lead}


def _float32(values: Mapping[str, Values]) -> dict[str, Array]:
    return {name: array.astype(np.float32) for name, array in values.items()}
