"""Read a set of texts out of its package: prompts, questions with answers, or questions with options."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from retrace.data import wheels
from retrace.data.texts.sources import TEXTS, Texts
from retrace.errors import unknown
from retrace.stage import StageError

T = TypeVar("T")


@dataclass(frozen=True)
class Prompt:
    """A request and, for benign sets, answers to it; the first is the one to learn."""

    text: str
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """A question, its options, and the index of the right one."""

    question: str
    options: tuple[str, ...]
    right: int


@dataclass(frozen=True)
class Labelled:
    """An answer and whether people called it a refusal. Some are harmful: count them, never keep them."""

    answer: str
    refusal: bool


def prompts(name: str, cache: Path | None = None) -> list[Prompt]:
    """The requests (or sentences) of a set in its own order; harmful sets have no answers and never will.

    Errors: StageError, one line, for an unknown set, one of another kind, or a package that cannot be read.
    """
    return _read(name, {"seeds": _seeds, "lines": _lines, "prompts": _jsonl, "questions": _jsonl}, cache)


def choices(name: str, cache: Path | None = None) -> list[Choice]:
    """The multiple-choice questions of a set, in its own order; errors as in `prompts`.

    Rows whose answer is not among their options, or whose options are alike, are left out.
    """
    return [row for row in _read(name, {"choices": _choices}, cache) if row is not None]


def labelled(name: str, cache: Path | None = None) -> list[Labelled]:
    """Answers with human labels; errors as in `prompts`."""
    return _read(name, {"labelled": _labelled}, cache)


def _read(name: str, readers: dict[str, Callable[[str], list[T]]], cache: Path | None) -> list[T]:
    if name not in TEXTS:
        raise StageError(unknown("set of texts", name, TEXTS))
    texts: Texts = TEXTS[name]
    if texts.format not in readers:
        fitting = ", ".join(sorted(n for n, t in TEXTS.items() if t.format in readers))
        raise StageError(f"set of texts {name!r} is of another kind; these would do: {fitting}")
    found: list[T] = []
    for member in texts.members:
        found += readers[texts.format](wheels.read(member, cache).decode("utf-8"))
    if len(found) != texts.rows:
        raise StageError(f"set of texts {name}: {len(found)} rows, expected {texts.rows}; report it")
    return found


def _seeds(text: str) -> list[Prompt]:
    # the loader in Python needs more than a second for this
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [Prompt(str(seed["value"]).strip()) for seed in yaml.load(text, loader)["seeds"]]


def _lines(text: str) -> list[Prompt]:
    return [Prompt(line.strip()) for line in text.splitlines() if line.strip()]


def _jsonl(text: str) -> list[Prompt]:
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [
        Prompt(
            next(row[key] for key in ("prompt", "question", "text") if key in row).strip(),
            tuple(row.get("answer", ())),
        )
        for row in rows
    ]


def _choices(text: str) -> list[Choice | None]:
    return [_choice(json.loads(line)) for line in text.splitlines() if line.strip()]


def _choice(row: dict[str, str]) -> Choice | None:
    lines = [line.strip() for line in row["options"].strip().splitlines()]
    answer, options = row["answer"].strip(), tuple(line[2:].strip() for line in lines)
    if lines.count(answer) != 1 or len(set(options)) < len(options) or not all(options):
        return None
    return Choice(row["question"].strip(), options, lines.index(answer))


def _labelled(text: str) -> list[Labelled]:
    lines = text.splitlines(keepends=True)
    body = [line for number, line in enumerate(lines) if not (line.startswith("#") and number < 8)]
    return [
        Labelled(row["assistant_response"], row["human_score"] == "1")
        for row in csv.DictReader(iter(body), strict=True)
    ]
