"""More seeds than the sheets say: `config/more.yaml`, laid over them cell by cell.

{scale: {study: {cell: n}}} means seeds 0 to n-1. `retrace decide` writes it, a hand may. A scale that it
names, be it without a study, is judged at looks fixed beforehand (`claims.looks`); where there is no such
file, nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, RootModel, StrictInt

from retrace.config import Scale, validate
from retrace.errors import RetraceError
from retrace.files import write_atomic
from retrace.yamls import read_yaml

PLACE = "config/more.yaml"
HEAD = (
    "# Seeds 0 to n-1 of these cells, beyond those of their sheets: written by `retrace decide`, see\n"
    "# docs/decide.md. Numbers may be raised by hand.\n"
)
Seeds = Mapping[str, Mapping[str, Mapping[str, int]]]  # by scale, study and cell


class More(RootModel[dict[Scale, dict[str, dict[str, Annotated[StrictInt, Field(ge=1)]]]]]):
    """The content of the file."""


def read_more(root: Path) -> Seeds:
    """What the file says, {scale: {study: {cell: n}}}; nothing where it is absent or empty.

    RetraceError, one line, for anything else than names and whole numbers.
    """
    if not (root / PLACE).exists():
        return {}
    made = validate(More, read_yaml(root / PLACE, PLACE) or {}, PLACE)
    return {str(scale): studies for scale, studies in made.root.items()}


def write_more(root: Path, scale: str, raised: Mapping[str, Mapping[str, int]], edited: bool = False) -> None:
    """Raise the numbers of the file at `scale` to those of {study: {cell: n}}, and lower none.

    RetraceError, with the file as it was, when it holds what no program wrote (comments, another order),
    unless it is said that it is `edited` and may be written anew.
    """
    old = read_more(root)
    path = root / PLACE
    if path.exists() and path.read_text(encoding="utf-8") != more_text(old) and not edited:
        raise RetraceError(
            f"{PLACE}: edited by hand; its comments and order would be lost: add --rewrite (its numbers stay)"
        )
    new = {s: {study: dict(cells) for study, cells in studies.items()} for s, studies in old.items()}
    for study, cells in raised.items():
        own = new.setdefault(scale, {}).setdefault(study, {})
        own.update({cell: max(n, own.get(cell, 0)) for cell, n in cells.items()})
    write_atomic(path, more_text(new).encode())


def more_text(seeds: Seeds) -> str:
    """The file's text: scales, studies and cells in alphabetical order."""
    lines = []
    for scale, studies in sorted(seeds.items()):
        lines.append(f"{scale}:" if studies else f"{scale}: {{}}")
        for study, cells in sorted(studies.items()):
            lines.append(f"  {study}:" if cells else f"  {study}: {{}}")
            lines += [f"    {cell}: {n}" for cell, n in sorted(cells.items())]
    return HEAD + "".join(f"{line}\n" for line in lines)
