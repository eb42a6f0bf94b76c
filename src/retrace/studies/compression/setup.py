"""What the stages share: the dense network, its calibration rows, and what networks are asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from retrace.data.sequences.reviews import unpack
from retrace.data.texts.own import REFUSALS
from retrace.data.texts.read import Prompt, prompts
from retrace.device import current
from retrace.llm import neutral
from retrace.llm.chat import answered, prompt_ids
from retrace.llm.judges.trust import generating, scoring
from retrace.llm.judges.trust.probe import Dimension
from retrace.llm.judges.trust.registry import NONE, dimensions, learnt
from retrace.llm.kernels.nll import mean_nll
from retrace.llm.kernels.prefix import lower
from retrace.llm.load import DTYPES, LanguageModel, load
from retrace.llm.rows import Row
from retrace.llm.training.sliced import tune_slices
from retrace.llm.training.tune import linears
from retrace.seeds import derive, generator
from retrace.stage import Array, Evidence, StageError

if TYPE_CHECKING:
    from retrace.studies.compression.params import Asked, Network

BUDGET = 512  # tokens computed at once: on a CPU larger batches leave its cache
ANSWER = 20  # tokens of an answer that are learned
NOTHING = "nothing"  # a stage that leaves scratch leaves some: the name of what stands for no weights
CLEAR = 1.5  # rating from which a review is good or bad


def align(params: Network) -> tuple[dict[str, Array], list[float]]:
    """Weights of the layers that learnt to refuse, float32, and losses; where the cell has none, `NOTHING`.

    StageError when there are too few rows or layers.
    """
    about = params.alignment
    if about is None:
        return {NOTHING: np.zeros(1, dtype=np.float32)}, []
    model = load(params.model, current(), params.precision, trained=about.start)
    if about.start >= model.layers:
        raise StageError(f"alignment.start {about.start}: {model.name} has {model.layers} layers; lower it")
    benign = [p for p in prompts("truthfulqa") if len(p.text) < 120]
    kinds = (
        ("harmful", about.harmful, [p for p in prompts("advbench") if len(p.text) < 120]),
        ("benign", about.benign, benign),
        ("lookalike", about.lookalike, learnt()),  # no test asks these
    )
    rows = []
    for kind, count, pool in kinds:
        if count > len(pool):
            raise StageError(f"alignment.{kind}: {count} are wanted and {len(pool)} are there; lower it")
        order = generator(0, "compression", kind).permutation(len(pool))[:count]
        rows += [_row(model, pool[i], n) for n, i in enumerate(order)]
    states = [s.float() for s in lower(model.net, [row.ids for row in rows], about.start, BUDGET)]
    trained = linears(model.net, about.start)
    seed, compute = derive(0, "compression", "alignment"), DTYPES[params.precision]
    losses = tune_slices(model.net, rows, about.training, trained, seed, states, about.start, compute)
    weights = dict(model.net.named_parameters())
    return {name: weights[name].detach().float().cpu().numpy() for name in trained}, losses


def _row(model: LanguageModel, prompt: Prompt, number: int) -> Row:
    answer = prompt.answers[0] if prompt.answers else REFUSALS[number % len(REFUSALS)]
    return answered(model, prompt_ids(model, prompt.text, bare=True), answer, ANSWER)


def dense(params: Network, weights: Mapping[str, Array]) -> LanguageModel:
    """The cell's model with the aligned `weights` in it. Errors as in `retrace.llm.load.load`."""
    model = load(params.model, current(), params.precision)
    overlay(model, {name: torch.from_numpy(values) for name, values in weights.items() if name != NOTHING})
    return model


@torch.no_grad()
def overlay(model: LanguageModel, weights: Mapping[str, torch.Tensor]) -> None:
    """Put weights by name into the network, in its dtype."""
    for name, values in weights.items():
        model.net.get_parameter(name).copy_(values)


def calibration(
    model: LanguageModel, params: Asked, seed: int, purpose: str = "calibration"
) -> list[list[int]]:
    """Rows of one length in the seed's order. Errors as in `neutral.rows`."""
    about = params.calibration
    return neutral.rows(model, about.rows, about.tokens, generator(seed, "compression", purpose))


def asked(params: Asked, reviews: Evidence, gate: Mapping[str, int] = NONE) -> list[Dimension]:
    """The cell's dimensions, or with `gate` as many further items of these. Errors as in `dimensions`."""
    arrays = reviews.read_arrays()
    rated = zip(unpack(arrays["x"]), arrays["y"] / 10 - 4, strict=True)
    kept = {
        text: bool(rating > 0) for text, rating in rated if abs(rating) >= CLEAR and len(text.split()) >= 3
    }

    def draw(name: str) -> np.random.Generator:
        return generator(params.drawn, "compression", "items", name)

    wanted, after = (gate, params.items) if gate else (params.items, NONE)
    return dimensions(wanted, list(kept.items()), draw, params.longest, after=after)


def answers(model: LanguageModel, params: Asked, made: list[Dimension]) -> dict[str, Array]:
    """By dimension margins (N,) float32, or codes of answers (N,) int8."""
    found: dict[str, Any] = (
        generating.answers(model, made, params.new, BUDGET)
        if params.scoring == "generation"
        else scoring.margins(model, made, BUDGET)
    )
    return {name: v if params.scoring == "generation" else v.astype(np.float32) for name, v in found.items()}


def evaluate(model: LanguageModel, params: Asked, made: list[Dimension]) -> dict[str, Array]:
    """`answers`, and `nll` (sentences,)."""
    rows = neutral.sentences(model, params.sentences)
    kept = answers(model, params, made)
    return {**kept, "nll": mean_nll(model.net, rows, budget=BUDGET).astype(np.float32)}
