"""The configuration: one line for every mistake, defaults and schemas that never drift."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from retrace.config import Config, flags_of, load_config
from retrace.errors import RetraceError
from retrace.reference import floors, language, schemas
from retrace.reference.spliced import END
from retrace.sheet import chosen_studies, known_studies

ROOT = Path(__file__).resolve().parents[2]


def refusal(raw):
    with pytest.raises(RetraceError) as caught:
        chosen_studies(load_config(raw), ROOT)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_nothing_given_is_the_laptop_run_of_everything():
    config = load_config({})
    assert (config.scale, config.studies, config.download) == ("laptop", "all", False)
    assert [study.name for study in chosen_studies(config, ROOT)] == known_studies()


@pytest.mark.parametrize(
    ("raw", "edition", "options"),
    [
        ({}, "laptop", ["scale=laptop"]),
        ({"seeds": "sheet", "scale": "smoke"}, "smoke", ["scale=smoke"]),
        ({"seeds": 3}, "laptop-3-seeds", ["scale=laptop", "seeds=3"]),
        ({"seeds": "3"}, "laptop-3-seeds", ["scale=laptop", "seeds=3"]),
        ({"pilot": "2", "scale": "smoke"}, "smoke-pilot-2", ["scale=smoke", "pilot=2"]),
    ],
)
def test_fewer_seeds_are_an_edition_of_their_own(raw, edition, options):
    config = load_config(raw)
    assert (config.edition, config.options) == (edition, options)
    assert flags_of(edition).split() == [word for o in options for word in f"--{o}".split("=")]


@pytest.mark.parametrize("studies", ["reuse", ["reuse"], ["reuse", "reuse"], "reuse, reuse"])
def test_one_study_can_be_named_with_or_without_a_list(studies):
    assert [study.name for study in chosen_studies(load_config({"studies": studies}), ROOT)] == ["reuse"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"scal": "smoke"}, "config: unknown key 'scal' (did you mean 'scale'?)"),
        ({"scale": "labtop"}, "config: scale: 'labtop' is not allowed (did you mean 'laptop'?)"),
        ({"scale": "huge"}, "config: scale: 'huge' is not allowed"),
        ({"pilot": 2, "seeds": 3}, "config: pilot and seeds: a pilot has seeds of its own; give one"),
        ({"pilot": -1}, "config: pilot: "),
        ({"pilot": 1000}, "config: pilot: Input should be less than or equal to 24, got 1000"),
        ({"seeds": 0}, "config: seeds: say `sheet`, or how many seeds of every cell, from 1"),
        ({"seeds": "all"}, "config: seeds: say `sheet`"),
        ({"seeds": 2.5}, "config: seeds: say `sheet`"),
        ({"scale": None}, "config: scale: None is not allowed"),
        ({"device": "gpu"}, "config: device: 'gpu' is not allowed"),
        (
            {"carbon": {"factor": 1}},
            "config: unknown key 'carbon.factor' (did you mean 'factor_kg_per_kwh'?)",
        ),
        (
            {"carbon": {"factor_kg_per_kwh": 0}},
            "config: carbon.factor_kg_per_kwh: Input should be greater than 0",
        ),
        ({"carbon": {"country": "France"}}, "config: carbon.country: String should match pattern"),
        ({"carbon": 3}, "config: carbon: Input should be a valid dictionary"),
        ({"download": "perhaps"}, "config: download: Input should be a valid boolean"),
        ({"studies": ["rouse"]}, "unknown study 'rouse' (did you mean 'reuse'?)"),
        ({"studies": "rouse"}, "unknown study 'rouse' (did you mean 'reuse'?)"),
        ({"studies": [["reuse"]]}, "config: studies"),
        ({"studies": 3}, "config: studies"),
        ({"studies": "reuse,rouse"}, "unknown study 'rouse' (did you mean 'reuse'?)"),
        *(
            ({"studies": none}, "config: studies: empty; say all, or some such as")
            for none in (None, [], "", ",")
        ),
        ({"carbon": {"cpu_watts": float("inf")}}, "config: carbon.cpu_watts: inf is not a finite number"),
        ({"carbon": {"cpu_watts": True}}, "config: carbon.cpu_watts: true is not a number"),
    ],
)
def test_every_mistake_is_one_line(raw, expected):
    assert expected in refusal(raw)


def test_generated_files_fit_the_models():
    assert schemas.drift(ROOT, fix=False) == [], "run `retrace schemas --fix`"


def test_the_default_file_is_the_default(tmp_path):
    assert load_config(yaml.safe_load(schemas.config_text(Config()))) == Config()
    assert (ROOT / schemas.CONFIG).read_text() == schemas.config_text(Config())
    for name in ("claims", "config/studies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    design = tmp_path / floors.DESIGN
    design.parent.mkdir()
    design.write_text(f"ours\n{floors.BEGIN}old\n{END}ours, too\n")
    (tmp_path / language.PAGE).write_text(f"{language.BEGIN}old\n{END}")
    assert schemas.drift(tmp_path, fix=True) == list(schemas.generated(ROOT))
    assert schemas.drift(tmp_path, fix=False) == []
    assert design.read_text() == f"ours\n{floors.BEGIN}{floors.table()}{END}ours, too\n"
    for mark in (floors.BEGIN, END):
        design.write_text(f"{floors.BEGIN}{END}".replace(mark, ""))
        with pytest.raises(RetraceError, match=r"docs/design\.md: the marks around the table"):
            schemas.drift(tmp_path, fix=True)


@pytest.fixture
def root(tmp_path):
    """What the generated files are made of."""
    for name in ("claims", "config"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def test_what_a_user_set_in_the_file_outlives_a_fix(root):
    path = root / schemas.CONFIG
    own = {"scale": "gpu", "datasets": "/sets: all #1", "carbon": {"country": "DEU"}}
    path.write_text(yaml.safe_dump(own))
    assert schemas.CONFIG in schemas.drift(root, fix=True)
    assert load_config(yaml.safe_load(path.read_text())) == load_config(own)
    assert "# ISO code" in path.read_text()


def test_a_page_written_by_hand_is_not_overwritten(root):
    path = root / "docs/papers/arm.md"
    path.parent.mkdir(parents=True)
    path.write_text("# My notes on ARM\n")
    with pytest.raises(RetraceError, match=r"docs/papers/arm\.md: .* rename yours"):
        schemas.drift(root, fix=True)
    assert path.read_text() == "# My notes on ARM\n"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "profiles").glob("*/config.yaml")), ids=lambda path: path.parent.name
)
def test_every_profile_keeps_to_names_as_proof(path):
    """A named profile replaces the default one, so that each must say these."""
    profile = yaml.safe_load(path.read_text())
    assert profile["rerun-triggers"] == ["mtime"]
    assert profile["rerun-incomplete"] is True
    assert profile["scheduler"] == "greedy"
    assert profile["show-failed-logs"] is True
