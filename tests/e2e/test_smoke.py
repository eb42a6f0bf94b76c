"""The main job on real data, end to end."""

from __future__ import annotations

import csv
import json
import re

import pytest
import yaml
from conftest import SMOKE, clean_clone

pytestmark = pytest.mark.slow


def claims(clone):
    return {
        (path.stem, claim["id"])
        for path in clone.files("claims/*.yaml")
        for claim in yaml.safe_load(path.read_text())["claims"]
    }


def test_brings_its_own_data(smoke):
    clone, said = smoke
    assert "data files (data.dvc)" in said
    assert clone.files("data/raw/*.npz")


def test_ends_with_the_verdict_of_every_claim(smoke):
    clone, said = smoke
    assert re.search(r"\[ *\d+/\d+ +\d+%\] reuse train digits-cnn s0", said)
    for _, claim in claims(clone):
        assert claim in said
    rows = list(csv.DictReader((clone.root / "results/smoke/verdicts.csv").open()))
    assert {(row["paper"], row["id"]) for row in rows} == claims(clone)
    assert all(row["verdict"] and row["scope"] for row in rows)


def test_report_opens_offline_and_holds_every_claim(smoke):
    clone, _ = smoke
    page = (clone.root / "results/smoke/report.html").read_text()
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    for _, claim in claims(clone):
        assert claim in page
    # each figure but the claim strips, which the page draws itself, and each paper's first one small
    drawn = [path for path in clone.files("results/smoke/figures/*/*.png") if path.stem != "claims"]
    assert page.count("data:image/webp;base64,") == len(drawn) + len({path.parent for path in drawn})


def test_leaves_figures_that_are_whole(smoke):
    clone, _ = smoke
    figures = clone.files("results/smoke/figures/*/*.svg")
    assert len(figures) >= 9
    assert all(path.read_bytes().rstrip().endswith(b"</svg>") for path in figures)


def test_every_stage_was_metered(smoke):
    clone, _ = smoke
    for path in clone.files("evidence/**/*.json"):
        meter = json.loads(path.read_bytes())["meter"]
        assert meter["cpu_seconds"] > 0
        assert meter["kwh"] > 0
        assert meter["method"] in ("nvml", "rapl", "cpu_load", "constant")
        assert meter["kg_co2e"] == pytest.approx(meter["kwh"] * meter["factor_kg_per_kwh"])


def test_a_second_run_does_nothing(smoke):
    clone, _ = smoke
    done = clone.snakemake("all", config=SMOKE)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_published_evidence_serves_a_fresh_clone(smoke, tmp_path):
    clone, _ = smoke
    assert clone.call("retrace", "publish").returncode == 0
    clone.git("add", "-A")
    clone.git("commit", "-qm", "evidence")
    fresh = clean_clone_of(clone, tmp_path / "fresh")
    pulled = fresh.call("dvc", "pull", "-q")
    assert pulled.returncode == 0, pulled.stderr
    done = fresh.snakemake("all", config=SMOKE)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert not re.search(r"\] reuse (prepare|train|defend|attack|measure)", said)
    assert fresh.files("evidence/**/*.json")
    old, new = (
        [row | {"kwh": ""} for row in csv.DictReader((c.root / "results/smoke/verdicts.csv").open())]
        for c in (clone, fresh)
    )
    assert old == new


def clean_clone_of(clone, root):
    clone.call("git", "clone", "-q", str(clone.root), str(root))
    return type(clone)(root)


def test_clean_clone_has_no_data(tmp_path):
    assert not clean_clone(tmp_path / "clone").files("data/raw/*")
