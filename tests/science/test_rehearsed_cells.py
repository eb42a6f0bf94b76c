"""A cell of each study is rehearsed: its stages run, and leave nothing but records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from retrace.config import Config
from retrace.rehearsal.cell import rehearse
from retrace.rehearsal.plan import HOME, plan_cell

ROOT = Path(__file__).parents[2]
# scale, cell, and what is taken of it, to be quick: parts, or all verbs but some
CELLS = {
    "reuse": ("laptop", "fashion-cnn", [], []),
    "membership": ("paper", "purchase100", ["selena", "srcm_relax"], []),
    "certification": ("paper", "fashion-certified", ["all methods"], []),
    "quantization": ("paper", "utkface-faces", ["everything"], []),
    "memory": ("paper", "cut", [], []),
    "safety": ("paper", "llama3-public", [], ["measure", "defend", "attack"]),
    "layernorm": ("gpu", "pre-gpt-neo-emotions", [], []),
}


@pytest.mark.parametrize("study", CELLS)
def test_a_cell_passes(study, tmp_path, monkeypatch):
    scale, cell, parts, left_out = CELLS[study]
    config = Config(scale=scale, device="cpu")
    found = plan_cell(config, study, cell, ROOT)
    size = "whole" if scale == "laptop" else "narrow"  # without an accelerator
    version = getattr(found, size)
    steps = [
        step for step in version.steps if step.part in ("", *parts) and step.task.stage.verb not in left_out
    ]
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)  # as jobs start: a language model's folder is named from there
    record = rehearse(replace(found, **{size: replace(version, steps=steps)}), config, tmp_path)
    assert (record.line, record.size) == ("", size)
    assert record.outcome == ("too big here" if study == "safety" else "passed")
    assert len(record.stages) == len(steps) >= 2
    assert all(stage.host_gb > 0 for stage in record.stages)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left
    assert {path.suffix for path in left if (tmp_path / HOME) in path.parents} <= {".json", ".npz"}
