"""config/more.yaml: laid over sheets, checked, raised, and never overwritten unasked."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from test_choose import OUTLOOK
from test_sheet import ROOT, refusal

from retrace import sheet
from retrace.claims.judged import Judged
from retrace.claims.load import load_claims
from retrace.claims.looks import Looks, planned
from retrace.claims.trial import Trial
from retrace.claims.verdict import Verdict
from retrace.config import Config, load_config
from retrace.errors import RetraceError
from retrace.more import PLACE, more_text, read_more, write_more
from retrace.planning.plan import plan_study
from retrace.planning.workflow import Workflow
from retrace.upkeep import decide, index, power
from retrace.upkeep.standing import Standing

REUSE = sheet.load_study("reuse")
SMOKE = load_config({"scale": "smoke"})


@pytest.fixture
def root(tmp_path):
    """A checkout without evidence, whose config folder may be changed."""
    for name in ("data", "src", "claims"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/studies").symlink_to(ROOT / "config/studies")
    return tmp_path


def write(root, text):
    (root / PLACE).write_text(text)


def seeds(root, scale="smoke"):
    return {cell.name: cell.seeds for cell in sheet.load_cells(REUSE, scale, root)}


def test_an_absent_or_empty_file_says_nothing(root):
    plain = seeds(root)
    assert set(plain.values()) == {(0, 1)}
    write(root, "# nothing yet\n")
    assert read_more(root) == {}
    assert seeds(root) == plain


def test_only_the_named_cells_of_the_named_scale_get_more_seeds(root):
    write(root, "smoke: {reuse: {digits-cnn: 4}}")
    assert seeds(root)["digits-cnn"] == (0, 1, 2, 3)
    assert seeds(root)["digits-vgg"] == (0, 1)
    assert set(seeds(root, "laptop").values()) == {tuple(range(8))}


def test_fewer_seeds_are_the_first_of_every_cell(root):
    write(root, "smoke: {reuse: {digits-cnn: 4}}")
    cells = {cell.name: cell.seeds for cell in sheet.load_cells(REUSE, "smoke", root, most=3)}
    assert (cells["digits-cnn"], cells["digits-vgg"]) == ((0, 1, 2), (0, 1))
    few = plan_study(REUSE, Config(scale="smoke", seeds=1), root)
    assert {row.seed for row in few.rows} == {0}
    assert few.tasks.keys() < plan_study(REUSE, SMOKE, root).tasks.keys()
    with pytest.raises(RetraceError, match=r"decide: .* leave out seeds=1"):
        decide.run(Config(scale="smoke", seeds=1), root, 60.0, True)


def test_a_pilot_has_seeds_that_no_sheet_has(root):
    write(root, "smoke: {reuse: {digits-cnn: 4}}")
    config = Config(scale="smoke", pilot=2)
    pilot = plan_study(REUSE, config, root)
    assert {row.seed for row in pilot.rows} == {100, 101}
    assert pilot.looks == ()
    seeded = {key for key, task in pilot.tasks.items() if task.seed is not None}
    assert seeded
    assert not seeded & plan_study(REUSE, SMOKE, root).tasks.keys()
    write(root, "smoke: {reuse: {digits-cnn: 101}}")
    many = {cell.name: cell.seeds for cell in sheet.load_cells(REUSE, "smoke", root, pilot=2)}
    assert (many["digits-cnn"], many["digits-vgg"]) == ((200, 201), (100, 101))
    with pytest.raises(RetraceError, match=r"decide: .* leave out pilot=2"):
        decide.run(config, root, 60.0, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smoke: {reus: {digits-cnn: 4}}", "smoke: unknown study 'reus' (did you mean 'reuse'?)"),
        (
            "smoke: {reuse: {digit-cnn: 4}}",
            "smoke.reuse: unknown cell 'digit-cnn' (did you mean 'digits-cnn'?)",
        ),
        (
            "smoke: {reuse: {digits-cnn: 1}}",
            "smoke.reuse.digits-cnn: 1 means seeds 0 to 0, the sheet has [0, 1]; raise it",
        ),
        ("smok: {}", "'smok' is not allowed (did you mean 'smoke'?)"),
        ("smoke: {reuse: {digits-cnn: many}}", "smoke.reuse.digits-cnn: Input should be a valid integer"),
        ("smoke: {reuse: {digits-cnn: 8.5}}", "smoke.reuse.digits-cnn: Input should be a valid integer"),
        ("smoke: {reuse: {digits-cnn: true}}", "smoke.reuse.digits-cnn: Input should be a valid integer"),
        ("smoke: {reuse: {digits-cnn: 0}}", "digits-cnn: Input should be greater than or equal to 1, got 0"),
        ("smoke: {reuse: 4}", "smoke.reuse: Input should be a valid dictionary"),
        ("[smoke]", "Input should be a valid dictionary"),
        ("smoke: {reuse: {digits-cnn: 4, digits-cnn: 5}}", "given twice"),
    ],
)
def test_every_mistake_is_one_line(root, text, expected):
    write(root, text)
    line = refusal(sheet.load_cells, REUSE, "smoke", root)
    assert line.startswith(PLACE)
    assert expected in line


def test_added_seeds_leave_every_other_name_as_it_was_and_are_reached(root):
    before = plan_study(REUSE, SMOKE, root)
    write(root, "smoke: {reuse: {digits-cnn: 3}}")
    after = plan_study(REUSE, SMOKE, root)
    assert before.tasks.keys() < after.tasks.keys()
    added = [task for key, task in after.tasks.items() if key not in before.tasks]
    assert {task.seed for task in added} == {2}
    assert (before.looks, after.looks) == ((), (2, 8, 12, 17, 24))
    assert {task.evidence for task in added} <= index.reached(SMOKE, root)


def test_the_judge_is_told_the_looks_and_the_seeds_of_each_cell_of_its_table(root):
    write(root, "smoke: {reuse: {digits-cnn: 8}}")
    jobs = {paper: product.job for paper, product in Workflow.plan(SMOKE, root).judged.items()}
    assert jobs["arm"].looks == [2, 8, 12, 17, 24]
    assert jobs["arm"].seeds["digits-cnn"] == 8
    assert jobs["arm"].seeds["digits-vgg"] == 2
    assert jobs["armin"].looks == [2, 8, 12, 17, 24]  # a scale has looks or has none
    (root / PLACE).unlink()
    assert Workflow.plan(SMOKE, root).judged["arm"].job.looks == []


def test_writing_merges_and_only_raises(root):
    write_more(root, "laptop", {"reuse": {"b": 8, "a": 12}})
    write_more(root, "smoke", {"memory": {"copy": 8}})
    write_more(root, "laptop", {"reuse": {"a": 8, "b": 12, "c": 8}})
    assert read_more(root) == {
        "laptop": {"reuse": {"a": 12, "b": 12, "c": 8}},
        "smoke": {"memory": {"copy": 8}},
    }
    assert (root / PLACE).read_text() == more_text(read_more(root))


def test_an_edited_file_is_written_anew_only_when_told(root):
    text = "# ours\nlaptop: {reuse: {a: 9}}\n"
    write(root, text)
    line = refusal(write_more, root, "laptop", {"reuse": {"a": 8}})
    assert "--rewrite" in line
    assert (root / PLACE).read_text() == text
    write_more(root, "laptop", {"reuse": {"a": 8}}, edited=True)
    assert read_more(root) == {"laptop": {"reuse": {"a": 9}}}


def test_decide_prints_and_only_then_writes(root, monkeypatch):
    codes = {"ranks-intensity-epochs": "open", "ranks-shifts-epochs": "near"}

    def standing(flow, paper, with_looks):
        plan = flow.plans["reuse"]
        judged = [
            Judged(Trial(claim), Verdict("open", ""))
            for claim in load_claims(ROOT / "claims/arm.yaml").claims
        ]
        made = [replace(OUTLOOK, id=name, code=code) for name, code in codes.items()]
        return Standing(paper, plan, Looks(planned(2), {}), judged, made)

    config = load_config({"scale": "smoke", "studies": ["reuse"]})
    monkeypatch.setattr(decide, "lacking", lambda flow, paper: "")
    monkeypatch.setattr(decide, "stand", standing)
    monkeypatch.setattr(
        decide, "read_record", lambda path: {"meter": {"cpu_seconds": 1, "overhead_seconds": 0}}
    )
    text = decide.run(config, root, 600.0, dry=True)
    assert "digits-shift" in text
    assert "too near to call" in text
    assert max(map(len, text.splitlines())) <= 110
    assert not (root / PLACE).exists()
    text = decide.run(config, root, 600.0, dry=False)
    assert "now run: snakemake --cores all reuse --config scale=smoke" in text
    assert read_more(root) == {"smoke": {"reuse": {"digits-shift": 8}}}
    assert "the cheapest, reuse digits-shift to 12 seeds, takes" in refusal(
        decide.run, config, root, 1.0, False
    )
    assert read_more(root) == {"smoke": {"reuse": {"digits-shift": 8}}}


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("60min", 3600), ("1.5h", 5400)])
def test_a_budget_has_a_unit(text, seconds):
    assert decide.cpu_seconds(text) == seconds


@pytest.mark.parametrize("text", ["60", "min", "-5min", "0s", "an hour"])
def test_another_budget_is_one_line(text):
    assert "say a CPU time such as" in refusal(decide.cpu_seconds, text)


def test_without_evidence_a_line_names_the_command_that_makes_it(root):
    expected = "arm: no evidence at scale smoke; snakemake --cores all arm --config scale=smoke makes it"
    assert power.report(SMOKE, root, ["arm"]) == expected
    assert re.match("decide: [a-z0-9]+: no evidence", refusal(decide.run, SMOKE, root, 60.0, True))
    assert "did you mean 'arm'?" in refusal(power.report, SMOKE, root, ["amr"])
