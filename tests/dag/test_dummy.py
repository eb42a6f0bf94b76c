"""A study is additions only; its names can be asked for, and wrong ones are answered in one line."""

from __future__ import annotations

import re
import sys
from collections import Counter

import editor_schemas
import jsonschema
import pytest
import yaml
from dag_clone import DUMMY, REPOSITORY, STAGES, WHOLE_RUN, tracked

JOB = re.compile(r"^ *(\d+)  (\S+)$", re.MULTILINE)


def planned(clone, *words, config):
    """Jobs by rule that a dry run promises."""
    done = clone.snakemake("-n", *words, config=config)
    assert done.returncode == 0, done.stderr
    return Counter({rule: int(count) for count, rule in JOB.findall(done.stdout + done.stderr)})


def one_line(done):
    """The one line that a refused run says; no traceback."""
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("retrace:")]
    assert "Traceback" not in done.stderr + done.stdout
    return line


def test_the_study_is_additions_only():
    """None of its files is the repository's, and no file of the repository knows of it."""
    added = {path.relative_to(DUMMY).as_posix() for path in DUMMY.rglob("*") if path.is_file()}
    assert not added & set(tracked())
    shared = [
        name for name in tracked() if name.startswith(("src/", "rules/", "config/", "workflow/", "claims/"))
    ]
    assert not [name for name in [*shared, "Snakefile"] if b"dummy" in (REPOSITORY / name).read_bytes()]


def test_editors_know_its_sheet_and_claims_once_schemas_are_made(source, tmp_path):
    clone = source.copy(tmp_path / "clone")
    done = clone.call(sys.executable, "-m", "retrace", "schemas", "--fix")
    assert done.returncode == 0, done.stderr
    assert "wrote config/schemas/sheet-dummy.json" in done.stdout
    for path in (clone.root / "config/studies/dummy.yaml", clone.root / "claims/dummy-paper.yaml"):
        editor_schemas.check(path)
    clone.edit("config/studies/dummy.yaml", "ridge: 10.0, top: 2", "ridge: 10.0, topp: 2")
    with pytest.raises(jsonschema.ValidationError, match="'topp' was unexpected"):
        editor_schemas.check(clone.root / "config/studies/dummy.yaml")


def test_a_finished_study_has_verdict_figures_and_evidence_and_nothing_half_written(finished):
    root = finished.root
    assert Counter(path.name.split("-")[0] for path in finished.files("evidence/**/*.json")) == STAGES
    assert len(finished.files("evidence/**/*.npz")) == STAGES["prepare"] + STAGES["attack"]
    assert len(finished.files("results/scratch/**/*.safetensors")) == STAGES["train"]
    assert (root / "results/smoke/verdicts/dummy-paper.json").read_bytes() == finished.files(
        "results/judge/*"
    )[0].read_bytes()
    names = {path.name for path in (root / "results/smoke/figures/dummy-paper").iterdir()}
    assert names == {"error_by_noise.svg", "error_by_noise.png", "claims.svg", "claims.png"}
    verdict = finished.verdict()
    assert [claim["id"] for claim in verdict["claims"]] == ["noise-hurts", "error-is-low"]
    assert verdict["claims"][0]["verdict"] == "supported"
    assert verdict["claims"][0]["control"]["specific"]
    assert not [path for path in root.rglob("*") if path.name.endswith((".part", ".damaged"))]


def test_a_second_run_finds_nothing_to_do_and_the_default_target_adds_the_report(finished, tmp_path):
    clone = finished.copy(tmp_path / "clone", "evidence", "results")
    assert clone.run() == {"report": 1, "publish": 1}
    assert clone.run() == {}
    # a published copy that someone removed comes back
    (clone.root / "results/smoke/verdicts/dummy-paper.json").unlink()
    assert clone.run() == {"publish": 1}


def dummy_jobs(scale):
    """Jobs by verb of the dummy study, from its sheet and declaration read by a human."""
    sheet = yaml.safe_load((DUMMY / "config/studies/dummy.yaml").read_text())
    rows = [{**sheet["base"], **cell} for cell in sheet["scales"][scale]["cells"].values()]
    seeds = len(sheet["scales"][scale]["seeds"])
    trained = {(row["dataset"], row["per_class"], row["ridge"]) for row in rows}
    attacked = {(*key, str(row["noises"])) for row in rows for key in trained if key[2] == row["ridge"]}
    measured = {(str(row["noises"]), row["ridge"], row.get("top", 1)) for row in rows}
    prepared = {(row["dataset"], row["per_class"]) for row in rows}
    counts = (
        len(prepared),
        len(trained) * seeds,
        len(trained) * seeds,
        len(attacked) * seeds,
        len(measured) * seeds,
    )
    return dict(zip(STAGES, counts, strict=True))


