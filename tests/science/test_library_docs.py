import re
import subprocess
import sys
from pathlib import Path

import pytest

from retrace.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "library.md"
TEXT = PAGE.read_text(encoding="utf-8")
NUMBER = re.compile(r"\d+\.\d+")
WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def without(names, code):
    """What code does in an interpreter in which these packages cannot be imported."""
    words = (sys.executable, "-c", WITHOUT.format(names=names) + code)
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=PAGE.parents[1])


def blocks(heading):
    """The Python blocks of one part of the page."""
    part = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    assert found, heading
    return found


def run(heading, capsys):
    """The variables that the part's blocks leave, and the lines that they print, as the page says."""
    space: dict = {}
    for block in blocks(heading):
        exec(block, space)  # the page is ours
    printed = capsys.readouterr().out.splitlines()
    part = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    said = "".join(re.findall(r"\nprints\n\n```\n(.*?)```", part, re.DOTALL)).splitlines()
    assert [NUMBER.sub("#", line) for line in printed] == [NUMBER.sub("#", line) for line in said]
    for line, other in zip(printed, said, strict=True):  # machines differ in how networks train
        assert [float(n) for n in NUMBER.findall(line)] == pytest.approx(
            [float(n) for n in NUMBER.findall(other)], abs=0.3
        )
    return space, printed


def test_certify_decides_both_ways(capsys):
    _, (first, second) = run("Certify my network", capsys)
    assert first.startswith("y_0 >= -0.2: sat tensor(")
    assert second == "y_0 >= -0.1: unsat None"


def test_audit_finds_what_the_stand_ins_leak(capsys):
    space, printed = run("Audit my model", capsys)
    best = float(re.search(r"AUC ([\d.]+)", printed[0]).group(1))
    assert best > 0.7  # difficulty taken out by the references
    assert best >= max(attack.auc.value for attack in space["found"].attacks) - 0.005
    assert float(re.search(r"at least ([\d.]+)", printed[3]).group(1)) > 0.5
    assert printed[3].endswith("sets differ: False")
    assert [line.split(":")[0] for line in printed[4:]] == ["loss", "lira_online", "rmia_online"]
    assert all(float(re.search(r"AUC ([\d.]+)", line).group(1)) > 0.55 for line in printed[4:])
    assert space["html"].startswith("<!doctype html>")


def test_units_are_scored(capsys):
    space, printed = run("Score my language model's units", capsys)
    assert printed == ["48 neurons and 4 heads a layer", "exclusive safety units: 10 of 96"]
    assert (space["safety"].mlp > 0).any()


def test_the_page_names_every_operator():
    from retrace.verify.foreign.operators import MOVES, OPERATORS

    words = set(re.findall(r"\w+", TEXT))
    assert set(OPERATORS) | set(MOVES) <= words


def test_the_page_names_every_array_of_an_audits_file():
    from retrace.auditing.saved import NAMES

    assert [name for name in NAMES if f"`{name}`" not in TEXT] == []


def test_the_one_import_needs_no_network_library_and_hands_out_functions():
    heavy = {"torch", "transformers", "onnx", "opacus", "dp_accounting", "snakemake", "dvc", "codecarbon"}
    code = """
from retrace import library
from retrace.library import lira, rmia, auc, tpr_at_fpr, loss
assert all(callable(getattr(library, name)) for name in library.__all__)
import retrace.cli, retrace.auditing.command, retrace.data.add, retrace.claims.judge
"""
    done = without(heavy, code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["sigmoid", "Pow"])
def test_an_operator_that_the_page_refuses_is_not_taken(name):
    from retrace.verify.foreign.operators import MOVES, OPERATORS

    refused = TEXT.partition("### What is refused")[2].partition("\n### ")[0]
    assert name.capitalize() in refused
    assert name.capitalize() not in {*OPERATORS, *MOVES}


def test_a_plain_install_says_which_extra_a_command_needs():
    for module, words, extra in (
        ("torch", "['verify', 'a.onnx', 'b.vnnlib']", "onnx"),
        ("snakemake", "['verdicts']", "workflow"),
    ):
        code = f"""
import retrace.planning.workflow as flow, retrace.cli as cli
def plan(*_): import snakemake
flow.Workflow.plan = plan
sys.exit(cli.main({words}))
"""
        done = without({module}, code)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert f"pip install 'retrace[{extra}]'" in done.stderr


def test_the_tutorial_audits_a_model(tmp_path, monkeypatch, capsys):
    page = PAGE.with_name("tutorial.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (command,) = re.findall(r"^retrace (audit-model .*)$", page, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(block, {})  # the page is ours
    assert main(command.split()) == 0
    (told,) = re.findall(r"^loss +(0\.\d+)", capsys.readouterr().out, re.MULTILINE)
    assert f"about {float(told):.1f}" in page
    assert (tmp_path / "audit.html").is_file()
