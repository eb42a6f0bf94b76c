"""`retrace decide`: more seeds for the cells where they decide most claims, within a budget of CPU time."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from retrace.claims.choose import Bundle, Cell, Price, Wish, choose
from retrace.claims.expect import number
from retrace.claims.table import WIDTH
from retrace.config import Config
from retrace.errors import RetraceError
from retrace.more import PLACE, read_more, write_more
from retrace.planning.plan import StudyPlan
from retrace.planning.workflow import Workflow
from retrace.records.evidence import read_record
from retrace.upkeep.standing import Standing, command, lacking, stand

CELLS_WIDTH = 60  # of the table's column; longer lists follow whole on lines of their own
UNITS = {"s": 1, "min": 60, "h": 3600}


def cpu_seconds(budget: str) -> float:
    """Seconds of a budget such as 90s, 60min or 2h; RetraceError, one line, for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|min|h)", budget)
    if not found or not float(found[1]):
        raise RetraceError(f"--budget {budget}: say a CPU time such as 90s, 60min or 2h")
    return float(found[1]) * UNITS[found[2]]


def run(config: Config, root: Path, budget: float, dry: bool, rewrite: bool = False) -> str:
    """Choose within `budget` CPU seconds, write `config/more.yaml` unless `dry`, and say what was chosen.

    Raises RetraceError, one line, where a paper lacks evidence, nothing is open, the budget is too small for
    any bundle, or the file was edited by hand (unless `rewrite`).
    """
    if config.seeds != "sheet" or config.pilot:
        raise RetraceError(f"decide: it adds to the seeds of the sheets; leave out {config.options[-1]}")
    flow = Workflow.plan(config, root)
    for paper in flow.papers:
        if line := lacking(flow, paper):
            raise RetraceError(f"decide: {line}")
    papers = [stand(flow, paper, with_looks=True) for paper in flow.papers]
    wishes = [wish for paper in papers for wish in _wishes(paper)]
    have = {cell: n for plan in flow.plans.values() for cell, n in _seeds(plan).items()}
    chosen, left = choose(wishes, have, _price(flow), budget)
    if not chosen:
        _refuse(left, budget)
    raised: dict[str, dict[str, int]] = {}
    for bundle in chosen:
        for study, cell in bundle.cells:
            own = raised.setdefault(study, {})
            own[cell] = max(own.get(cell, 0), bundle.seeds, have[study, cell])
    text = [*table(chosen, have), *_rest(wishes, chosen, left), *_under_looks(papers, flow)]
    if dry:
        return "\n".join([*text, f"nothing written; without --dry-run {PLACE} says so"])
    write_more(root, config.scale, raised, rewrite)
    return "\n".join([*text, f"wrote {PLACE}; now run: {command(flow, sorted(raised))}"])


def _wishes(paper: Standing) -> Iterable[Wish]:
    study = paper.plan.study.name
    for outlook in paper.outlooks:
        if outlook.code in ("open", "near"):
            cells = frozenset((study, cell) for cell in paper.cells(outlook.id))
            yield Wish(paper.paper, cells, paper.looks.plan, outlook)


def _seeds(plan: StudyPlan) -> dict[Cell, int]:
    """How many seeds the plan has of each cell."""
    seeds: dict[Cell, set[int]] = {}
    for row in plan.rows:
        seeds.setdefault((plan.study.name, row.cell), set()).add(row.seed)
    return {cell: len(own) for cell, own in seeds.items()}


def _price(flow: Workflow) -> Price:
    """CPU seconds of more seeds, from the meters: a stage's mean over seeds, once where cells share it."""
    stages: dict[Cell, dict[str, list[float]]] = {}
    for study, plan in flow.plans.items():
        # the key of a cell's stage (of a split one's part) at its first seed: shared or not
        first: dict[tuple[str, str, str], str] = {}
        for row in plan.rows:
            for verb, task in row.tasks.items():
                if task.seed is not None:
                    name = first.setdefault((row.cell, verb, task.group), task.key)
                    meter = read_record(flow.root / task.evidence)["meter"]
                    spent = meter["cpu_seconds"] + meter["overhead_seconds"]
                    stages.setdefault((study, row.cell), {}).setdefault(name, []).append(spent)
    means = {cell: {key: sum(all_) / len(all_) for key, all_ in own.items()} for cell, own in stages.items()}

    def price(now: Mapping[Cell, int], raised: Mapping[Cell, int]) -> float:
        total = 0.0
        for seed in range(min((now[cell] for cell in raised), default=0), max(raised.values(), default=0)):
            made: dict[str, float] = {}
            for cell, seeds in raised.items():
                if now[cell] <= seed < seeds:
                    made |= means.get(cell, {})
            paid = [means.get(cell, {}).keys() for cell in now if seed < now[cell]]
            total += sum(made[key] for key in made.keys() - set().union(*paid))
        return total

    return price


