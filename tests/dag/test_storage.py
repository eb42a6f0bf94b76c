"""Evidence and products kept by a storage provider: the same results as on this disk, made once."""

from __future__ import annotations

import importlib.util
import shutil
from collections import Counter

import pytest
from dag_clone import WHOLE_RUN, Clone, read


def absent():
    """Why nothing can be kept elsewhere here; empty when it can."""
    if importlib.util.find_spec("snakemake_storage_plugin_fs") is None:
        return "no plugin: python3 envs/run.py pip install --no-deps -r envs/requirements-storage.txt"
    return "" if shutil.which("rsync") else "no rsync, which the fs plugin calls"


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(absent()), reason=absent())]


def made(clone, kept, *targets):
    """Jobs that ran, by verb, with `kept` as the storage; and what was said."""
    provider = ("--default-storage-provider", "fs", "--default-storage-prefix", str(kept))
    before = set(kept.rglob("*"))
    done = clone.snakemake(*targets, *provider)
    assert done.returncode == 0, done.stdout + done.stderr
    logs = [path.relative_to(kept / "logs") for path in set(kept.rglob("*.log")) - before]
    stages = Counter(path.name.split("-")[0] for path in logs if path.parts[0] == "dummy")
    return stages + Counter(path.parts[0] for path in logs if path.parts[0] != "dummy"), done.stderr


def test_a_run_on_storage_gives_what_a_run_here_gives(source, finished, tmp_path):
    clone, kept = source.copy(tmp_path / "clone"), tmp_path / "kept"
    kept.mkdir()
    jobs, said = made(clone, kept, "dummy")
    assert jobs == WHOLE_RUN
    assert "supported" in said or "open" in said  # the table is read from the published copies
    assert not (clone.root / "evidence").exists()
    there = Clone(kept)
    assert there.results() == finished.results()
    assert there.verdict() == finished.verdict()
    assert clone.files("results/smoke/figures/**/*.png")  # what people look at lies here
    again, _ = made(clone, kept, "dummy")
    assert not again


def test_what_storage_lost_is_made_again(source, finished, tmp_path):
    clone, kept = source.copy(tmp_path / "clone"), tmp_path / "kept"
    for name in ("evidence", "results"):
        shutil.copytree(finished.root / name, kept / name)
    (lost,) = kept.glob("results/judge/*.json")
    before = read(lost)
    lost.unlink()
    jobs, _ = made(clone, kept, "dummy")
    assert set(jobs) <= {"judge", "draw", "publish"}
    assert read(lost)["claims"] == before["claims"]
