"""kill -9 at random moments: a rerun gives the same results, and no file is half written."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time

import numpy as np
import psutil
import pytest
from dag_clone import SMOKE, STAGES
from safetensors.numpy import load_file

pytestmark = pytest.mark.slow
PAUSE = "0.4"  # seconds that each stage of the dummy sleeps, so that a kill meets one at work


def start(clone, *targets, pause=PAUSE):
    """A run in a process group of its own, its jobs slowed down."""
    words = ("snakemake", *targets, "--cores", "2", "--config", *SMOKE)
    env = {**clone.env, "RETRACE_DUMMY_PAUSE": pause}
    with (clone.root / "said.txt").open("w") as said:
        return subprocess.Popen(
            words, cwd=clone.root, env=env, stdout=said, stderr=said, start_new_session=True
        )


def kill_group(run, rng):
    os.killpg(run.pid, signal.SIGKILL)
    return True


def kill_snakemake_alone(run, rng):
    """Its server and its jobs end by themselves, beside those of the next run perhaps."""
    run.kill()
    return True


def kill_one_job(run, rng):
    """Of those at work; a job may end while it is looked at."""
    killed = False
    with contextlib.suppress(psutil.NoSuchProcess):
        jobs = [p for p in psutil.Process(run.pid).children(recursive=True) if is_job(p)]
        if jobs:
            rng.choice(jobs).kill()
            killed = True
    run.wait(60)
    return killed


def is_job(process):
    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return "retrace.job" in " ".join(process.cmdline())
    return False


def finish(clone):
    """Run to the end as a user would after a crash: unlock when Snakemake asks for it. Whether it asked."""
    done = clone.snakemake("dummy_judge", "dummy_defend")
    locked = "--unlock" in done.stdout + done.stderr
    if locked:
        assert done.returncode == 1
        assert clone.snakemake("--unlock").returncode == 0
        done = clone.snakemake("dummy_judge", "dummy_defend")
    assert done.returncode == 0, done.stdout + done.stderr
    return locked


def check_all_files_whole(clone, finished):
    for path in clone.files("evidence/**/*.npz"):
        with np.load(path) as arrays:
            assert all(np.isfinite(arrays[name]).all() for name in arrays.files)
    for path in clone.files("results/scratch/**/*.safetensors"):
        assert load_file(path)
    results = finished.results()
    for name, value in clone.results().items():
        assert value == results[name], name


@pytest.mark.parametrize(("kill", "rounds"), [(kill_group, 7), (kill_snakemake_alone, 7), (kill_one_job, 7)])
def test_a_killed_run_is_made_good_by_the_next(source, finished, tmp_path, kill, rounds):
    rng = random.Random(f"{kill.__name__} 1")
    clone = source.copy(tmp_path / "clone")
    kills = locks = 0
    while kills < rounds:
        run = start(clone, "dummy_judge", "dummy_defend")
        while not list((clone.root / ".snakemake/locks").glob("*")) and run.poll() is None:
            time.sleep(0.02)  # nothing is at stake before
        time.sleep(rng.uniform(0, 5))
        kills += run.poll() is None and kill(run, rng)
        run.wait(60)
        check_all_files_whole(clone, finished)
        if rng.random() < 0.5 or kills == rounds:  # else the next kill meets what this one left
            locks += finish(clone)
            assert clone.results() == finished.results()
            for path in rng.sample(clone.files("evidence/**/*.*") + clone.files("results/**/*.*"), 14):
                path.unlink()
        else:
            for lock in clone.files(".snakemake/locks/*"):  # as `--unlock` does, but without a plan
                lock.unlink()
    finish(clone)
    if kill is not kill_one_job:
        assert locks
    assert clone.results() == finished.results()
    assert clone.verdict() == finished.verdict()
    check_all_files_whole(clone, finished)
    assert {path.suffix for path in clone.files("evidence/**/*")} <= {".json", ".npz", ".part"}


def test_what_an_orphan_finished_does_not_hide_what_is_left(source, finished, tmp_path):
    """Snakemake holds it for half made, makes it again, and does not look past an `ancient` input."""
    clone = source.copy(tmp_path / "clone")
    run = start(clone, "dummy_judge", pause="2")
    while not (trains := clone.files("logs/dummy/*/*/train-*.log")):
        assert run.poll() is None
        time.sleep(0.05)
    kill_group(run, None)
    run.wait(60)
    for log in trains:
        for path in finished.files(f"**/{log.stem}.*"):
            if path.suffix != ".log":
                shutil.copy2(path, clone.root / path.relative_to(finished.root))
    finish(clone)
    assert clone.verdict() == finished.verdict()


def test_two_runs_at_once_are_refused_and_the_first_goes_on(source, finished, tmp_path):
    clone = source.copy(tmp_path / "clone")
    first = start(clone, "dummy_judge", "dummy_defend", pause="2")  # still at work when the second starts
    while not list((clone.root / ".snakemake/locks").glob("*")):
        assert first.poll() is None
        time.sleep(0.05)
    second = clone.snakemake("dummy_judge")
    assert second.returncode == 1
    assert "cannot be locked" in second.stdout + second.stderr
    assert "Traceback" not in second.stdout + second.stderr
    assert first.wait(120) == 0
    assert clone.results() == finished.results()


def test_a_forced_run_computes_everything_again_in_order(finished, tmp_path):
    clone = finished.copy(tmp_path / "clone", "evidence", "results")
    assert clone.run("dummy_measure", "dummy_defend", "-F") == STAGES
    assert clone.results() == finished.results()
    # what comes after has its evidence, and the key says that it fits
    assert clone.run("dummy_measure", "-R", "dummy_attack_job") == {"attack": 4}


def test_the_evidence_of_a_failed_job_is_not_kept(source, tmp_path):
    clone = source.copy(tmp_path / "clone")
    path = "src/retrace/studies/dummy/measure.py"
    clone.edit(path, "float(share)", "float(share) / 0")
    done = clone.snakemake("dummy")
    assert done.returncode == 1
    assert "retrace: dummy measure weak s0: unexpected ZeroDivisionError" in done.stderr
    assert not clone.files("evidence/**/measure-*")
    assert len(clone.files("evidence/**/attack-*.json")) == STAGES["attack"]  # keep-going


def test_a_forced_stage_does_not_hide_what_is_missing_behind_it(finished, tmp_path):
    clone = finished.copy(tmp_path / "clone", "evidence", "results")
    for path in clone.files("evidence/**/measure-*"):
        path.unlink()
    ran = clone.run("dummy_measure", "-R", "dummy_train_job")
    assert ran == {"train": STAGES["train"], "measure": STAGES["measure"]}
    assert clone.results() == finished.results()
