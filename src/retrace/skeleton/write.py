"""Write a new study from the skeleton: package, sheet, claims, test and page, then the generated files."""

from __future__ import annotations

import importlib
import json
import keyword
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

from retrace.errors import RetraceError
from retrace.files import write_atomic
from retrace.reference import schemas
from retrace.sheet import known_studies, load_study

SKELETON = Path(__file__).parent / "study"
HOMES = {  # place in the skeleton -> place in the repository
    "src": "src/retrace/studies/$name",
    "sheet.yaml": "config/studies/$name.yaml",
    "claims.yaml": "claims/$paper.yaml",
    "test.py": "tests/science/test_$name.py",
    "page.md": "docs/methods/$name.md",
}
NAME = r"[a-z][a-z0-9]*"  # a package, a rule and a folder are called by it
SLUG = r"[a-z][a-z0-9-]*"


def new_study(root: Path, name: str, paper: str, words: Mapping[str, str]) -> list[str]:
    """Write a study that runs at the smoke scale as it is; the paths of its files, relative to `root`.

    `words` has the paper's `title` and `citation`, and the question that the study `asks`. Raises
    RetraceError for a name that is taken or cannot be one, or when a file is there already; nothing is
    overwritten, and nothing is written then.
    """
    _refuse(name, paper, words)
    quoted = {f"quoted_{what}": json.dumps(text, ensure_ascii=False) for what, text in words.items()}
    words = {"name": name, "paper": paper, **words, **quoted}  # JSON's quotes are YAML's and Python's, too
    files = {_home(path, words): Template(path.read_text()).substitute(words) for path in _parts()}
    for path in files:
        if (root / path).exists():
            raise RetraceError(f"{path}: is there already; choose another name, or move it away")
    for path, text in files.items():
        write_atomic(root / path, text.encode())
    importlib.invalidate_caches()
    return [*files, *schemas.drift(root, fix=True)]


def _parts() -> list[Path]:
    return sorted(path for path in SKELETON.rglob("*.txt") if path.is_file())


def _home(path: Path, words: dict[str, str]) -> str:
    """Where a file of the skeleton goes: `src/init.py.txt` to the package's `__init__.py`."""
    first, _, rest = path.relative_to(SKELETON).with_suffix("").as_posix().partition("/")
    home = Template(HOMES[first]).substitute(words)
    return f"{home}/{rest.replace('init.py', '__init__.py')}" if rest else home


def _refuse(name: str, paper: str, words: Mapping[str, str]) -> None:
    if not re.fullmatch(NAME, name):
        raise RetraceError(f"new-study: {name!r} cannot name a study; it must match {NAME}")
    if not re.fullmatch(SLUG, paper):
        raise RetraceError(f"new-study: {paper!r} cannot name a paper; it must match {SLUG}")
    if keyword.iskeyword(name):
        raise RetraceError(f"new-study: {name!r} is a word of Python's own; choose another name")
    studies = [load_study(known) for known in known_studies()]
    targets = {"all", *known_studies(), *(slug for study in studies for slug in study.papers)}
    for word in (name, paper):
        if word in targets:
            raise RetraceError(f"new-study: {word!r} is a target already; choose another name")
    if name == paper:
        raise RetraceError(
            f"new-study: study and paper are both called {name!r} and could not be told apart as targets; "
            "give --paper another name"
        )
    for what, text in words.items():
        if not text.strip() or not text.isprintable():
            raise RetraceError(f"new-study: --{what}: say it in one line of words")
