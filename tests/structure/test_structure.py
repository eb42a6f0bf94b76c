"""The house stands as designed: sizes, who may import whom, docstrings, no traces of a machine."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
import typing
from functools import cache
from pathlib import Path

import pytest

from retrace.recipe import SOURCE, closure
from retrace.reference.floors import FLOORS

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": str(SOURCE)}
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((SOURCE / "retrace").rglob("*.py"))
}
STUDIES = sorted(path.parent.name for path in (SOURCE / "retrace/studies").glob("*/study.py"))
LIGHT = [name for name, room in FLOORS.items() if not room.torch]
HEAVY = {"torch", "torchvision", "transformers", "opacus", "accelerate", "safetensors.torch"}
# the places that import a study by its name, which a sheet gives; the server imports installed packages only
BY_NAME = {"retrace.sheet", "retrace.verbs.stage", "retrace.verbs.judge", "retrace.verbs.draw"}
BY_NAME |= {"retrace.warm.server", "retrace.rehearsal.cell"}
DOOR = list(FLOORS)[list(FLOORS).index("studies") + 1 :]  # what stands on studies


def listed():
    """Files that git tracks or would track."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


@cache
def tree(module):
    return ast.parse(MODULES[module].read_bytes())


def outside(module):
    """What a module imports from outside the package, under `if TYPE_CHECKING` too."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.split(".")[0] != "retrace"}


@cache
def inside(module):
    """The modules of the package that one imports itself."""
    nodes = [node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom) and node.module]
    names = {name for n in nodes for name in (n.module, *(f"{n.module}.{a.name}" for a in n.names))}
    return names & MODULES.keys()


def heavy(module):
    names = outside(module)
    return {name for name in names if name.split(".")[0] in HEAVY or name in HEAVY}


def test_files_are_small():
    code = [
        name
        for name in listed()
        if name.endswith((".py", ".smk", ".md", ".toml", ".yaml")) or "Snakefile" in name
    ]
    lines = {name: len((ROOT / name).read_bytes().splitlines()) for name in code}
    assert {name: count for name, count in lines.items() if count > 400} == {}
    assert max(count for name, count in lines.items() if name.startswith("rules/")) <= 80
    assert statistics.median(count for name, count in lines.items() if name.startswith("src/")) <= 110


@pytest.mark.parametrize("package", LIGHT)
def test_what_works_on_arrays_never_loads_a_network_library(package):
    for module in rooms()[package]:
        loaded = {name: heavy(name) for name in closure(module) if heavy(name)}
        assert loaded == {}, f"importing {module} loads {loaded}"


def room(module):
    """The module or package right below `retrace` that a module is in; of `retrace` itself, the ground."""
    return module.split(".")[1] if "." in module else "errors"


def rooms():
    """The modules of every room."""
    found = {}
    for module in MODULES:
        found.setdefault(room(module), []).append(module)
    return found


def allowed(name):
    return {name, "errors", *FLOORS[name].imports.split()}


def below(name):
    """All rooms that a room may reach by the table."""
    return allowed(name).union(*map(below, allowed(name) - {name, "errors"}))


def test_a_room_imports_only_rooms_that_stand_before_it():
    """So nothing climbs back up, and there is no circle."""
    assert FLOORS.keys() == rooms().keys()
    order = list(FLOORS)
    for name, place in FLOORS.items():
        assert set(place.imports.split()) < set(order[: order.index(name)]) or not place.imports, name


@pytest.mark.parametrize("name", FLOORS)
def test_modules_import_what_the_table_of_rooms_lets_them(name):
    """Directly (for types, too), and through whatever they import."""
    for module in rooms()[name]:
        assert {n for n in inside(module) if room(n) not in allowed(name)} == set(), module
        assert {n for n in closure(module) if room(n) not in below(name)} == set(), module


def test_the_map_of_the_house_is_true():
    """What docs/design.md says is there is there, and what is to come is not yet."""
    text = (ROOT / "docs/design.md").read_text().partition("## Where things live")[2].partition("\n## ")[0]
    places = re.findall(r"`([\w/]+(?:/|\.py))`( \(to come\))?", text)
    assert len(places) > 20
    for place, to_come in places:
        assert (SOURCE / "retrace" / place).exists() is not bool(to_come), (
            f"docs/design.md: {place}: exists exactly where it is not (to come); add or take away the words"
        )


def test_walls_that_no_edit_of_the_table_may_open():
    above = {"sheet", "planning", "upkeep", "verbs", "job", "cli", "reference"}
    assert not below("records") & {*above, "studies", "study"}
    assert not below("studies") & {*above, "records"}
    assert not below("planning") & {"upkeep", "verbs", "job", "cli"}
    assert "planning" in below("upkeep")
    assert {"attacks", "stats", "claims", "plot", "report"} <= set(LIGHT)
    for method in ("attacks", "compress", "data", "defenses", "llm", "metrics", "nets", "training", "verify"):
        assert not below(method) & {*above, "records", "studies", "claims", "plot", "report"}, method


@pytest.mark.parametrize("study", STUDIES)
def test_verdicts_and_figures_of_a_study_never_load_a_network_library(study):
    for part in ("study", "table", "figures.draw"):
        loaded = {name for name in closure(f"retrace.studies.{study}.{part}") if heavy(name)}
        assert loaded == set(), f"{study}.{part} loads a network library through {loaded}"


def test_planning_loads_no_network_library():
    code = (
        "import sys; from pathlib import Path; from retrace.config import Config, SCALES; "
        "from retrace.planning.workflow import Workflow; "
        "[Workflow.plan(Config(scale=scale), Path.cwd()) for scale in SCALES]; "
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    words = (sys.executable, "-c", code)
    done = subprocess.run(words, cwd=ROOT, env=ENV, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & (
        HEAVY | {"snakemake", "matplotlib", "codecarbon", "pandas", "scipy"}
    )


def test_stages_that_say_so_need_no_network_library():
    from retrace.sheet import load_study

    for study in map(load_study, STUDIES):
        for stage in study.stages:
            loads = any(heavy(name) for name in closure(f"retrace.studies.{study.name}.{stage.verb}"))
            assert loads <= stage.torch, f"{study.name} {stage.verb} says torch=False and loads it"


def test_the_library_does_not_know_snakemake():
    for module in MODULES:
        assert not {name for name in outside(module) if name.split(".")[0].startswith("snakemake")}, module


@pytest.mark.parametrize("study", STUDIES)
def test_studies_do_not_import_each_other_nor_the_door(study):
    others = tuple(f"retrace.studies.{other}." for other in STUDIES if other != study)
    doors = tuple(f"retrace.{name}" for name in DOOR)
    for module in MODULES:
        if module.startswith(f"retrace.studies.{study}."):
            wrong = [n for n in closure(module) if n.startswith(others or ("?",)) or n.startswith(doors)]
            assert wrong == [], f"{module} imports {wrong}"


def stages():
    from retrace.sheet import load_study

    return [(study, stage) for study in map(load_study, STUDIES) for stage in study.stages]


def test_a_stage_s_run_takes_the_parameters_that_its_study_declares():
    """Then the type check says when a stage reads what its key does not hold."""
    for study, stage in stages():
        module = f"retrace.studies.{study.name}.{stage.verb}"
        (run,) = [node for node in tree(module).body if getattr(node, "name", "") == "run"]
        given = [ast.unparse(arg.annotation) for arg in run.args.args]
        assert given == [stage.params.__name__, "Inputs", "int"], module
        assert stage.params.__module__ in (f"retrace.studies.{study.name}.params", "retrace.params"), module


def classes(annotation):
    """The classes of a parameter's type, and of their fields' types."""
    for part in typing.get_args(annotation):
        yield from classes(part)
    if isinstance(annotation, type) and annotation.__module__.startswith("retrace."):
        yield annotation
        for field in getattr(annotation, "model_fields", {}).values():
            yield from classes(field.annotation)


def test_what_parameters_can_do_is_in_the_key_of_the_stage_that_has_them():
    """A stage may know a parameter's class by type alone, so its methods must come with other imports."""
    for study, stage in stages():
        code = closure(f"retrace.studies.{study.name}.{stage.verb}")
        for kind in {
            found for field in stage.params.model_fields.values() for found in classes(field.annotation)
        }:
            does = [
                n for n, v in vars(kind).items() if n[0] != "_" and (callable(v) or isinstance(v, property))
            ]
            assert not does or kind.__module__ in code, f"{study.name} {stage.verb}: {kind} can {does}"


