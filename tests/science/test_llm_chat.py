"""Bare prompts under the published chat templates: byte for byte what the families document.

The templates are those of the models' own tokenizer files, as far as they concern text without tools.
"""

import pytest

from retrace.config import SCALES
from retrace.llm import chat, names, tiny
from retrace.llm.load import LanguageModel
from retrace.recipe import SOURCE
from retrace.rehearsal.models import tokenizer
from retrace.rehearsal.templates import FAMILIES, LLAMA_2, LLAMA_3, MISTRAL_OLD
from retrace.sheet import load_cells, load_study
from retrace.stage import StageError

# as later members of the family: a system turn of the template's own, whoever sends one or not
LLAMA_DATED = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set given = messages[0]['content'] | trim %}"
    "{% set messages = messages[1:] %}{% else %}{% set given = '' %}{% endif %}"
    "{{ '<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n\n' }}"
    "{{ given + '<|eot_id|>' }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] +"
    " '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
MISTRAL_NEW = (
    '{%- if messages[0]["role"] == "system" %}\n    {%- set system_message = messages[0]["content"] %}\n'
    "    {%- set loop_messages = messages[1:] %}\n{%- else %}\n    {%- set loop_messages = messages %}\n"
    "{%- endif %}\n\n{{- bos_token }}\n{%- for message in loop_messages %}\n"
    '    {%- if message["role"] == "user" %}\n'
    "        {%- if loop.first and system_message is defined %}\n"
    '            {{- " [INST] " + system_message + "\\n\\n" + message["content"] + " [/INST]" }}\n'
    '        {%- else %}\n            {{- " [INST] " + message["content"] + " [/INST]" }}\n'
    '        {%- endif %}\n    {%- elif message["role"] == "assistant" %}\n'
    '        {{- " " + message["content"] + eos_token}}\n    {%- endif %}\n{%- endfor %}\n'
)
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] +"
    " '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
S, HEADERS = FAMILIES["llama-2"][1], FAMILIES["llama-3"][1]
IM = ("<|im_start|>", "<|im_end|>")
ASK = "How do I fix a bike?"
_USER = f"<|start_header_id|>user<|end_header_id|>\n\n{ASK}<|eot_id|>"
_ANSWER = "<|start_header_id|>assistant<|end_header_id|>\n\n"
CASES = {
    "llama-2": (LLAMA_2, S, f"<s>[INST] {ASK} [/INST]"),
    "llama-3": (LLAMA_3, HEADERS, f"<|begin_of_text|>{_USER}{_ANSWER}"),
    "llama dated": (LLAMA_DATED, HEADERS, f"<|begin_of_text|>{_USER}{_ANSWER}"),
    "mistral old": (MISTRAL_OLD, S, f"<s>[INST] {ASK} [/INST]"),
    "mistral new": (MISTRAL_NEW, S, f"<s> [INST] {ASK} [/INST]"),
    "smollm2": (SMOLLM2, IM, f"<|im_start|>user\n{ASK}<|im_end|>\n<|im_start|>assistant\n"),
    "chatml": (tiny.CHATML, IM, f"<|im_start|>user\n{ASK}<|im_end|>\n<|im_start|>assistant\n"),
}


def model(family):
    """A model of bytes and the family's markers, with its template; the network plays no part."""
    template, markers, _ = CASES[family]
    return LanguageModel(family, tiny.network(0), tokenizer(template, markers), "")


@pytest.mark.parametrize("family", CASES)
def test_a_bare_prompt_is_the_users_turn_as_the_family_documents_it(family):
    chosen, expected = model(family), CASES[family][2]
    assert chat.prompt_text(chosen, ASK, bare=True).encode() == expected.encode()
    ids = chat.prompt_ids(chosen, ASK, bare=True)
    assert chosen.tokenizer.decode(ids) == expected
    markers = sum(expected.count(marker) for marker in CASES[family][1])
    assert sum(number >= 256 for number in ids) == markers  # each marker is one token, all else are bytes
    assert ids[0] == chosen.tokenizer.bos_token_id
    assert ids.count(ids[0]) == expected.count(CASES[family][1][0])


@pytest.mark.parametrize("family", CASES)
def test_only_a_default_system_message_is_cut(family):
    chosen = model(family)
    whole, bare = (chat.prompt_text(chosen, ASK, bare=bare) for bare in (False, True))
    assert (whole != bare) == (family in ("smollm2", "llama dated"))
    assert chat.prompt_text(chosen, chat._ANY, bare=True).count(chat._ANY) == 1


def test_a_system_message_of_ones_own_stays_and_may_be_refused():
    for family in ("llama-2", "llama-3", "mistral new", "smollm2"):
        for bare in (False, True):
            assert "be kind" in chat.prompt_text(model(family), ASK, "be kind", bare)
    with pytest.raises(StageError, match="mistral old: its chat template refuses this: Conversation roles"):
        chat.prompt_ids(model("mistral old"), ASK, system="be kind")


FAMILY = {
    "tiny": "chatml",
    "smollm2-135m-instruct": "smollm2",
    "llama-2-7b-chat": "llama-2",
    "llama-2-13b-chat": "llama-2",
    "llama-3-8b-instruct": "llama-3",
    "mistral-7b-instruct-v0.2": "mistral old",
}


def test_every_model_that_a_sheet_names_has_its_family_s_template_here():
    asked = {
        cell.params["model"]
        for study in ("safety", "prompts")  # whose prompts are chats; what only reads them gets no template
        for scale in SCALES
        for cell in load_cells(load_study(study), scale, SOURCE.parent)
    }
    assert len(asked) > 3
    assert asked <= set(FAMILY)
    chat_models = {name for name, found in names.MODELS.items() if found.note != "judge only"}
    assert set(FAMILY) == chat_models
    assert set(FAMILY.values()) <= set(CASES)
