"""Whether claims speak of cells that their study's sheet has: refused when read, not after the training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase

from retrace.claims.model import Claim, PaperClaims
from retrace.claims.query import Labelled, Variation, Where
from retrace.errors import RetraceError, did_you_mean


def check_cells(study: str, here: set[str], everywhere: Callable[[], set[str]], claims: PaperClaims) -> None:
    """Refuse (RetraceError, one line) a claim of a cell that the sheet has neither `here` nor at any scale.

    `here` are the cells of the planned scale, as the study's table calls them: `everywhere`, those of all
    scales, is asked only for a claim that none of these fits.
    """

    def known(pattern: str) -> bool:
        return any(_fits(here, pattern)) or any(_fits(everywhere(), pattern))

    for claim in claims.claims:
        for place, pattern in _named(claim):
            if not known(pattern):
                raise RetraceError(
                    f"claims/{claims.paper}.yaml: claim {claim.id!r}: {place}: no cell {pattern!r} in "
                    f"config/studies/{study}.yaml{did_you_mean(pattern, everywhere())}"
                )


def _fits(cells: set[str], pattern: str) -> Iterator[bool]:
    return (fnmatchcase(cell, pattern) for cell in cells)


def _named(claim: Claim) -> Iterator[tuple[str, str]]:
    """Every cell, or pattern of cells, that a claim names, and where."""
    if claim.evidence is None:
        return
    for pattern in claim.evidence.cells:
        yield "evidence.cells", pattern
    yield from _cells_where("evidence", claim.evidence.where, claim.evidence.versus)
    control = [claim.control] if claim.control else []
    beside: dict[str, Sequence[Labelled]] = {
        "control": control,
        "baselines": claim.baselines,
        "gate": claim.gate,
    }
    for place, changes in beside.items():
        for change in changes:
            yield from _cells_where(place, change.where or {}, change.versus)


def _cells_where(place: str, where: Where, versus: Variation | None) -> Iterator[tuple[str, str]]:
    values = where.get("cell", [])
    for value in values if isinstance(values, list) else [values]:
        yield f"{place}.where", str(value)
    if versus:
        yield from _cells_where(f"{place}.versus", versus.where or {}, None)
