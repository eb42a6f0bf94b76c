"""Which compressors of weights there are, and what they take; free of torch, so that planning is quick."""

from __future__ import annotations

from typing import Literal, NamedTuple

from retrace.stage import StageError

Pruner = Literal["magnitude", "wanda", "sparsegpt", "random"]
Quantizer = Literal["rtn", "awq", "gptq", "nf4", "hqq"]
CALIBRATED = ("wanda", "sparsegpt", "awq", "gptq")  # look at the input's moments
LOOPS = ("sparsegpt", "gptq")  # walk over columns and spread each error over the later ones
LEAST, MOST = 2, 8  # bits


class Pattern(NamedTuple):
    """Of every `of` consecutive inputs of a row, `keep` stay."""

    keep: int
    of: int


def pattern(text: str) -> Pattern:
    """A pattern written as `2:4`; ValueError with the remedy for any other text."""
    keep, colon, of = text.partition(":")
    if not colon or not keep.isdigit() or not of.isdigit() or not 0 < int(keep) < int(of):
        raise ValueError(f"pattern {text!r}: write how many of how many stay, such as 2:4")
    return Pattern(int(keep), int(of))


def check_bits(bits: int) -> int:
    """Return the number of bits; ValueError unless there is such a grid."""
    if not LEAST <= bits <= MOST:
        raise ValueError(f"bits {bits}: must be {LEAST} to {MOST}")
    return bits


def check_width(width: int, size: int, what: str = "group") -> int:
    """Return the size of a group or pattern; StageError unless it divides the inputs of a matrix."""
    if width % size:
        fitting = [str(n) for n in range(2, min(width, 257)) if width % n == 0]
        nearest = sorted(fitting, key=lambda n: abs(int(n) - size))[:3]
        raise StageError(
            f"{what} {size} does not divide {width} inputs; take {', '.join(nearest) or width} instead"
        )
    return size
