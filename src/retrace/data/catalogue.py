"""The data sets of the repository: what `data/catalogue.csv` says of each, checked whenever one is read."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from retrace.data.images import Images
from retrace.errors import unknown
from retrace.stage import StageError

CATALOGUE = Path("data/catalogue.csv")
OWN = "docs/data.md says how the repository's sets and your own are made"


@dataclass(frozen=True)
class Entry:
    """One row of the catalogue; `file` is relative to the repository's root, `shape` is (H,W,C)."""

    name: str
    file: str
    sha256: str
    rows: int
    shape: tuple[int, ...]
    classes: int
    licence: str
    source: str
    version: str
    how: str


COLUMNS = tuple(f.name for f in fields(Entry))


def entries(root: Path) -> dict[str, Entry]:
    """Every row of `root`/data/catalogue.csv by name; StageError when the file is missing or malformed."""
    path = Path(root) / CATALOGUE
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets write a mark of byte order
    except FileNotFoundError:
        raise StageError(f"{path}: missing; restore it with: git checkout {CATALOGUE}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StageError(f"{path}: cannot be read ({error}); make it a readable text in UTF-8") from None
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise StageError(f"{path}: line 1 must be {','.join(COLUMNS)}")
    found: dict[str, Entry] = {}
    for row in reader:
        row_entry = _entry(path, reader.line_num, row)
        if row_entry.name in found:
            raise StageError(f"{path}: line {reader.line_num}: {row_entry.name!r} is listed twice")
        found[row_entry.name] = row_entry
    return found


def _entry(path: Path, line: int, row: dict[str, str]) -> Entry:
    if None in row or None in row.values():
        raise StageError(f"{path}: line {line} must have {len(COLUMNS)} columns")
    try:
        shape = tuple(int(side) for side in row["shape"].split("x"))
        numbers = {"rows": int(row["rows"]), "classes": int(row["classes"])}
    except ValueError:
        raise StageError(
            f"{path}: line {line}: rows, classes and shape (HxWxC) must be whole numbers"
        ) from None
    words = {column: row[column] for column in COLUMNS if column not in ("rows", "classes", "shape")}
    words["sha256"] = words["sha256"].lower()
    return Entry(**words, **numbers, shape=shape)  # type: ignore[arg-type]


def entry(root: Path, name: str) -> Entry:
    """The row of data set `name`; StageError with the nearest name when there is none."""
    known = entries(root)
    if name not in known:
        raise StageError(f"{CATALOGUE}: {unknown('data set', name, known)}")
    return known[name]


def verify(root: Path, name: str) -> Entry:
    """The row of data set `name` once its file is present with the right sha256; else StageError."""
    row = entry(root, name)
    _checked(root, row)
    return row


def _checked(root: Path, row: Entry) -> bytes:
    path = Path(root) / row.file
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise StageError(f"{row.file}: missing; fetch it with: {_restore(row)}; {OWN}") from None
    except OSError as error:
        raise StageError(
            f"{row.file}: cannot be read ({error.strerror}); set it aside and fetch it with: {_restore(row)}"
        ) from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != row.sha256:
        raise StageError(
            f"{row.file}: checksum differs ({digest[:12]}, catalogue {row.sha256[:12]}): restore with: "
            f"{_restore(row)} (sets this one aside), or update its row in {CATALOGUE}"
        )
    return content


def _restore(row: Entry) -> str:
    return f"retrace restore {row.file}"


def load(root: Path, name: str) -> Images:
    """Data set `name` of the catalogue, after checking sha256, rows, shape and classes.

    Errors: StageError, one line, when the file is missing, differs, is unreadable or contradicts its row.
    """
    row = entry(root, name)
    content = _checked(root, row)
    remedy = f"make it again; {OWN}"
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            images = Images(file["x"], file["y"], row.classes)
    except (OSError, EOFError, KeyError, ValueError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StageError(f"{row.file}: not a readable data set ({line}); {remedy}") from None
    if len(images) != row.rows or images.x.shape[1:] != row.shape:
        raise StageError(
            f"{row.file}: holds {images.x.shape}, {CATALOGUE} says {(row.rows, *row.shape)}; {remedy}"
        )
    return images
