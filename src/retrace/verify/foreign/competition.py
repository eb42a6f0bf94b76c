"""One instance of VNN-COMP: a network, a property, and the answer in the competition's words."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import torch

from retrace.errors import RetraceError
from retrace.verify.decide import Answer, decide
from retrace.verify.foreign import onnx_file, vnnlib
from retrace.verify.outcome import Limits

DOMAINS = 10**9  # time alone ends a search


def answer(network: Path, wanted: Path, seconds: float) -> str:
    """ "unsat", "unknown", "timeout", or "sat" with the input and output of the network itself.

    `wanted` is a VNN-LIB 1 file (also .gz), `seconds` time on the wall. Why it is "unknown" goes to the
    standard error.
    Errors: RetraceError for files that cannot be read or do not belong together, or seconds not above 0.
    """
    if not seconds > 0:
        raise RetraceError(f"--seconds is {seconds:g}: give a time above 0")
    model = onnx_file.read(network)
    cases = vnnlib.cases(_text(wanted), str(wanted))
    try:
        first = cases[0]
        if len(first.lower) == torch.tensor(model.network.input_shape).prod():
            model.compare(torch.stack([first.lower, (first.lower + first.upper) / 2, first.upper]))
        found = decide(model.network, cases, seconds=seconds, limits=Limits(domains=DOMAINS), run=model.run)
    except ValueError as error:
        raise RetraceError(f"{wanted}: {error}") from None
    if found.note:
        print(f"retrace: {found.note}", file=sys.stderr)
    return shown(found)


def shown(found: Answer) -> str:
    """The answer as VNN-COMP writes it: a word, then for "sat" the values of X_i and Y_i."""
    if found.example is None or found.outputs is None:
        return found.status
    pairs = [f"(X_{k} {value!r})" for k, value in enumerate(found.example.tolist())]
    pairs += [f"(Y_{k} {value!r})" for k, value in enumerate(found.outputs.tolist())]
    return "\n".join([found.status, "(" + "\n ".join(pairs) + ")"])


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except OSError as error:
        raise RetraceError(f"{path}: {error.strerror or error}") from None
    except (EOFError, UnicodeDecodeError) as error:
        raise RetraceError(f"{path}: cannot be read ({error})") from None
