"""Answers from an NPZ of saved logits, or from one of inputs and files of networks."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retrace.auditing.answers import Answers
from retrace.auditing.networks import logits_of, read_network
from retrace.errors import RetraceError, did_you_mean

Array = npt.NDArray[Any]
# the sides come apart in a file, as they lie in a user's loaders, and are joined here
NEEDED = ("member_labels", "nonmember_labels")
LOGITS = (
    "member_logits",
    "nonmember_logits",
    "population_logits",
    "reference_member_logits",
    "reference_nonmember_logits",
    "reference_population_logits",
)
INPUTS = ("member_inputs", "nonmember_inputs", "population_inputs")
SEEN = ("reference_member_seen", "reference_nonmember_seen")
NAMES = (*NEEDED, "population_labels", *LOGITS, *INPUTS, *SEEN)


def read_answers(data: Path, model: Path | None = None, references: Sequence[Path] = ()) -> Answers:
    """Answers from `data`, an NPZ with arrays of `NAMES`; with a `model` its inputs are put to the network.

    Labels `member_labels`, `nonmember_labels` and the two sides' `*_logits` are needed, or, with a `model`,
    their `*_inputs`; `references` are networks trained alike without any of the examples. What else there
    is: `reference_member_logits` (M,n,C) and `reference_nonmember_logits` of saved references, which of them
    saw what (`reference_member_seen` (M,n)), and a population of non-members under `population_*`.
    RetraceError, one line, for a file that cannot be read and arrays that lack, are unknown or do not fit.
    """
    arrays = _read(data)
    if model is not None:
        arrays |= _asked(arrays, data, model, references)
    elif references:
        raise RetraceError("--reference goes with --model; references' logits are arrays of the file")
    sides = ("member", "nonmember")
    for name in (*NEEDED, *(f"{side}_logits" for side in sides)):
        if name not in arrays:
            hint = f" (it has {', '.join(sorted(arrays)) or 'nothing'})"
            raise RetraceError(f"{data}: the array {name} is missing{hint}; docs/library.md names them all")
    counts = [len(arrays[f"{side}_labels"]) if arrays[f"{side}_labels"].ndim else 0 for side in sides]

    def joined(name: str, axis: int) -> Array | None:
        both = [name.format(side) for side in sides]
        given = [part for part in both if part in arrays]
        if not given:
            return None
        if len(given) == 1:
            raise RetraceError(
                f"{data}: {given[0]} comes without {next(iter({*both} - {*given}))}; give both"
            )
        for part, count in zip(both, counts, strict=True):
            shape = arrays[part].shape
            if len(shape) <= axis or shape[axis] != count:
                raise RetraceError(f"{data}: {part} has shape {shape}; there are {count} labels of its side")
        try:
            return np.concatenate([arrays[part] for part in both], axis=axis)
        except ValueError:
            shapes = " and ".join(str(arrays[part].shape) for part in both)
            raise RetraceError(f"{data}: {both[0]} and {both[1]} do not fit: {shapes}") from None

    logits, labels = joined("{}_logits", 0), joined("{}_labels", 0)
    others, seen = joined("reference_{}_logits", 1), joined("reference_{}_seen", 1)
    assert logits is not None
    assert labels is not None
    try:
        return Answers(
            logits,
            labels,
            np.repeat([True, False], counts),
            references=others,
            seen=seen,
            population=arrays.get("population_logits"),
            population_labels=arrays.get("population_labels"),
            population_references=arrays.get("reference_population_logits"),
        )
    except RetraceError as error:
        raise RetraceError(f"{data}: {error}") from None


def _read(path: Path) -> dict[str, Array]:
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise ValueError("a single array; save several with np.savez")
        with file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise RetraceError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise RetraceError(f"{path}: a folder; give the NPZ itself") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        line = "pickled objects, or no NPZ at all" if "pickle" in line else line
        raise RetraceError(f"{path}: not a readable NPZ ({line})") from None
    for name, array in arrays.items():
        if name not in NAMES:
            raise RetraceError(f"{path}: unknown array {name!r}{did_you_mean(name, NAMES)}")
        if np.iscomplexobj(array):
            raise RetraceError(f"{path}: {name} holds complex numbers; give real ones")
    return arrays


def _asked(arrays: dict[str, Array], data: Path, model: Path, references: Sequence[Path]) -> dict[str, Array]:
    """Logits of the model and of the references on the file's inputs."""
    found: dict[str, Array] = {}
    networks = [(path, read_network(path)) for path in (model, *references)]
    for side in ("member", "nonmember", "population"):
        inputs = arrays.get(f"{side}_inputs")
        if inputs is None:
            if side == "population":
                continue
            raise RetraceError(f"{data}: with --model the file holds {side}_inputs (n, ...)")
        answers = []
        for path, network in networks:
            try:
                answers.append(logits_of(network, inputs))
            except RetraceError as error:
                raise RetraceError(f"{path}: {side}_inputs: {error}") from None
        found[f"{side}_logits"] = answers[0]
        if references:
            if len({answer.shape for answer in answers}) > 1:
                raise RetraceError(f"{model} and its references answer in unlike shapes on {side}_inputs")
            found[f"reference_{side}_logits"] = np.stack(answers[1:])
    return found
