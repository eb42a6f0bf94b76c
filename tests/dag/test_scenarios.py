"""What pulling evidence means: exactly what a change reaches runs again, and nothing stale gets through.

Every scenario starts from a fresh clone that holds only pulled evidence; its verdict is compared with
one computed from scratch from the same code, sheet and data.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter

import numpy as np
import pytest
from dag_clone import STAGES, shuffle_times

STUDY = "src/retrace/studies/dummy"
SHEET = "config/studies/dummy.yaml"
slow = pytest.mark.slow


def judged(clone):
    """Run to the verdict; the stage jobs that ran. The verdict itself is made again in a fresh clone."""
    jobs = clone.run("dummy_judge")
    assert jobs.pop("judge") == 1
    return jobs


def nothing(clone):
    pass


def other_times(clone):
    shuffle_times(clone.root, seed=7)


def comment_in_train(clone):
    clone.edit(f"{STUDY}/train.py", "    pause()\n", "    # a remark\n    pause()  # and another\n\n")


def words_and_layout_of_helper(clone):
    clone.edit(f"{STUDY}/linear.py", '"""Weights (features, classes) of', '"""Other words for')
    clone.edit(f"{STUDY}/linear.py", "x.T @ x + ridge", "(\n        x.T)@x +ridge")


def unrelated_module(clone):
    path = clone.root / "src/retrace/nets/small.py"
    path.write_text(path.read_text() + "\n\ndef unused() -> int:\n    return 1\n")


HARMLESS = [nothing, comment_in_train, words_and_layout_of_helper, unrelated_module, other_times]


def check_no_stage_runs(clone, finished):
    assert judged(clone) == Counter()
    assert clone.verdict() == finished.verdict()
    assert clone.results() == finished.results()


def test_all_harmless_changes_together_run_no_stage(pulled, finished):
    for change in HARMLESS:
        change(pulled)
    check_no_stage_runs(pulled, finished)


@slow
@pytest.mark.parametrize("change", HARMLESS)
def test_a_harmless_change_runs_no_stage(pulled, finished, change):
    change(pulled)
    check_no_stage_runs(pulled, finished)


def attack_code(clone):
    clone.edit(f"{STUDY}/attack.py", "rng.normal(0, noise,", "rng.normal(0, 2 * noise,")


def helper_of_train(clone):
    clone.edit(f"{STUDY}/linear.py", "SCALE = 255.0", "SCALE = 200.0")


def one_cell_s_parameter(clone):
    change_sheet(clone, "ridge: 10.0", "ridge: 12.5")


def parameter_of_the_last_stage(clone):
    change_sheet(clone, "ridge: 10.0", "ridge: 10.0, top: 2")


def one_more_seed(clone):
    change_sheet(clone, "seeds: [0, 1]", "seeds: [0, 1, 5]")


def change_sheet(clone, old, new):
    """Replace the first place, which is the smoke scale's."""
    path = clone.root / SHEET
    path.write_text(path.read_text().replace(old, new, 1))


def data_with_new_time(clone):
    """Turn the images' brightness round and record the new file in the catalogue."""
    path, catalogue = clone.root / "data/raw/digits.npz", clone.root / "data/catalogue.csv"
    with np.load(path) as stored:
        x, y = stored["x"], stored["y"]
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    np.savez_compressed(path, x=255 - x, y=y)
    catalogue.write_text(catalogue.read_text().replace(old, hashlib.sha256(path.read_bytes()).hexdigest()))


def data_with_old_time(clone):
    data_with_new_time(clone)
    for path in (clone.root / "data").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))


@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        # pulled evidence brings no weights, so a new attack has them made again
        pytest.param(attack_code, {"train": 4, "attack": 4, "measure": 4}, marks=slow),
        pytest.param(helper_of_train, {"train": 4, "defend": 4, "attack": 4, "measure": 4}, marks=slow),
        pytest.param(one_cell_s_parameter, {"train": 2, "defend": 2, "attack": 2, "measure": 2}),
        pytest.param(parameter_of_the_last_stage, {"measure": 2}, marks=slow),
        pytest.param(one_more_seed, {"train": 2, "defend": 2, "attack": 2, "measure": 2}, marks=slow),
        pytest.param(data_with_new_time, STAGES, marks=slow),
        pytest.param(data_with_old_time, STAGES, marks=slow),
    ],
)
def test_exactly_what_a_change_reaches_runs_again(pulled, finished, tmp_path, change, jobs):
    change(pulled)
    assert judged(pulled) == Counter(jobs)
    assert pulled.verdict() == pulled.from_scratch(tmp_path / "scratch")
    assert pulled.verdict() != finished.verdict()


def test_weights_that_are_there_are_used_and_a_revert_finds_the_old_evidence(finished, tmp_path):
    clone = finished.copy(tmp_path / "clone", "evidence", "results")
    attack_code(clone)
    assert clone.run("dummy_measure") == {"attack": 4, "measure": 4}
    clone.edit(f"{STUDY}/attack.py", "rng.normal(0, 2 * noise,", "rng.normal(0, noise,")
    for path in clone.files("results/judge/*"):
        path.unlink()
    assert judged(clone) == Counter()
    assert clone.verdict() == finished.verdict()
    assert finished.results().items() <= clone.results().items()


@slow
def test_weights_removed_after_a_run_are_not_made_again(finished, tmp_path):
    clone = finished.copy(tmp_path / "clone", "evidence", "results")
    for path in clone.files("results/scratch/**/*"):
        path.unlink()
    assert clone.run("dummy") == {}


def test_data_that_is_not_the_catalogue_s_is_refused(pulled):
    path = pulled.root / "data/raw/digits.npz"
    path.write_bytes(path.read_bytes()[:-1])
    done = pulled.snakemake("-n")
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("retrace:")]
    assert "data/raw/digits.npz: checksum differs" in line


@slow
def test_evidence_is_not_older_than_what_it_was_made_of_in_any_way_that_counts(pulled):
    attack_code(pulled)  # will want the weights, so the train jobs do list their inputs
    for path in pulled.files("evidence/**/prepare-*"):
        os.utime(path, (4_000_000_000, 4_000_000_000))
    assert pulled.run("dummy_train") == {}