def test_helpers_of_a_study_never_import_its_stages():
    """A verb's code then is in the keys of its own stage alone."""
    closures = {name: closure(name) for name in MODULES}
    for study, stage in stages():
        verb = f"retrace.studies.{study.name}.{stage.verb}"
        users = [name for name, found in closures.items() if name != verb and verb in found]
        assert users == [], f"{verb} is imported by {users}"


def test_modules_are_imported_by_literal_names():
    """Else the closure, and with it the key, could miss one."""
    for module in MODULES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).split(".")[-1]
                if called in ("import_module", "__import__", "exec", "run_path", "run_module", "load_module"):
                    assert module in BY_NAME, f"{module}: {ast.unparse(node)}"
            if isinstance(node, ast.ImportFrom):
                assert all(alias.name != "*" for alias in node.names), f"{module}: import *"
            if isinstance(node, ast.Name):
                assert node.id != "__import__" or module in BY_NAME, module


def test_package_files_hold_a_docstring_and_nothing_else():
    for module, path in MODULES.items():
        if path.name == "__init__.py":
            assert len(tree(module).body) == 1, f"{path}: keep it to a one-line docstring"
            assert ast.get_docstring(tree(module)), path


def undocumented(module):
    def walk(node, owner):
        for child in getattr(node, "body", []):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if child.name.startswith("_") or any(
                ast.unparse(d).endswith("overload") for d in child.decorator_list
            ):
                continue
            if not ast.get_docstring(child):
                yield f"{owner}.{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from walk(child, f"{owner}.{child.name}")

    if not ast.get_docstring(tree(module)):
        yield module
    yield from walk(tree(module), module)


