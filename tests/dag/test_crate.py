"""A finished run as an RO-Crate: whole, with what it was made of, and none of a run that is not finished."""

import json
import zipfile

import pytest


@pytest.fixture(scope="module")
def clone(finished, tmp_path_factory):
    """The dummy study, with its report."""
    made = finished.copy(tmp_path_factory.mktemp("crate") / "clone", "evidence")
    made.edit("config/config.yaml", "studies: all", "studies: [dummy]")
    assert made.run("all")["report"] == 1
    return made


def crate(clone, out):
    return clone.call("retrace", "crate", out, "--scale", "smoke")


def test_all_that_is_described_is_there_and_all_that_was_left_is_described(clone):
    done = crate(clone, "out")
    assert done.returncode == 0, done.stderr
    graph = json.loads((clone.root / "out/ro-crate-metadata.json").read_bytes())["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    parts = [part["@id"] for part in found["./"]["hasPart"]]
    assert all((clone.root / "out" / name).exists() for name in parts)
    assert found["./"]["mainEntity"] == {"@id": "Snakefile"}
    run = found["#run"]
    assert run["instrument"] == {"@id": "Snakefile"}
    assert {"config/", "claims/", "#data-digits"} <= {given["@id"] for given in run["object"]}
    results = {left["@id"] for left in run["result"]}
    assert {"results/smoke/report.html", "results/smoke/verdicts.csv", "evidence/"} <= results
    assert results <= {*parts}
    inside = {path.relative_to(clone.root / "out") for path in (clone.root / "out/evidence").rglob("*.json")}
    assert inside == {path.relative_to(clone.root) for path in clone.files("evidence/**/*.json")}
    assert not list((clone.root / "out").rglob("__pycache__"))
    assert (clone.root / "out/src/retrace/cli.py").is_file()


def test_a_zip_holds_the_same_and_nothing_is_overwritten(clone):
    assert crate(clone, "crate.zip").returncode == 0
    with zipfile.ZipFile(clone.root / "crate.zip") as archive:
        assert {"ro-crate-metadata.json", "Snakefile", "results/smoke/report.html"} <= set(archive.namelist())
    before = (clone.root / "crate.zip").read_bytes()
    again = crate(clone, "crate.zip")
    assert again.returncode == 1
    assert again.stderr == "retrace: crate.zip: is there already; name a new folder or ZIP\n"
    assert (clone.root / "crate.zip").read_bytes() == before


def test_a_run_that_is_not_finished_leaves_nothing(clone, tmp_path):
    half = clone.copy(tmp_path / "half", "evidence")
    done = crate(half, "unfinished")
    assert done.returncode == 1
    assert "other files are missing; first run: snakemake all --config scale=smoke" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (half.root / "unfinished").exists()
