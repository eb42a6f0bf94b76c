"""`retrace new-study` writes a study that runs, is well-formed and typed as it is, and overwrites nothing."""

from __future__ import annotations

import re
import sys

import editor_schemas
import pytest

NEW = ("-m", "retrace", "new-study", "ripples")
WORDS = (
    "--title",
    'Ripples: a "noisy" {pond}',
    "--citation",
    "Roe & Doe, #1",
    "--asks",
    "Why: does it hurt?",
)


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    """A clone with a new study, and the paths that the command named."""
    clone = source.copy(tmp_path_factory.mktemp("new") / "clone")
    before = set(clone.files("**/*"))
    done = clone.call(sys.executable, *NEW, *WORDS)
    assert done.returncode == 0, done.stderr
    *paths, last = done.stdout.splitlines()
    assert last.startswith("now: snakemake ripples --config scale=smoke")
    new = {path for path in clone.files("**/*") if "__pycache__" not in path.parts} - before
    assert {path.relative_to(clone.root).as_posix() for path in new} == set(paths)
    return clone, paths


def test_it_runs_at_the_smoke_scale_to_a_verdict_and_figures(made, tmp_path):
    clone = made[0].copy(tmp_path / "clone")
    done = clone.snakemake("ripples", config=("scale=smoke", "studies=ripples"))
    assert done.returncode == 0, done.stderr
    assert re.search(r"^noise-hurts +supported", done.stderr, re.MULTILINE)
    names = {path.name for path in clone.files("results/smoke/figures/ripples-paper/*.svg")}
    assert names == {"error_by_noise.svg", "claims.svg"}


@pytest.mark.slow
def test_it_passes_the_checks_of_the_house(made):
    clone, paths = made
    code = [path for path in paths if path.endswith(".py")]
    for words in (("ruff", "check"), ("ruff", "format", "--check")):
        done = clone.call(sys.executable, "-m", *words, *code)
        assert done.returncode == 0, done.stdout
    schemas = clone.call(sys.executable, "-m", "retrace", "schemas")
    assert schemas.returncode == 0, schemas.stdout
    typed = clone.call(sys.executable, "-m", "mypy", *(path for path in code if path.startswith("src/")))
    assert typed.returncode == 0, typed.stdout


def test_editors_know_its_sheet_and_claims(made):
    clone, _ = made
    for name in ("config/studies/ripples.yaml", "claims/ripples-paper.yaml"):
        editor_schemas.check(clone.root / name)


def test_a_study_without_the_larger_scales_stops_no_command_for_all(made):
    clone, _ = made  # it holds the dummy, too, which has only smoke and laptop
    collected = clone.call(sys.executable, "-m", "retrace", "gc", "--dry-run")
    assert collected.returncode == 0, collected.stderr
    refused = clone.snakemake("-n", config=("scale=gpu", "studies=dummy"))
    assert "config/studies/dummy.yaml: no scale 'gpu' (known: laptop, smoke)" in refused.stderr


def test_its_own_test_passes(made):
    clone, _ = made
    # by its path: the rest of the tests is not in the clone
    done = clone.call(
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/science/test_ripples.py"
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ripples",), "ripples-paper.yaml: is there already"),
        (("reuse",), "'reuse' is a target already"),
        (("arm",), "'arm' is a target already"),
        (("all",), "'all' is a target already"),
        (("import",), "is a word of Python's own"),
        (("Ripples",), "cannot name a study"),
        (("ri-pples",), "cannot name a study"),
        (("waves", "--paper", "Waves"), "cannot name a paper"),
        (("waves", "--paper", "waves"), "could not be told apart"),
        (("waves", "--paper", "arm"), "'arm' is a target already"),
        (("waves", "--title", " "), "--title: say it in one line of words"),
        (("waves", "--asks", "two\nlines"), "--asks: say it in one line of words"),
    ],
)
def test_what_cannot_be_written_is_answered_in_one_line_and_nothing_is(made, words, says):
    clone, _ = made
    before = {path: path.read_bytes() for path in clone.files("[cdst]*/**/*.[pmy][yda]*")}
    if words == ("ripples",):
        (clone.root / "src/retrace/studies/ripples").rename(clone.root / "ripples")  # its claims stay
    try:
        done = clone.call(sys.executable, "-m", "retrace", "new-study", *words)
    finally:
        if words == ("ripples",):
            (clone.root / "ripples").rename(clone.root / "src/retrace/studies/ripples")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("retrace: ")
    assert says in line
    assert {path: path.read_bytes() for path in clone.files("[cdst]*/**/*.[pmy][yda]*")} == before
