"""What is said of papers that have no verdict of today's claims at the scale that was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrace.config import Config
from retrace.planning.workflow import Workflow
from retrace.upkeep.standing import elsewhere

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def flow(tmp_path):
    planned = Workflow.plan(Config(scale="smoke", studies=["reuse"]), ROOT)
    planned.root = tmp_path
    return planned


def leave(flow, path):
    (flow.root / path).parent.mkdir(parents=True, exist_ok=True)
    (flow.root / path).touch()


def test_nothing_is_said_where_there_is_nothing(flow):
    assert list(elsewhere(flow, [])) == []


def test_other_scales_are_named_by_their_flags(flow):
    for folder in ("", "smoke-pilot-2/", "laptop-3-seeds/"):
        leave(flow, f"results/{folder}verdicts/arm.json")
    (line,) = elsewhere(flow, ["arm"])
    assert line == (
        "arm: no verdicts at smoke, some at --scale laptop, --scale laptop --seeds 3, --scale smoke --pilot 2"
    )
    assert list(elsewhere(flow, ["resque"])) == []


def test_a_verdict_of_other_claims_is_not_passed_over(flow):
    leave(flow, "results/smoke/verdicts/arm.json")
    (line,) = elsewhere(flow, [])
    assert line.startswith("arm: the verdicts here are of other claims, sheets or code; snakemake ")
    assert "arm --config scale=smoke judges again" in line
    leave(flow, flow.judged["arm"].outputs[0])
    assert list(elsewhere(flow, [])) == []