def test_everything_public_has_a_docstring():
    assert [name for module in MODULES for name in undocumented(module)] == []


MACHINE = re.compile(rb"(?<![\w.:/-])/(work|root|home|Users|mnt|scratch|workspace)/\w")


def test_no_tracked_file_names_a_place_on_a_machine():
    found = {}
    for name in listed():
        data = (ROOT / name).read_bytes()
        if name.startswith("dvcstore/") or b"\0" in data[:4096] or ROOT / name == Path(__file__):
            continue
        lines = [line.strip()[:100] for line in data.splitlines() if MACHINE.search(line)]
        if lines:
            found[name] = lines
    assert found == {}


def test_each_part_of_the_house_is_there_once():
    """One rule a study and verb, one declaration, sheet and claims file a study and paper."""
    from retrace.sheet import load_study

    words = ("snakemake", "--list-rules")
    listed = subprocess.run(words, cwd=ROOT, env=ENV, capture_output=True, text=True, check=True)
    rules = set(listed.stdout.split())
    assert {"all", "judge_job", "report_job", "publish_job"} <= rules
    for study in map(load_study, STUDIES):
        assert (ROOT / f"config/studies/{study.name}.yaml").is_file()
        assert {f"{study.name}_{verb}" for verb in study.verbs} <= rules
        assert {f"{study.name}_{stage.verb}_job" for stage in study.stages} <= rules
        assert {study.name, *(f"{paper}_draw_job" for paper in study.papers), *study.papers} <= rules
        for paper in study.papers:
            assert (ROOT / f"claims/{paper}.yaml").is_file()
        for part in (
            "params",
            "table",
            "figures.draw",
            "figures.words",
            *(stage.verb for stage in study.stages),
        ):
            assert f"retrace.studies.{study.name}.{part}" in MODULES, f"{study.name} lacks {part}.py"
        assert {figure.paper for figure in study.figures} <= set(study.papers)


@pytest.mark.parametrize("study", STUDIES)
def test_what_gives_several_stages_their_networks_is_called_setup(study):
    from retrace.sheet import load_study

    home = f"retrace.studies.{study}."
    verbs = [home + stage.verb for stage in load_study(study).stages]
    for module in (name for name in MODULES if name.startswith(home) and name not in verbs):
        users = [verb for verb in verbs if module in inside(verb)]
        built = {name for name in inside(module) if name.startswith("retrace.nets.")}
        names = {name for name in built if name.endswith("names")}  # light: what sheets may say
        assert len(users) < 2 or built == names or module == home + "setup", f"{module} serves {users}"


@pytest.mark.parametrize("study", STUDIES)
def test_a_figure_is_a_file_with_its_name(study):
    """Beside `draw` and `words`, a file of `figures/` is one figure, or what several of them import."""
    from retrace.sheet import load_study

    home = f"retrace.studies.{study}.figures."
    files = {module.removeprefix(home) for module in MODULES if module.startswith(home)}
    figures = files & {figure.name for figure in load_study(study).figures}
    for name in files - figures - {"draw", "words"}:
        users = [other for other in files if home + name in inside(home + other)]
        assert len(users) > 1, f"{study}: figures/{name}.py is no figure's name and serves {users}"


def test_what_is_drawn_for_one_study_is_not_in_plot():
    users = {
        part: {module for module in MODULES if part in inside(module)}
        for part in MODULES
        if part.startswith("retrace.plot.")
    }
    for part, found in users.items():
        studies = {name.split(".")[2] for name in found if name.startswith("retrace.studies.")}
        others = {name for name in found if not name.startswith("retrace.studies.")}
        assert len(studies) > 1 or others, (
            f"{part} serves {studies or 'nothing'}: a figure is a file of its study"
        )


def test_claims_speak_of_cells_that_exist():
    """A pattern that matches no cell at any scale would leave its claim unjudged without a word."""
    from fnmatch import fnmatchcase

    from retrace.claims.load import load_claims
    from retrace.config import SCALES
    from retrace.sheet import load_cells, load_study

    for study in map(load_study, STUDIES):
        cells = [cell for scale in SCALES for cell in load_cells(study, scale, ROOT)]
        names = {str(c.params[study.settings]) if study.settings else c.name for c in cells}
        for paper in study.papers:
            for claim in load_claims(ROOT / f"claims/{paper}.yaml").claims:
                for pattern in claim.evidence.cells if claim.evidence else []:
                    assert any(fnmatchcase(name, pattern) for name in names), f"{paper} {claim.id}: {pattern}"
