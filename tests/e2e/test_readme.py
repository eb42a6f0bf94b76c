"""Every command of the README is run here (or, where it takes a laptop's minutes, planned) or by CI."""

from __future__ import annotations

import re
import shlex

import pytest
from conftest import SMOKE
from dag_clone import REPOSITORY

pytestmark = pytest.mark.slow
README = (REPOSITORY / "README.md").read_text()
BY_CI = {"python3 envs/run.py bash tests/run"}
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.S)
LINES = {line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()}
CELLS = {
    code for line in README.splitlines() if line.startswith("|") for code in re.findall(r"`([^`]+)`", line)
}


def commands(program):
    return sorted(text for text in LINES | CELLS if text.split()[0] == program)


def bare(text):
    """The target of a command that says nothing else."""
    found = re.fullmatch(r"snakemake ([a-z]\w*)", text)
    return found and found[1]


BARE = {bare(text) for text in commands("snakemake")} - {None}


def test_readme_names_the_two_commands():
    assert {"python3 envs/run.py snakemake --cores all", *BY_CI} <= LINES
    assert (REPOSITORY / ".ci" / "run").read_text().count("python3 envs/run.py bash tests/run") == 1


def test_targets_of_the_table_exist(smoke):
    clone, _ = smoke
    verbs = {text for text in CELLS if re.fullmatch(r"reuse_[a-z]+", text)}
    assert verbs
    assert BARE
    listed = clone.call("snakemake", "--list-target-rules").stdout.split()
    assert verbs | BARE <= set(listed)


def dry(clone, *words):
    done = clone.call("snakemake", "-n", *words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_bare_targets_plan(smoke):
    """All in one plan: each is known by itself, as the test of the table says."""
    dry(smoke[0], *sorted(BARE))


@pytest.mark.parametrize("text", [text for text in commands("snakemake") if not bare(text)])
def test_snakemake_commands_plan(smoke, text):
    dry(smoke[0], *(word for word in shlex.split(text)[1:] if word != "-n"))


@pytest.mark.parametrize("text", commands("retrace"))
def test_retrace_commands_run(smoke, text):
    clone, _ = smoke
    words = shlex.split(text)
    if words[1] in ("verdicts", "index", "audit"):
        words += ["--scale", "smoke"]
    if words[1] == "audit":
        words += ["--seed", "1"]
    if words[1] == "gc":
        words += ["--dry-run"]
    if words[1] == "verify":  # needs a network; tests/science/test_verify_onnx.py makes some
        words = [*words[:2], "--help"]
    if words[1] == "new-study":  # tests/dag writes and runs one; here it would change what others look at
        words += ["--help"]
    if words[1] == "pull" and not (clone.root / "evidence.dvc").is_file():
        pytest.skip("nothing has been published in this clone")
    done = clone.call(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    if words[1] == "audit":  # `-k 3` jobs were done again
        assert done.stdout.count("same   ") == int(words[words.index("-k") + 1])


def test_dvc_commands_run(smoke):
    clone, _ = smoke
    for line in commands("dvc"):
        for part in line.split("&&"):
            words = part.split()
            if words[:2] == ["dvc", "remote"]:
                words.insert(3, "--local")  # the clone's own settings stay as they are
                assert clone.call(*words).returncode == 0, part
    (clone.root / ".dvc/config.local").unlink(missing_ok=True)


def test_run_py_uses_the_pinned_environment(smoke, tmp_path):
    clone, _ = smoke
    done = clone.call("python3", "envs/run.py", RETRACE_VENV=str(tmp_path / "none"))
    assert done.returncode == 2
    assert "usage" in done.stderr
    assert SMOKE == ("scale=smoke",)
