"""`retrace power`: what would decide each claim, from the evidence that is here (a pilot's will do)."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from retrace.claims.looks import MOST_SEEDS
from retrace.claims.outlook import Outlook
from retrace.claims.table import WIDTH
from retrace.claims.words import DECIDED
from retrace.config import Config
from retrace.files import write_atomic
from retrace.planning.workflow import Workflow
from retrace.upkeep.standing import Standing, chosen_papers, lacking, stand

HEAD = ("claim", "", "gap", "level", "S", "sd", "items", "se", "seeds", "items", "at 24")
CSV_COLUMNS = (
    "paper", "id", "verdict", "value", "gap", "level", "random", "seeds", "units", "seed_sd", "unit_se",
    "seeds_needed", "units_needed", "units_needed_at_24_seeds", "floor", "floor_needs_items", "perfect_p",
    "perfect_needs_items",
)  # fmt: skip
LEGEND = (
    "gap: from the value to the nearest end of what is expected; level: the claim's share of its family's "
    "5 %, for one look; S: seeds there are; sd: between them; items: how many; se: what they leave of the "
    f"standard error; then what gives 80 % power: seeds alone, items at S seeds, items at {MOST_SEEDS} seeds"
)


def report(config: Config, root: Path, papers: Sequence[str], file: str | None = None) -> str:
    """The table for the terminal, at most 110 columns, a block a paper; also written to `file` as CSV.

    A paper without evidence has a line that names the command which makes it. RetraceError, one line, for an
    unknown paper, damaged evidence or a file that cannot be written.
    """
    flow = Workflow.plan(config, root)
    blocks, found = [], list[Standing]()
    for paper in chosen_papers(flow, papers):
        if line := lacking(flow, paper):
            blocks.append(line)
            continue
        found.append(stand(flow, paper, with_looks=False))
        blocks.append(_block(found[-1]))
    if found:
        blocks.append(textwrap.fill(LEGEND, WIDTH))
    if file is not None:
        write_atomic(root / file, _csv(found).encode())
    return "\n\n".join(blocks)


def _block(paper: Standing) -> str:
    rows = [HEAD, *(_row(each) for each in paper.outlooks)]
    notes = [[], *([_note(each), each.idle_control] for each in paper.outlooks)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    widths[0] = min(widths[0], WIDTH - sum(widths[1:]) - 2 * len(widths[1:]))
    lines = [paper.paper]
    for row, own in zip(rows, notes, strict=True):
        left, right = zip(row[:2], widths, strict=False), zip(row[2:], widths[2:], strict=True)
        cells = [
            *(text[:width].ljust(width) for text, width in left),
            *(text.rjust(width) for text, width in right),
        ]
        lines.append("  ".join(cells).rstrip())
        for note in own:
            lines += textwrap.wrap(note, WIDTH, initial_indent="    ", subsequent_indent="    ")
    for name, reason in _unmeasured(paper):
        lines += textwrap.wrap(f"{name}: {reason}", WIDTH, subsequent_indent="    ")
    return "\n".join(lines)


def _unmeasured(paper: Standing) -> Iterator[tuple[str, str]]:
    """Claims that have no outlook, with the reason."""
    measured = {each.id for each in paper.outlooks}
    for each in paper.judged:
        if each.trial.claim.id not in measured:
            yield each.trial.claim.id, each.verdict.reason


def _row(each: Outlook) -> tuple[str, ...]:
    items = each.random in ("items", "groups")
    return (
        each.id,
        "done" if each.code in DECIDED else "open",
        f"{each.gap:.2g}",
        f"{each.alpha:.2g}",
        str(each.seeds),
        _size(each.seed_sd),
        str(each.units) if items else "",
        _size(each.unit_se) if items else "",
        _needed(each.seeds_needed),
        _needed(each.units_needed) if items else "",
        _needed(each.units_at_most) if items else "",
    )


def _size(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "n/a"


def _needed(count: int | None) -> str:
    return "none" if count is None else str(count)


def _note(each: Outlook) -> str:
    """What stands in the way whatever the spread is."""
    if each.blocked and each.perfect:
        more = f"{each.perfect.needed} items" if each.perfect.needed else "no number of items"
        return (
            f"no data can support it: a perfect outcome of {each.perfect.items} items has p = "
            f"{each.perfect.p:.2g}, its level is {each.alpha:.2g}; {more} would do"
        )
    if each.few_items:
        more = f"about {each.floor_needs} items" if each.floor_needs else "no number of items"
        return f"too few items, whatever seeds say: answered alike, {more} would decide it"
    return ""


def _csv(papers: Sequence[Standing]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for paper in papers:
        for e in paper.outlooks:
            best = (e.perfect.p, e.perfect.needed) if e.perfect else (None, None)
            floor = (e.floor, e.floor_needs)
            sizes = (e.seeds, e.units, e.seed_sd, e.unit_se, e.seeds_needed, e.units_needed, e.units_at_most)
            writer.writerow(
                (paper.paper, e.id, e.code, e.value, e.gap, e.alpha, e.random, *sizes, *floor, *best)
            )
    return buffer.getvalue()
