"""What is handed on runs: an archive of the repository, and what the container's image is built from."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import PurePath

import pytest
from dag_clone import REPOSITORY, Clone, tracked

IGNORED = (REPOSITORY / ".dockerignore").read_text().split()
PREINDEX = ("scale=laptop", 'studies=["reuse"]')


def image(root):
    """The files that `docker build` sends and COPY puts in place: all but those below what is ignored."""
    for name in tracked():
        if not any(PurePath(name).is_relative_to(ignored) for ignored in IGNORED):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, root / name)


def archive(root):
    """What a host of repositories packs of the last commit."""
    packed = root.with_suffix(".tar")
    subprocess.run(("git", "archive", "-o", str(packed), "HEAD"), cwd=REPOSITORY, check=True)
    shutil.unpack_archive(packed, root)
    packed.unlink()


def test_what_docker_ignores_is_plain_and_nothing_that_a_run_needs():
    assert not any(re.search(r"[*?\[!]", pattern) for pattern in IGNORED)  # `image` reads no patterns
    assert {".git", "evidence", "results", "data/own"} <= set(IGNORED)
    left = {name for name in tracked() if any(PurePath(name).is_relative_to(i) for i in IGNORED)}
    assert not left
    steps = re.findall(r"^COPY (\S+)", (REPOSITORY / "envs/Dockerfile").read_text(), re.M)
    assert steps == ["envs/requirements.txt", "."]


@pytest.mark.slow
@pytest.mark.parametrize("made", [archive, image])
def test_it_judges_the_published_evidence_without_git(made, tmp_path):
    if made is archive and not (REPOSITORY / ".git").exists():
        pytest.skip("no git here to pack with")
    clone = Clone(tmp_path / "shipped")
    clone.root.mkdir()
    made(clone.root)
    assert not (clone.root / ".git").exists()
    pulled = clone.call("retrace", "pull")
    assert pulled.returncode == 0, pulled.stderr
    done = clone.snakemake("preindex", config=PREINDEX)
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = {path.relative_to(clone.root / "logs").parts[0] for path in (clone.root / "logs").rglob("*.log")}
    assert kinds == {"judge", "draw", "publish"}
    assert (clone.root / "results/verdicts/preindex.json").is_file()
