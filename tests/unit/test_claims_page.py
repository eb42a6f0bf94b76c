"""docs/claims.md says all that a claims file may hold, and its example is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from retrace.claims import model
from retrace.claims.expect import Expect
from retrace.claims.load import load_claims, parse_claims
from retrace.claims.model import Claim, PaperClaims, Published, Statement
from retrace.claims.query import Evidence, Randomness
from retrace.claims.statistics import STATISTICS

PAGE = (Path(__file__).resolve().parents[2] / "docs/claims.md").read_text()
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)


def test_the_example_is_a_claims_file(tmp_path):
    path = tmp_path / "claims/ripples-paper.yaml"
    path.parent.mkdir()
    path.write_text(EXAMPLE)
    claims = load_claims(path)
    assert claims == parse_claims(yaml.safe_load(EXAMPLE), "page")
    assert [bool(claim.testable) for claim in claims.claims] == [False, False, True]


@pytest.mark.parametrize("kind", [PaperClaims, Claim, Evidence, Expect, Published, model.Testable])
def test_every_field_is_explained(kind):
    names = set(re.findall(r"`([a-z_]+)[`:]|^ *(?:- )?([a-z_]+):|\{([a-z_]+):", PAGE, re.M))
    known = {name for pair in names for name in pair if name}
    assert set(kind.model_fields) <= known | {"value", "label"}


def test_every_word_of_a_choice_is_explained():
    words = {
        *STATISTICS,
        *get_args(Randomness),
        *(w for field in ("kind", "scope") for w in get_args(Statement.model_fields[field].annotation)),
    }
    missing = {word for word in words if f"`{word}`" not in PAGE}
    assert missing == set()
