"""How well an instruction works: labels by likelihood after it, in one of two templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from retrace.llm.chat import encode, prompt_text
from retrace.llm.kernels.score import Item, score
from retrace.llm.load import LanguageModel
from retrace.stage import StageError

Floats = npt.NDArray[np.float64]
Template = Literal["chat", "plain"]
NEUTRAL = ("N/A", "text", "?")  # inputs without content, for calibration
_PLACE = "the input stands here"


@dataclass(frozen=True)
class Prompted:
    """An instruction (with demonstrations, if any) cut where the input stands, and the label words."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    labels: tuple[tuple[int, ...], ...]


def prompted(
    model: LanguageModel,
    instruction: str,
    labels: Sequence[str],
    template: Template,
    demonstrations: Sequence[tuple[str, str]] = (),
) -> Prompted:
    """The forward prompt: instruction, demonstrations and input, then the place of the label.

    StageError where it leaves no room in the context.
    """
    lead = " " if template == "plain" else ""
    shown = "".join(f"Input: {x}\nOutput: {y}\n\n" for x, y in demonstrations)
    text = f"{instruction}\n\n{shown}Input: {_PLACE}"
    text = f"{text}\nOutput:" if template == "plain" else prompt_text(model, f"{text}\nOutput:", bare=True)
    before, _, after = text.partition(_PLACE)
    made = Prompted(
        encode(model, before.rstrip(" ")),
        encode(model, after),
        tuple(encode(model, lead + y) for y in labels),
    )
    if len(made.before) + len(made.after) >= model.context - 64:
        raise StageError(
            f"a prompt of {len(made.before)} tokens leaves no room in the context of {model.name} "
            f"({model.context}): shorten it or show fewer demonstrations"
        )
    return made


def likelihoods(model: LanguageModel, made: Prompted, inputs: Sequence[str], budget: int = 1024) -> Floats:
    """Mean log-probability of every label's tokens (N,labels)."""
    items = [Item((*encode(model, f" {text}"), *made.after), made.labels) for text in inputs]
    sums = score(model.net, items, budget, common=made.before)
    lengths = np.array([len(label) for label in made.labels], dtype=np.float64)
    found: Floats = np.stack(sums) / lengths
    return found


def bias(model: LanguageModel, made: Prompted) -> Floats:
    """Likelihoods (labels,) of inputs without content, which calibration takes out; no record is used.

    Source: Zhao et al., Calibrate before use (ICML 2021), by differences of logarithms.
    """
    found: Floats = likelihoods(model, made, NEUTRAL).mean(0)
    return found
