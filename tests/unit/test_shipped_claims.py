"""The claims of shipped papers on tables that are known, and the verdicts in words and rows."""

from pathlib import Path

import numpy as np
import pytest
import synthetic_records as synthetic
from claim_tables import GOOD, INDICES, study_table

from retrace.claims.judge import judge
from retrace.claims.load import load_claims
from retrace.claims.table import CSV_COLUMNS, csv_rows, verdict_table
from retrace.tabled import ESTIMATED

CLAIMS = Path(__file__).parents[2] / "claims"
PAPERS = {name: load_claims(CLAIMS / f"{name}.yaml") for name in ("arm", "preindex", "resque")}


@pytest.fixture(scope="module")
def table():
    return study_table()


@pytest.fixture(scope="module")
def verdicts():
    table = study_table(seeds=8, noise=0.01)
    return [
        synthetic.paper(name, judge(paper.claims, table), title=paper.title) for name, paper in PAPERS.items()
    ]


def test_shipped_claims_hold_where_they_should(verdicts):
    for paper in verdicts:
        for record in paper.claims:
            if record.id.startswith("ranks-intensity"):  # any rising function of the intensity does as well
                assert record.verdict == "not-specific", (record.id, record.reason)
            else:
                assert record.verdict in ("supported", "not-measurable"), (record.id, record.reason)


@pytest.mark.parametrize("paper", PAPERS)
def test_shipped_claims_fall_with_shuffled_columns(paper, table):
    shuffled = table.copy()
    rng = np.random.default_rng(1)
    for name in INDICES:
        for rows in shuffled.groupby("seed").indices.values():
            shuffled.loc[rows, name] = rng.permutation(shuffled.loc[rows, name].to_numpy())
    for record in judge(PAPERS[paper].claims, shuffled):
        if record.id != "same-task-costs-less":  # about costs, which were left alone
            assert record.verdict not in ("supported", "not-specific"), record.id


def test_text_table_fits_and_names_every_claim_and_reason(verdicts, table):
    estimated = synthetic.paper(
        "arm", judge(PAPERS["arm"].claims[:2], table, "seeds", dict.fromkeys(GOOD, ESTIMATED))
    )
    text = verdict_table([*verdicts, estimated])
    assert max(map(len, text.splitlines())) <= 110
    assert all(record.id in text for paper in verdicts for record in paper.claims)
    assert "no hardware counter; as it is" in " ".join(text.split())
    assert text.isascii()
    assert verdict_table([]) == "no verdicts yet"


def test_csv_rows_are_flat(verdicts):
    rows = csv_rows(verdicts)
    assert len(rows) == sum(len(p.claims) for p in PAPERS.values())
    assert all(tuple(row) == CSV_COLUMNS for row in rows)
    assert not any(isinstance(value, dict | list) for row in rows for value in row.values())
