"""What a user gets for input that cannot work: one line that names the place and the remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import SMOKE
from dag_clone import Clone

pytestmark = pytest.mark.slow
SHEET = "config/studies/reuse.yaml"


@pytest.fixture
def clone(smoke, tmp_path):
    done, _ = smoke
    return done.copy(tmp_path / "clone")


@pytest.fixture
def finished(smoke, tmp_path):
    """A clone with all that the run left: only what a change reaches runs again."""
    done, _ = smoke
    return done.copy(tmp_path / "finished", "evidence", "results")


def said(clone: Clone, *words: str, config: tuple[str, ...] = SMOKE) -> str:
    """The project's own line of a run that must fail."""
    done = clone.snakemake(*words, config=config)
    assert done.returncode != 0
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "retrace: " in line]
    assert lines, done.stdout + done.stderr
    return lines[-1]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"gauss:0.1",', '"gaus:0.1",', "unknown corruption 'gaus' (did you mean 'gauss'?)"),
        ('"gauss:0.1",', '"gauss:7",', "must be a number from 0 to 1"),
        (
            "{network: vgg-s, conditions: *few}",
            "{network: vgg-x, conditions: *few}",
            "(did you mean 'vgg-s'?)",
        ),
        ("dataset: digits, reserve", "dataset: digit, reserve", "(did you mean 'digits'?)"),
        (
            "dataset: digits, reserve",
            "dataset: digits, reserv",
            "unknown key 'reserv' (did you mean 'reserve'?)",
        ),
    ],
)
def test_a_wrong_sheet_is_refused_before_any_job(clone, old, new, line):
    path = clone.root / SHEET
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    message = said(clone, "-n", "all")
    assert SHEET in message
    assert line in message
    assert not clone.logs()


@pytest.mark.parametrize(
    ("words", "config", "line"),
    [
        (("al",), SMOKE, "unknown target 'al' (did you mean 'all'?)"),
        (("preindx",), SMOKE, "unknown target 'preindx' (did you mean 'preindex'?)"),
        (("all",), ("scale=smoke", "studies=[reus]"), "unknown study 'reus' (did you mean 'reuse'?)"),
        (("all",), ("scale=smok",), "(did you mean 'smoke'?)"),
        (("all",), ("scael=smoke",), "unknown key 'scael' (did you mean 'scale'?)"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_one(clone, words, config, line):
    assert line in said(clone, "-n", *words, config=config)


def test_a_changed_data_file_is_refused(clone):
    path = clone.root / "data/raw/digits.npz"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    message = said(clone, "-n", "all")
    assert "data/raw/digits.npz: checksum differs" in message
    assert "retrace restore data/raw/digits.npz" in message


def test_a_loss_that_is_not_finite_names_cell_and_seed(finished):
    pattern = "evidence/reuse/*/*/train-*.json"
    before = finished.files(pattern)
    finished.edit(SHEET, "  learning_rate: 0.001\n", "  learning_rate: 1.0e+30\n")
    message = said(finished, "reuse_train")
    assert "reuse train digits-" in message
    assert "loss" in message
    assert before
    assert finished.files(pattern) == before


def test_a_target_that_cannot_be_met_is_censored(finished):
    pattern = "evidence/reuse/digits-vgg/s0/defend-*.json"
    (before,) = finished.files(pattern)
    finished.edit(
        SHEET,
        "below_clean: 0.05, eval_every: 2, max_epochs: 10}",
        "target: 1.0, eval_every: 2, max_epochs: 0.2}",
    )
    done = finished.snakemake("reuse_defend", config=SMOKE)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = set(finished.files(pattern)) - {before}
    conditions = json.loads(path.read_bytes())["results"]["conditions"]
    assert all(condition["censored"] for condition in conditions)
    assert all(condition["costs"]["epochs"] <= 0.25 for condition in conditions)


@pytest.mark.skipif(any(Path("/dev").glob("nvidia[0-9]*")), reason="this machine has an accelerator")
def test_a_scale_this_machine_cannot_run_says_so_before_any_job(clone):
    message = said(clone, "all", config=("scale=gpu",))
    assert "scale gpu needs" in message
    assert not clone.logs()
