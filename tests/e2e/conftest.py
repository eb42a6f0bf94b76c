"""The real study at the smoke scale, run once a session in a clean clone that holds no data or results."""

from __future__ import annotations

import shutil

import pytest
from dag_clone import REPOSITORY, Clone, tracked

SMOKE = ("scale=smoke",)


def clean_clone(root):
    for name in tracked():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, root / name)
    clone = Clone(root)
    clone.git("init", "-q")
    clone.git("add", "-A")
    clone.git("commit", "-qm", "all")
    return clone


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """A clone in which `snakemake all --config scale=smoke` has run; `.said` is what it printed."""
    clone = clean_clone(tmp_path_factory.mktemp("smoke") / "clone")
    done = clone.snakemake("all", config=SMOKE)
    assert done.returncode == 0, done.stdout + done.stderr
    return clone, done.stdout + done.stderr
