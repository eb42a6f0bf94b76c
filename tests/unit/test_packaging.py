"""What pip installs: enough for what is light, nothing that is not pinned, and files that are no code."""

import ast
import re
import sys
import tomllib
from pathlib import Path

from retrace.recipe import SOURCE, closure

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "dp_accounting": "dp-accounting"}


def names(requirements):
    return {re.split(r"[<>=\[]", each)[0] for each in requirements}


def outside(module):
    path = SOURCE.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return {NAMES.get(name, name) for name in found - {"retrace", *sys.stdlib_module_names}}


def test_a_plain_install_has_what_the_light_parts_import():
    """And an extra has what they import when a network is asked."""
    light = ("retrace.library", "retrace.claims.judge", "retrace.plot.claimstrip", "retrace.data.add")
    needed = {name for door in light for module in closure(door) for name in outside(module)}
    # codecarbon is loaded when a meter runs, typing_extensions comes with pydantic
    assert needed - names(PROJECT["dependencies"]) == {"torch", "codecarbon", "typing_extensions"}


def test_every_requirement_is_pinned_for_runs():
    pins = names(
        line for line in (ROOT / "envs/requirements.in").read_text().splitlines() if line and line[0] != "#"
    )
    extras = PROJECT["optional-dependencies"]
    wanted = names([*PROJECT["dependencies"], *(each for extra in extras.values() for each in extra)])
    assert wanted - {"retrace"} <= pins


def test_every_extra_that_a_message_or_a_page_names_exists():
    for path in [*(SOURCE / "retrace").rglob("*.py"), *(ROOT / "docs").rglob("*.md")]:
        for extra in re.findall(r"(?:retrace|install '\.)\[(\w+)\]", path.read_text(encoding="utf-8")):
            assert extra in PROJECT["optional-dependencies"], f"{path}: {extra}"
