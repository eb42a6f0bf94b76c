"""Plans are short: what is finished is not listed, and yet nothing that lacks is overlooked or hidden."""

from __future__ import annotations

import pytest
from dag_clone import WHOLE_RUN

PRODUCTS = {"judge": 1, "draw": 1, "publish": 2}


@pytest.mark.parametrize("verb", ["attack", pytest.param("measure", marks=pytest.mark.slow)])
def test_evidence_lost_from_a_finished_study_is_made_again_and_judged(finished, tmp_path, verb):
    clone = finished.copy(tmp_path / "clone", "evidence", "results")
    clone.files(f"evidence/**/{verb}-*.json")[0].unlink()
    assert clone.run("dummy") == {verb: 1, **PRODUCTS}
    assert clone.results() == finished.results()
    assert clone.run("dummy") == {}


def test_evidence_lost_with_its_verdict_is_made_again(finished, tmp_path):
    clone = finished.copy(tmp_path / "clone", "evidence")
    clone.files("evidence/**/attack-*.json")[0].unlink()
    # nobody pulls weights
    assert clone.run("dummy") == {"train": 1, "attack": 1, **PRODUCTS}
    assert clone.results() == finished.results()


def test_who_wants_to_see_the_graph_sees_what_is_finished(pulled):
    done = pulled.snakemake("dummy", "--summary")
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t")[0] for line in done.stdout.splitlines()]
    evidence = [path.relative_to(pulled.root).as_posix() for path in pulled.files("evidence/**/*.json")]
    assert len(evidence) == sum(WHOLE_RUN.values()) - sum(PRODUCTS.values())
    assert set(evidence) < set(rows)


def test_a_dry_run_shows_commands_to_whom_asks(pulled):
    commands = {}
    for words in ((), ("-p",)):
        done = pulled.snakemake("dummy", "-n", *words)
        assert done.returncode == 0, done.stderr
        commands[words] = (done.stdout + done.stderr).count("python -m retrace.job <<< '{")
    assert commands == {(): 0, ("-p",): sum(PRODUCTS.values())}
