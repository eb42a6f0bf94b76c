"""Claims that speak of cells that no sheet has are refused when they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrace.claims.load import load_claims, parse_claims
from retrace.errors import RetraceError
from retrace.planning.named import check_cells
from retrace.sheet import called_cells, load_study

ROOT = Path(__file__).resolve().parents[2]
ARM = load_claims(ROOT / "claims" / "arm.yaml")
SETTLED = {"id": "one", "says": "a", "where": "b", "kind": "order", "expect": {"above": 0}}
EVIDENCE = {"study": "reuse", "statistic": "mean", "of": ["arm"], "versus": {"where": {"condition": "x"}}}


def everywhere():
    return called_cells(load_study("reuse"), ROOT)


def checked(here=frozenset(), **changes):
    claim = {**SETTLED, "evidence": EVIDENCE, "control": {"label": "c", "of": "pixel_rmse"}, **changes}
    claims = parse_claims({"paper": "arm", "title": "t", "claims": [claim]}, "claims/arm.yaml")
    check_cells("reuse", set(here), everywhere, claims)


def test_a_cell_of_another_scale_is_known():
    check_cells("reuse", set(), everywhere, ARM)


@pytest.mark.parametrize(
    ("changes", "place", "hint"),
    [
        ({"evidence": {**EVIDENCE, "cells": ["digits-shfit"]}}, "evidence.cells", "digits-shift"),
        ({"evidence": {**EVIDENCE, "cells": ["*", "moon-*"]}}, "evidence.cells", ""),
        ({"evidence": {**EVIDENCE, "where": {"cell": ["digits-shift", "digit"]}}}, "evidence.where", "digit"),
        ({"evidence": {**EVIDENCE, "versus": {"where": {"cell": "x"}}}}, "evidence.versus.where", "known:"),
        ({"control": {"label": "c", "where": {"cell": "digits-shfit"}}}, "control.where", "digits-shift"),
        ({"baselines": [{"label": "c", "where": {"cell": "digits-shfit"}}]}, "baselines.where", "digits-"),
    ],
)
def test_a_cell_that_no_sheet_has_is_one_line(changes, place, hint):
    with pytest.raises(RetraceError) as error:
        checked(**changes)
    line = str(error.value)
    assert line.startswith(f"claims/arm.yaml: claim 'one': {place}: no cell ")
    assert "config/studies/reuse.yaml" in line
    assert hint in line
    assert "\n" not in line


def test_other_scales_are_not_read_for_claims_that_this_one_fits(monkeypatch):
    monkeypatch.setitem(globals(), "everywhere", lambda: pytest.fail("read"))
    checked(here={"digits-shift"}, evidence={**EVIDENCE, "cells": ["digits-*"]})
