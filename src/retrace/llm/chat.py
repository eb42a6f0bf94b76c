"""Chat text as tokens: the model's own template, the same in training and in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2.exceptions import TemplateError

from retrace.llm.load import LanguageModel
from retrace.llm.rows import Row
from retrace.stage import StageError

_ANY = "any system message"  # stands where a template puts one; no text that is used holds it


def prompt_ids(
    model: LanguageModel, text: str, system: str | None = None, bare: bool = False
) -> tuple[int, ...]:
    """Tokens of one user turn and of the opening of the answer.

    `system` is a system message; None leaves the template's own default. `bare` cuts such a default off,
    which shortens SmolLM2's prompts by 22 tokens; where a template has none, the prompt is the user's turn.
    Errors: StageError when the tokenizer has no chat template, the template refuses the messages, or the
    prompt is longer than the context.
    """
    if not model.tokenizer.chat_template:
        raise StageError(
            f"language model {model.name}: its tokenizer has no chat template; take a chat model"
        )
    ids = encode(model, prompt_text(model, text, system, bare))
    if len(ids) >= model.context:
        raise StageError(
            f"a prompt of {len(ids)} tokens exceeds the context of {model.name} ({model.context}): shorten it"
        )
    return ids


def prompt_text(model: LanguageModel, text: str, system: str | None = None, bare: bool = False) -> str:
    """The prompt of `prompt_ids` as text, markers included."""
    user = {"role": "user", "content": text}
    before = [] if system is None else [{"role": "system", "content": system}]
    try:
        rendered = _render(model, [*before, user])
    except TemplateError as error:
        raise StageError(f"language model {model.name}: its chat template refuses this: {error}") from None
    return _without_default(model, user, rendered) if bare and system is None else rendered


def _without_default(model: LanguageModel, user: dict[str, str], rendered: str) -> str:
    """A rendered user's turn without the system message that the template puts before it, if it does.

    What follows a system message of ours must also end the turn rendered alone; what stands before it there
    is the start of text, which stays, and the template's own system message.
    """
    ours = {"role": "system", "content": _ANY}
    try:
        opening, whole = _render(model, [ours], False), _render(model, [ours, user])
    except TemplateError:  # the template takes no system message
        return rendered
    rest = whole.removeprefix(opening)
    if _ANY not in opening or rest == whole or not rendered.endswith(rest):  # no message of its own to cut
        return rendered
    start = model.tokenizer.bos_token or ""
    lost = rendered.startswith(start) and not rest.startswith(start)
    return start + rest if lost else rest


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
