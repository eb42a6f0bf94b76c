"""A finished study is safe whatever the user's profile says: nothing runs again, no file is touched."""

from __future__ import annotations

import sys

import pytest
from dag_clone import SMOKE

FOREIGN = [
    ("--workflow-profile", "none"),
    ("--rerun-triggers", "input"),
    pytest.param(("--rerun-triggers", "code", "params", "software-env"), marks=pytest.mark.slow),
]
# a Snakemake that does not let a workflow change its settings
FROZEN = """
import sys
from snakemake.cli import main
from snakemake.settings.types import DAGSettings
def refuse(self, name, value):
    if name in vars(self):
        raise AttributeError(name)
    object.__setattr__(self, name, value)
DAGSettings.__setattr__ = refuse
main(sys.argv[1:])
"""


def kept(clone):
    """Content and time of every file that a run leaves."""
    made = [*clone.files("evidence/**/*"), *clone.files("results/**/*")]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in made}


def check_nothing_runs(clone, done, files, logs):
    assert done.returncode == 0, done.stdout + done.stderr
    assert clone.jobs_since(logs) == {}
    assert kept(clone) == files


@pytest.mark.parametrize("words", FOREIGN)
def test_a_finished_study_stays_finished(finished, tmp_path, words):
    # with .snakemake: other triggers compare with what a run recorded there
    clone = finished.copy(tmp_path / "clone", "evidence", "results", ".snakemake")
    files, logs = kept(clone), clone.logs()
    check_nothing_runs(clone, clone.snakemake("dummy", *words), files, logs)


def test_a_finished_study_stays_finished_when_called_from_elsewhere(finished, tmp_path):
    clone = finished.copy(tmp_path / "clone", "evidence", "results", ".snakemake")
    files, logs = kept(clone), clone.logs()
    place = ("--directory", str(clone.root), "-s", str(clone.root / "workflow/Snakefile"))
    words = ("env", "-C", str(tmp_path), "snakemake", "dummy", *place, "--cores", "2", "--config", *SMOKE)
    check_nothing_runs(clone, clone.call(*words), files, logs)


def test_a_snakemake_that_keeps_its_triggers_is_refused_before_any_job(finished, tmp_path):
    clone = finished.copy(tmp_path / "clone", "evidence", "results", ".snakemake")
    files, logs = kept(clone), clone.logs()
    words = (sys.executable, "-c", FROZEN, "dummy", "--cores", "2", "--config", *SMOKE)
    check_nothing_runs(clone, clone.call(*words), files, logs)  # the default profile says mtime itself
    done = clone.call(*words, "--workflow-profile", "none")
    assert done.returncode == 1
    assert "retrace: add --rerun-triggers mtime" in done.stderr
    assert "Traceback" not in done.stderr
    assert kept(clone) == files
    assert clone.jobs_since(logs) == {}