@pytest.mark.parametrize("scale", ["smoke", pytest.param("laptop", marks=pytest.mark.slow)])
def test_the_dry_run_plans_what_the_dummy_s_sheet_says(source, scale):
    jobs = planned(source, config=(f"scale={scale}", 'studies=["dummy"]'))
    expected = {f"dummy_{verb}_job": count for verb, count in dummy_jobs(scale).items()}
    products = {"judge_job": 1, "dummy-paper_draw_job": 1, "report_job": 1, "publish_job": 3, "all": 1}
    assert jobs == Counter({**expected, **products})


def reuse_jobs(scale):
    """Jobs by verb of the reuse study, from its sheet: sets of the parameters that each stage declares."""
    from retrace.studies.reuse.params import Params
    from retrace.studies.reuse.study import STUDY

    sheet = yaml.safe_load((REPOSITORY / "config/studies/reuse.yaml").read_text())["scales"][scale]
    base = yaml.safe_load((REPOSITORY / "config/studies/reuse.yaml").read_text())["base"]
    rows = [Params(**{**base, **sheet["base"], **cell}).model_dump() for cell in sheet["cells"].values()]

    def reached(verb):
        stage = STUDY.stage(verb)
        return set(stage.uses).union(*(reached(need) for need in stage.needs))

    def count(verb):
        different = {repr([row[name] for name in sorted(reached(verb))]) for row in rows}
        return len(different) * len(sheet["seeds"])

    return {f"reuse_{stage.verb}_job": count(stage.verb) for stage in STUDY.stages}


@pytest.mark.parametrize("scale", ["smoke", pytest.param("laptop", marks=pytest.mark.slow)])
def test_the_dry_run_plans_what_the_reuse_sheet_says(source, scale):
    jobs = planned(source, "reuse", config=(f"scale={scale}",))
    draws = {f"{paper}_draw_job": 1 for paper in ("arm", "preindex", "resque", "across-reuse")}
    assert jobs == Counter({**reuse_jobs(scale), **draws, "judge_job": 4, "publish_job": 8, "reuse": 1})


def test_every_name_can_be_asked_for(source):
    done = source.snakemake("--list-target-rules")
    names = {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    verbs = {f"dummy_{verb}" for verb in (*STAGES, "judge", "draw")}
    assert {"all", "dummy", "dummy-paper", "rehearse", *verbs} == names


def test_a_part_can_be_asked_for(source):
    jobs = planned(source, "dummy_attack", config=("scale=smoke", 'studies=["dummy"]'))
    assert jobs == {"dummy_prepare_job": 1, "dummy_train_job": 4, "dummy_attack_job": 4, "dummy_attack": 1}


@pytest.mark.parametrize(
    ("words", "config", "place", "hint"),
    [
        (("dummy_atack",), ("scale=smoke",), "unknown target 'dummy_atack'", "did you mean 'dummy_attack'?"),
        (
            ("dummy", "--until", "dummy_attack"),
            ("scale=smoke",),
            "unknown rule of jobs 'dummy_attack'",
            "did you mean 'dummy_attack_job'?",
        ),
        ((), ("scale=smok",), "config: scale: 'smok' is not allowed", "did you mean 'smoke'?"),
    ],
)
def test_a_wrong_name_is_answered_in_one_line(source, words, config, place, hint):
    line = one_line(source.snakemake(*words, "-n", config=config))
    assert place in line
    assert hint in line


def test_a_wrong_key_in_a_sheet_is_answered_in_one_line(source, tmp_path):
    clone = source.copy(tmp_path / "clone")
    clone.edit("config/studies/dummy.yaml", "per_class: 12", "per_clas: 12")
    line = one_line(clone.snakemake("-n"))
    assert "config/studies/dummy.yaml: scales.smoke.cells.weak: unknown key 'per_clas'" in line
    assert "did you mean 'per_class'?" in line


def test_lint_is_clean_and_the_catalog_s_snakefile_works(source):
    assert "good condition" in source.call("snakemake", "--lint").stderr
    jobs = planned(source, "-s", "workflow/Snakefile", config=("scale=smoke", 'studies=["dummy"]'))
    assert jobs["dummy_attack_job"] == WHOLE_RUN["attack"]
