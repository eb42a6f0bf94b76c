"""What tasks of a plan are expected to take."""

from pathlib import Path

import pytest

from retrace.config import load_config
from retrace.planning.expected import Expected
from retrace.planning.known import Known
from retrace.planning.plan import plan_study
from retrace.sheet import counts_of, load_study

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("study", "verb"), [("membership", "defend"), ("certification", "measure")])
def test_the_parts_of_a_split_cell_take_together_what_the_cell_does(tmp_path, study, verb):
    config = load_config({"scale": "gpu", "device": "cuda"})
    plan = plan_study(load_study(study), config, ROOT, Known(ROOT))
    estimates = Expected(tmp_path, config, {study: plan}).estimates
    cells = {row.cell: row.params for row in plan.rows}
    for cell, params in cells.items():
        parts = {row.tasks[verb].key: estimates[row.tasks[verb].key] for row in plan.rows if row.cell == cell}
        seeds = len({row.seed for row in plan.rows if row.cell == cell})
        rate = next(iter(parts.values())).rate
        whole = seeds * rate.time(counts_of(study)(verb, params, "cuda").amounts)
        # parts that stand alone do again what methods of one stage share
        assert whole * 0.99 <= sum(part.most for part in parts.values()) <= 2 * whole
