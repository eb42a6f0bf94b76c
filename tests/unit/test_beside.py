"""Verdicts of two machines side by side."""

import numpy as np
import pytest
import synthetic_records as synthetic
from claim_tables import study_table
from test_judge import claim

from retrace.claims.judge import judge
from retrace.claims.sealed import write_verdict
from retrace.errors import RetraceError
from retrace.upkeep.beside import paired, told

CLAIMS = [claim(id="a"), claim(id="b", evidence={"of": ["arm", "epochs"]})]


def verdicts(folder, table):
    folder.mkdir()
    write_verdict(folder / "alpha.json", synthetic.paper("alpha", judge(CLAIMS, table)))
    return folder


def test_the_same_evidence_does_not_move(tmp_path):
    table = study_table(seeds=6, noise=0.02)
    here, there = verdicts(tmp_path / "here", table), verdicts(tmp_path / "there", table)
    assert told(paired(here, there)).startswith("0 of 2 verdicts differ\nvalues moved by 0 (median; most 0)")


def test_seeds_that_are_other_seeds_move_by_what_seeds_move(tmp_path):
    moved = []
    for draw in range(12):
        tables = [study_table(seeds=6, noise=0.03), study_table(seeds=6, noise=0.03)]
        for place, table in enumerate(tables):
            noise = np.random.default_rng((draw, place)).normal(size=(2, len(table)))
            table["preindex"] += 0.03 * noise[0]
            table["arm"] += 0.03 * noise[1]
        here, there = (verdicts(tmp_path / f"{draw}-{place}", t) for place, t in enumerate(tables))
        moved += [pair.moved for pair in paired(here, there)]
    assert 0.3 < np.median(moved) < 1.3


def test_a_verdict_that_differs_is_named(tmp_path):
    table = study_table(seeds=6, noise=0.01)
    here = verdicts(tmp_path / "here", table)
    there = verdicts(tmp_path / "there", table.assign(arm=-table["arm"]))
    assert "alpha b: supported here, refuted there\n1 of 2 verdicts differ" in told(paired(here, there))


def test_other_seeds_or_no_verdicts_are_one_line(tmp_path):
    here = verdicts(tmp_path / "here", study_table(seeds=6, noise=0.02))
    there = verdicts(tmp_path / "there", study_table(seeds=4, noise=0.02))
    with pytest.raises(
        RetraceError, match="claim 'a' rests on 4 seeds there and 6 here; run both with the same"
    ):
        paired(here, there)
    with pytest.raises(RetraceError, match="nothing to compare"):
        paired(here, tmp_path / "nowhere")
