"""The memory study at the smoke scale on a real Slurm, disturbed on the way: the evidence of a local run."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import time

import pytest
from conftest import SMOKE, clean_clone

STUDY = (*SMOKE, 'studies=["memory"]')
ON_SLURM = ("--workflow-profile", "profiles/slurm", "--config", *STUDY)


def absent():
    """Why there can be no run on Slurm here; empty when there can."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return "no Slurm plugin: python3 envs/run.py pip install --no-deps -r envs/requirements-slurm.txt"
    if shutil.which("sinfo") is None or subprocess.run(["sinfo"], capture_output=True).returncode:
        return "no Slurm answers here: tests/e2e/one_node_slurm.sh starts one of one node"
    return ""


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(absent()), reason=absent())]


class Run:
    """A run on Slurm in the background, and what its cluster does for it."""

    def __init__(self, clone, *words):
        self.clone = clone
        self.said = clone.root / "said.txt"
        with self.said.open("w") as said:
            words = ("snakemake", "memory", *words, *ON_SLURM)
            self.process = subprocess.Popen(words, cwd=clone.root, env=clone.env, stdout=said, stderr=said)

    def jobs(self, state):
        """Numbers of this clone's jobs in a state, and their rules' names and wildcards."""
        listed = slurm("squeue", "-h", "-o", "%i|%Z|%k", "-t", state).splitlines()
        found = [line.split("|") for line in listed]
        return {number: comment for number, folder, comment in found if folder == str(self.clone.root)}

    def wait_for(self, found):
        """What `found()` gives once it gives something; the run must still be at work."""
        while not (got := found()):
            assert self.process.poll() is None, self.said.read_text()
            time.sleep(0.2)
        return got


def slurm(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def one_running(run, verb):
    return run.wait_for(lambda: [n for n, name in run.jobs("RUNNING").items() if f"_{verb}_job" in name])[0]


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A clone in which the study has run on this machine alone."""
    clone = clean_clone(tmp_path_factory.mktemp("local") / "clone")
    done = clone.snakemake("memory", config=STUDY)
    assert done.returncode == 0, done.stdout + done.stderr
    return clone


def test_a_run_that_everything_happens_to_leaves_what_a_local_one_leaves(local, tmp_path):
    clone = clean_clone(tmp_path / "clone")
    run = Run(clone)

    cancelled = one_running(run, "prepare")
    slurm("scancel", cancelled)
    run.wait_for(lambda: f"Slurm job {cancelled} was cancelled" in run.said.read_text())
    run.wait_for(lambda: "again: memory prepare" in run.said.read_text())

    requeued = one_running(run, "prepare")
    slurm("scontrol", "requeue", requeued)
    assert "Restarts=1" in slurm("scontrol", "show", "job", requeued)

    second = clone.call("snakemake", "memory", *ON_SLURM)
    assert second.returncode == 1
    assert re.search(r"^retrace: \S+ cannot be locked: another run makes", second.stderr, re.MULTILINE)

    run.wait_for(lambda: clone.files("evidence/memory/**/train-*.json"))
    for waiting in run.jobs("PENDING"):
        slurm("scontrol", "hold", waiting)  # so that some are left for certain
    left = run.wait_for(lambda: run.jobs("PENDING,RUNNING"))
    run.process.kill()
    run.process.wait()
    made = {path: path.read_bytes() for path in clone.files("evidence/**/*.json")}

    assert clone.snakemake("--unlock", config=STUDY).returncode == 0
    refused = clone.call("snakemake", "memory", *ON_SLURM)
    assert refused.returncode == 1
    assert "another run's jobs that make here what this one would" in refused.stdout + refused.stderr
    slurm("scancel", *left)
    while run.jobs("PENDING,RUNNING,COMPLETING"):
        time.sleep(0.2)

    done = clone.call("snakemake", "memory", *ON_SLURM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(path.read_bytes() == data for path, data in made.items())  # what was there was not made again
    assert clone.results() == local.results()
    # some claims rest on seconds, which differ from run to run
    assert [claim["id"] for claim in clone.verdict()["claims"]] == [
        c["id"] for c in local.verdict()["claims"]
    ]
    assert not clone.files("**/*.part")


def test_jobs_on_slurm_do_not_plan(local, tmp_path):
    clone = clean_clone(tmp_path / "clone")
    # planning in a job fails; the door and the rules stay as they are
    clone.edit(
        "src/retrace/planning/workflow.py",
        "        config = load_config(raw)\n",
        '        assert "SLURM_JOB_ID" not in os.environ\n        config = load_config(raw)\n',
    )
    done = clone.call("snakemake", "memory_prepare", *ON_SLURM)
    assert done.returncode == 0, done.stdout + done.stderr
    made = clone.results()
    assert made
    assert {name: local.results()[name] for name in made} == made


def test_an_unknown_partition_is_refused_before_any_job(tmp_path):
    clone = clean_clone(tmp_path / "clone")
    words = ("--default-resources", "slurm_partition=nowhere")
    done = clone.call("snakemake", "memory_prepare", *ON_SLURM, *words)
    assert done.returncode == 1
    assert re.search(r"^retrace: Slurm has no partition 'nowhere'", done.stderr, re.MULTILINE)
    assert "Traceback" not in done.stderr
    assert not clone.files("logs/**/*.log")
