"""What a voter reads: a framing that all share, a group's own examples, and the opening of an answer.

The words are ours; the parts are those of DP-OPT and of DLN-1, from which it takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from retrace.llm.chat import encode, prompt_text
from retrace.llm.load import LanguageModel
from retrace.stage import StageError

HINTS = (
    "Say briefly and clearly what to do.",
    "Add hints that would have avoided the mistakes.",
    "Make it shorter.",
    "Describe the task in more detail.",
)
Kind = Literal["improve", "infer"]
_PLACE = "the examples stand here"


@dataclass(frozen=True)
class Example:
    """An input, its right label, and the label that the model gave it."""

    text: str
    label: str
    given: str


@dataclass(frozen=True)
class Frame:
    """Tokens before a group's examples, the same for all groups, and those after them."""

    shared: tuple[int, ...]
    closing: tuple[int, ...]


def frame(model: LanguageModel, kind: Kind, instruction: str, labels: Sequence[str], hint: str) -> Frame:
    """The chat prompt that asks for an instruction, cut where a group's examples stand.

    "improve" shows `instruction` and asks for a better one (DLN-1, DP-OPT); "infer" shows none and asks which
    instruction the labels follow (APE). Errors: StageError where the model has no chat template.
    """
    if not model.tokenizer.chat_template:
        raise StageError(
            f"language model {model.name}: its tokenizer has no chat template; take a chat model"
        )
    if kind == "improve":
        asked = (
            f"A model sorted texts by this instruction and made mistakes.\nInstruction: {instruction}\n"
            f"Labels: {', '.join(labels)}\n{_PLACE}\n\nWrite a better instruction in one sentence. {hint}"
        )
        cue = "Better instruction:"
    else:
        asked = (
            f"I sorted texts by an instruction. Labels: {', '.join(labels)}\n{_PLACE}\n\n"
            f"Which instruction did I follow? Answer in one sentence. {hint}"
        )
        cue = "Instruction:"
    before, _, after = prompt_text(model, asked, bare=True).partition(_PLACE)
    return Frame(encode(model, before), encode(model, after + cue))


def examples_text(examples: Sequence[Example]) -> str:
    """A group's examples: those that went well, then those that did not; one line each."""
    good = [f"{e.text} = {e.label}" for e in examples if e.label == e.given]
    bad = [f"{e.text} = {e.label}, not {e.given}" for e in examples if e.label != e.given]
    parts = [f"{title}:\n" + "\n".join(lines) for title, lines in (("Right", good), ("Wrong", bad)) if lines]
    return "\n".join(parts)


def tail(model: LanguageModel, made: Frame, examples: Sequence[Example], longest: int) -> tuple[int, ...]:
    """A group's own tokens: its examples and the opening of the answer.

    StageError when they and `longest` tokens of a prompt do not fit the context.
    """
    own = (*encode(model, examples_text(examples)), *made.closing)
    length = len(made.shared) + len(own) + longest
    if length > model.context:
        raise StageError(
            f"a voter's prompt of {length} tokens exceeds the context of {model.name} ({model.context}): "
            "make groups smaller or leave out long records"
        )
    return own
