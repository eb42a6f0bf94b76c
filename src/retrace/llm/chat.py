"""Chat text as tokens: the model's own template, the same in training and in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.stage import StageError

_CUT = "x"  # any system message: it is cut off again


def prompt_ids(
    model: LanguageModel, text: str, system: str | None = None, bare: bool = False
) -> tuple[int, ...]:
    """Tokens of one user turn and of the opening of the answer.

    `system` is a system message; None leaves the template's own default. `bare` cuts the system message off
    altogether, which shortens SmolLM2's prompts by 22 tokens.
    Errors: StageError when the tokenizer has no chat template, the template allows no bare prompt, or the
    prompt is longer than the context.
    """
    if not model.tokenizer.chat_template:
        raise StageError(
            f"language model {model.name}: its tokenizer has no chat template; take a chat model"
        )
    user = {"role": "user", "content": text}
    rendered = _render(
        model, [*([{"role": "system", "content": system}] if system is not None else []), user]
    )
    if bare:
        opening = _render(model, [{"role": "system", "content": _CUT}], False)
        rendered = _render(model, [{"role": "system", "content": _CUT}, user])
        if not rendered.startswith(opening):
            raise StageError(
                f"language model {model.name}: its chat template has no separable system message"
            )
        rendered = rendered[len(opening) :]
    ids = encode(model, rendered)
    if len(ids) >= model.context:
        raise StageError(
            f"a prompt of {len(ids)} tokens exceeds the context of {model.name} ({model.context}): shorten it"
        )
    return ids


def _render(model: LanguageModel, messages: Sequence[dict[str, str]], opening: bool = True) -> str:
    text: Any = model.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=opening)
    return str(text)


def encode(model: LanguageModel, text: str) -> tuple[int, ...]:
    """Tokens of a text, without markers of our own."""
    return tuple(model.tokenizer(text, add_special_tokens=False)["input_ids"])


def answered(model: LanguageModel, prompt: Sequence[int], answer: str, limit: int | None = None) -> Row:
    """Prompt, then the answer's first `limit` tokens; the end marker closes an answer that was not cut.

    Errors: StageError when the row is longer than the context.
    """
    tokens = encode(model, answer)
    cut = limit is not None and len(tokens) > limit
    tokens = tokens[:limit] if cut else (*tokens, int(model.tokenizer.eos_token_id))
    if len(prompt) + len(tokens) > model.context:
        raise StageError(
            f"a row of {len(prompt) + len(tokens)} tokens exceeds the context of {model.name} "
            f"({model.context}): shorten it"
        )
    return Row((*prompt, *tokens), len(prompt))
