"""What pulling evidence means: exactly the jobs whose inputs changed run again, and nothing stale gets through.

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


def judged(clone):
    """Run to the verdict; the stage jobs that ran. The verdict itself is made again in a fresh clone."""
    jobs = clone.run("dummy_judge")
    assert jobs.pop("judge") == 1
    return jobs


def check_whole(clone, tmp_path):
    """The verdict is the one from scratch, and a second run finds nothing to do."""
    assert clone.verdict() == clone.from_scratch(tmp_path / "scratch")


def nothing(clone):
    pass


def other_times(clone):
    shuffle_times(clone.root, seed=7)


def comment_in_train(clone):
    clone.edit(f"{STUDY}/train.py", "    pause()\n", "    # a remark\n    pause()  # and another\n\n")


def docstring_and_layout_of_helper(clone):
    clone.edit(f"{STUDY}/linear.py", '"""Weights (features, classes) of', '"""Other words for')
    clone.edit(
        f"{STUDY}/linear.py",
        "x.T @ x + ridge * np.eye(x.shape[1])",
        "(\n        x.T @ x + ridge*np.eye( x.shape[1] ))",
    )


def unrelated_module(clone):
    path = clone.root / "src/retrace/nets/small.py"
    path.write_text(path.read_text() + "\n\ndef unused() -> int:\n    return 1\n")


@pytest.mark.parametrize(
    "change", [nothing, other_times, comment_in_train, docstring_and_layout_of_helper, unrelated_module]
)
def test_what_changes_no_result_runs_no_stage(pulled, finished, change):
    change(pulled)
    assert judged(pulled) == Counter()
    assert pulled.verdict() == finished.verdict()
    assert pulled.results() == finished.results()


def attack_code(clone):
    clone.edit(f"{STUDY}/attack.py", "rng.normal(0, noise,", "rng.normal(0, 2 * noise,")


def helper_of_train(clone):
    clone.edit(f"{STUDY}/linear.py", "SCALE = 255.0", "SCALE = 200.0")


def one_cell_s_parameter(clone):
    text = (clone.root / SHEET).read_text()
    (clone.root / SHEET).write_text(text.replace("ridge: 10.0", "ridge: 12.5", 1))


def parameter_of_the_last_stage(clone):
    text = (clone.root / SHEET).read_text()
    (clone.root / SHEET).write_text(text.replace("ridge: 10.0", "ridge: 10.0, top: 2", 1))


def one_more_seed(clone):
    clone.edit(SHEET, "seeds: [0, 1]\n", "seeds: [0, 1, 5]\n")


def change_data(clone):
    """Turn the images' brightness round and record the new file in the catalogue."""
    path, catalogue = clone.root / "data/raw/digits.npz", clone.root / "data/catalogue.csv"
    with np.load(path) as stored:
        x, y = stored["x"], stored["y"]
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    np.savez_compressed(path, x=255 - x, y=y)
    catalogue.write_text(catalogue.read_text().replace(old, hashlib.sha256(path.read_bytes()).hexdigest()))


def data_with_new_time(clone):
    change_data(clone)


def data_with_old_time(clone):
    change_data(clone)
    for path in (clone.root / "data").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))


@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        # the weights are not there, so the attack has them made again
        (attack_code, {"train": 4, "attack": 4, "measure": 4}),
        (helper_of_train, {"train": 4, "attack": 4, "measure": 4}),
        (one_cell_s_parameter, {"train": 2, "attack": 2, "measure": 2}),
        (parameter_of_the_last_stage, {"measure": 2}),
        (one_more_seed, {"train": 2, "attack": 2, "measure": 2}),
        (data_with_new_time, STAGES),
        (data_with_old_time, STAGES),
    ],
)
def test_exactly_what_a_change_reaches_runs_again(pulled, finished, tmp_path, change, jobs):
    change(pulled)
    assert judged(pulled) == Counter(jobs)
    assert pulled.verdict() == pulled.from_scratch(tmp_path / "scratch")
    assert pulled.verdict() != finished.verdict()


def test_a_change_of_attack_code_uses_weights_that_are_there(finished, tmp_path):
    clone = finished.copy(tmp_path / "clone", "evidence", "results")
    attack_code(clone)
    assert clone.run("dummy_measure") == {"attack": 4, "measure": 4}


def test_weights_removed_after_a_run_are_not_made_again(finished, tmp_path):
    clone = finished.copy(tmp_path / "clone", "evidence", "results", "figures")
    for path in clone.files("results/scratch/**/*"):
        path.unlink()
    assert clone.run("dummy") == {}


def test_reverting_a_change_finds_the_old_evidence(pulled, finished):
    attack_code(pulled)
    assert judged(pulled) == {"train": 4, "attack": 4, "measure": 4}
    pulled.edit(f"{STUDY}/attack.py", "rng.normal(0, 2 * noise,", "rng.normal(0, noise,")
    for path in pulled.files("results/judge/*"):
        path.unlink()
    assert judged(pulled) == Counter()
    assert pulled.verdict() == finished.verdict()


def test_data_that_is_not_the_catalogue_s_is_refused(pulled):
    path = pulled.root / "data/raw/digits.npz"
    path.write_bytes(path.read_bytes()[:-1])
    done = pulled.snakemake("-n")
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("retrace:")]
    assert "data/raw/digits.npz: checksum differs" in line