def _refuse(left: Sequence[Bundle], budget: float) -> None:
    if not left:
        raise RetraceError("decide: no open claim that more seeds would decide; retrace power says why")
    least = left[0]
    raise RetraceError(
        f"decide: {budget / 60:.3g} CPU min are too few: the cheapest, {_cells(least.cells)} to "
        f"{least.seeds} seeds, takes {least.price / 60:.1f}"
    )


def table(chosen: Sequence[Bundle], have: Mapping[Cell, int]) -> list[str]:
    """The bundles in the order of choice, each with its claims and the chance that they are decided."""
    head = ("cells", "seeds", "CPU min", "decisions", "a CPU hour")
    rows, now = [head], dict(have)
    for bundle in chosen:
        low = sorted({now[cell] for cell in bundle.cells})
        now |= {cell: max(now[cell], bundle.seeds) for cell in bundle.cells}
        rows.append(
            (
                textwrap.shorten(_cells(bundle.cells), CELLS_WIDTH, placeholder=" ..."),
                f"{' or '.join(map(str, low))} to {bundle.seeds}",
                f"{bundle.price / 60:.1f}",
                f"{bundle.decisions:.2f}",
                f"{bundle.decisions / max(bundle.price, 1e-9) * 3600:.1f}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = []
    for place, row in enumerate(rows):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if place and len(cells := _cells(chosen[place - 1].cells)) > CELLS_WIDTH:
            lines += _wrapped(cells)
        gains = sorted(chosen[place - 1].gains.items(), key=_by_chance) if place else []
        lines += _wrapped(", ".join(f"{name} {chance:.0%}" for name, chance in gains))
    total = sum(bundle.price for bundle in chosen) / 60
    expected = sum(bundle.decisions for bundle in chosen)
    return [*lines, f"together {total:.1f} CPU min, {expected:.1f} decisions to expect"]


def _rest(wishes: Sequence[Wish], chosen: Sequence[Bundle], left: Sequence[Bundle]) -> list[str]:
    """What is not served: bundles beyond the budget, and claims that seeds will hardly decide."""
    lines = []
    if left:
        least = left[0]
        lines += textwrap.wrap(
            f"left: {len(left)} more bundles; the cheapest, {_cells(least.cells)} to {least.seeds} seeds, "
            f"takes {least.price / 60:.1f} CPU min",
            WIDTH,
            subsequent_indent="    ",
        )
    futile = [wish for wish in wishes if wish.futile]
    kinds = {
        "too near to call: under 5 % chance of a decision even at the last look": [
            f"{wish.name} ({number(wish.outlook.gap)} away)" for wish in futile if not wish.outlook.few_items
        ],
        "too few items, whatever seeds say (retrace power says how many would do)": [
            wish.name for wish in futile if wish.outlook.few_items
        ],
    }
    for words, names in kinds.items():
        if names:
            lines += [f"{words}: {len(names)} claims", *_wrapped(", ".join(names))]
    return lines


def _under_looks(papers: Sequence[Standing], flow: Workflow) -> list[str]:
    """What the first writing of the file costs: claims that one look decides and planned looks do not."""
    if flow.config.scale in read_more(flow.root):
        return []
    lost = []
    for paper in papers:
        alone = {each.trial.claim.id: each for each in stand(flow, paper.paper, with_looks=False).judged}
        for each in paper.judged:
            before = alone[each.trial.claim.id].verdict.code
            if each.verdict.code == "open" and before != "open":
                lost.append(f"{paper.paper}/{each.trial.claim.id}")
    if not lost:
        return []
    looks = papers[0].looks.number
    return [
        *textwrap.wrap(
            f"looks at {', '.join(map(str, papers[0].looks.plan))} seeds share the level ({looks} equal "
            f"parts), so that {len(lost)} claims that one look decides are open again until their next",
            WIDTH,
            subsequent_indent="    ",
        ),
        *_wrapped(", ".join(lost)),
    ]


def _by_chance(gain: tuple[str, float]) -> tuple[float, str]:
    return -gain[1], gain[0]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


def _cells(cells: Iterable[Cell]) -> str:
    """Cells by study: reuse fashion-cnn, fashion-vgg."""
    studies: dict[str, list[str]] = {}
    for study, cell in sorted(cells):
        studies.setdefault(study, []).append(cell)
    return "; ".join(f"{study} {', '.join(own)}" for study, own in studies.items())
