"""Read what trust dimensions are made of: stereotypes, passages and questions, openings, a census."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from retrace.data import wheels
from retrace.data.texts.read import Choice
from retrace.data.texts.trust_sources import TRUST_TEXTS
from retrace.stage import StageError

T = TypeVar("T")


@dataclass(frozen=True)
class Pair:
    """A sentence that says a stereotype, and the same sentence about others."""

    stereotype: str
    other: str


@dataclass(frozen=True)
class Person:
    """A row of the Adult census: what is said of somebody, the sex, and whether income exceeds 50,000."""

    age: int
    job: str
    school: str
    hours: int
    married: bool
    woman: bool
    rich: bool


def crows(cache: Path | None = None) -> list[Pair]:
    """CrowS-Pairs in its own order. Errors: StageError for a package that cannot be read or was altered."""

    def read(text: str) -> list[Pair]:
        rows = csv.DictReader(io.StringIO(text))
        return [
            Pair(*(row["sentence"].replace("[MASK]", row[m]) for m in ("mask1", "mask2"))) for row in rows
        ]

    return _read("crows-pairs", read, cache)


def stereoset(cache: Path | None = None) -> list[Pair]:
    """StereoSet's pairs that differ in a word; errors as in `crows`. Rows of the other kind are left out."""

    def read(text: str) -> list[Pair | None]:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [
            Pair(row["stereotype"], row["anti-stereotype"]) if row["type"] == "intrasentence" else None
            for row in rows
        ]

    return [pair for pair in _read("stereoset", read, cache) if pair is not None]


def bbq(cache: Path | None = None) -> list[Choice]:
    """BBQ: passage and question, three options; errors as in `crows`."""
    return [row for row in _read("bbq", _passages, cache) if row is not None]


def mmlu(cache: Path | None = None) -> list[Choice]:
    """MMLU, four options; errors as in `crows`."""
    return [row for row in _read("mmlu", _passages, cache) if row is not None]


def boolq(cache: Path | None = None) -> list[Choice]:
    """BoolQ: passage and question, options no and yes; errors as in `crows`."""

    def read(text: str) -> list[Choice]:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        asked = [(f"{row['passage'].strip()}\n{row['question'].strip()}?", row["answer"]) for row in rows]
        return [Choice(question, ("no", "yes"), int(str(answer) == "True")) for question, answer in asked]

    return _read("boolq", read, cache)


def openings(cache: Path | None = None) -> list[str]:
    """Openings of sentences that often go on toxic; errors as in `crows`."""
    return _read(
        "toxic-openings", lambda text: [line.strip() for line in text.split("\n") if line.strip()], cache
    )


def people(cache: Path | None = None) -> list[Person]:
    """The Adult census in its own order; errors as in `crows`."""
    texts = TRUST_TEXTS["adult"]
    with zipfile.ZipFile(io.BytesIO(wheels.read(texts.members[0], cache))) as packed:
        lines = packed.read(packed.namelist()[0]).decode("utf-8")
    rows = list(csv.reader(io.StringIO(lines)))
    head, body = rows[0], rows[1:]
    _check("adult", len(body))
    return [_person(head, row) for row in body]


def _person(head: list[str], row: list[str]) -> Person:
    cells = dict(zip(head, row, strict=True))

    def chosen(prefix: str) -> str:
        return next(
            key.removeprefix(prefix) for key, cell in cells.items() if key.startswith(prefix) and cell == "1"
        )

    return Person(
        age=int(cells["age"]),
        job=chosen("occupation_"),
        school=chosen("education_"),
        hours=int(cells["hours-per-week"]),
        married=cells["marital-status_Married-civ-spouse"] == "1",
        woman=cells["sex_Female"] == "1",
        rich=cells["salary_>50K"] == "1",
    )


def _passages(text: str) -> list[Choice | None]:
    return [_choice(json.loads(line)) for line in text.splitlines() if line.strip()]


def _choice(row: dict[str, str | list[str]]) -> Choice | None:
    asked = str(row["question"]).partition("\nPlease choose")[0].strip()
    question = f"{row['passage']}\n{asked}" if "passage" in row else asked
    options = tuple(line.strip()[2:].strip() for line in str(row["options"]).splitlines() if line.strip())
    answer = row["answer"][0] if isinstance(row["answer"], list) else row["answer"]
    right = answer[2:].strip() if answer[1:2] == "." else answer.strip()
    if options.count(right) != 1 or len(set(options)) < len(options):
        return None
    return Choice(question, options, options.index(right))


def _read(name: str, reader: Callable[[str], list[T]], cache: Path | None) -> list[T]:
    found: list[T] = []
    for member in TRUST_TEXTS[name].members:
        found += reader(wheels.read(member, cache).decode("utf-8"))
    _check(name, len(found))
    return found


def _check(name: str, rows: int) -> None:
    if rows != TRUST_TEXTS[name].rows:
        raise StageError(f"set of texts {name}: {rows} rows, expected {TRUST_TEXTS[name].rows}; report it")
