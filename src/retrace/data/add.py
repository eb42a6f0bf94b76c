"""`retrace data add`: a user's data set into data/own/ and the catalogue, checked; nothing is overwritten."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from retrace.data.catalogue import CATALOGUE, COLUMNS, Entry, entries
from retrace.data.external_names import EXTERNAL
from retrace.data.given import read
from retrace.data.own import OWN
from retrace.files import npz_bytes, sha256, write_atomic
from retrace.stage import StageError

NAME = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"


def shape_of(words: str) -> tuple[int, int, int]:
    """28x28x1 as numbers; StageError for anything else."""
    found = re.fullmatch(r"(\d+)x(\d+)x(\d+)", words)
    if not found or "0" in found.groups():
        raise StageError(f"--shape {words!r}: height x width x channels, such as 28x28x1")
    height, width, channels = map(int, found.groups())
    return height, width, channels


def add(
    root: Path,
    path: Path,
    name: str,
    licence: str,
    source: str,
    *,
    version: str = "1",
    label: str = "label",
    shape: tuple[int, int, int] | None = None,
) -> Entry:
    """Check the data set at `path`, write data/own/<name>.npz and append its row to the catalogue.

    The file comes first and the row last, so that no row ever names a file that is not whole; doing it again
    after a kill goes on. StageError or RetraceError, one line, for a name that is taken or no name, for data
    that do not do, and where another file lies in the place.
    """
    if not re.fullmatch(NAME, name):
        raise StageError(f"--name {name!r}: small letters, digits and single _, a letter first")
    known = entries(root)
    if name in known or name in EXTERNAL:
        raise StageError(f"--name {name!r}: there is a data set of this name; choose another")
    words = {"licence": licence, "source": source, "version": version}
    for key, value in words.items():
        if not value.strip() or not value.isprintable():
            raise StageError(
                f"--{key} is {value!r}: say it in one line, so that others know what they may do"
            )
    given = read(path, label, shape)
    images = given.images
    content = npz_bytes({"x": images.x, "y": images.y})
    place = OWN / f"{name}.npz"
    if (root / place).exists():
        # the user's own file in its place counts as it is, whatever compressed it
        if (root / place).resolve() == path.resolve():
            content = path.read_bytes()
        elif (root / place).read_bytes() != content:
            raise StageError(
                f"{place}: another file lies there; nothing is overwritten: choose another --name"
            )
    else:
        write_atomic(root / place, content)
    sides = images.x.shape[1:]
    row = Entry(
        name, place.as_posix(), sha256(content), len(images), sides, images.classes, how=given.how, **words
    )
    _append(root, row)
    return row


def _append(root: Path, row: Entry) -> None:
    """The catalogue as it is, and one more line."""
    text = (root / CATALOGUE).read_bytes()
    line = io.StringIO()
    fields = {**vars(row), "shape": "x".join(map(str, row.shape))}
    csv.writer(line, lineterminator="\n").writerow([fields[column] for column in COLUMNS])
    ends = b"" if text.endswith(b"\n") else b"\n"
    write_atomic(root / CATALOGUE, text + ends + line.getvalue().encode())
