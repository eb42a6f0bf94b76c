"""docs/claims.md: its examples come out as it says, and its tables hold every word of the models."""

import re
from pathlib import Path
from typing import get_args

import pytest

from retrace.claims.load import parse_claims
from retrace.claims.model import PaperClaims, Statement
from retrace.claims.query import Randomness
from retrace.claims.statistics import STATISTICS
from retrace.errors import RetraceError
from retrace.reference import language

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/claims.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_come_out_as_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("claims").mkdir()
    (example,) = [body for kind, body in BLOCKS if kind == "yaml"]
    Path("claims/mine.yaml").write_text(example, encoding="utf-8")
    space: dict = {}
    for kind, body in BLOCKS:
        if kind == "python":
            exec(body, space)  # the page is ours
    (printed,) = [body for kind, body in BLOCKS if not kind]
    assert capsys.readouterr().out == printed


def test_the_example_has_a_claim_of_every_kind():
    import yaml

    (example,) = [body for kind, body in BLOCKS if kind == "yaml"]
    kinds = {claim.kind for claim in parse_claims(yaml.safe_load(example), "x").claims}
    assert kinds == set(language.KINDS)


def test_the_reference_names_every_key_and_follows_the_models(monkeypatch):
    made = "\n".join(language.lines())
    assert made in PAGE
    schema = PaperClaims.model_json_schema()
    for body in [schema, *schema["$defs"].values()]:
        assert all(f"| `{name}` |" in made for name in body["properties"]), body["title"]
    monkeypatch.delitem(language.KINDS, "trend")
    with pytest.raises(RetraceError, match=r"the models differ on \['trend'\]"):
        list(language.lines())


def test_a_key_that_nothing_explains_is_refused(monkeypatch):
    monkeypatch.delitem(language.MEANING, ("Claim", "scope"))
    with pytest.raises(RetraceError, match="what scope of a claim means"):
        list(language.lines())


def test_every_word_of_a_choice_is_there():
    fields = [Statement.model_fields[name].annotation for name in ("kind", "scope")]
    words = {*STATISTICS, *get_args(Randomness), *(word for field in fields for word in get_args(field))}
    assert {word for word in words if not re.search(rf"\b{re.escape(word)}\b", PAGE)} == set()
