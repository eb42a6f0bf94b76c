"""What a change reaches: the stages that a file re-keys, what they cost, and the products that follow."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from retrace.config import Config
from retrace.data import catalogue, sets
from retrace.errors import RetraceError, did_you_mean
from retrace.jobs import ProductJob
from retrace.planning.plan import Task
from retrace.planning.products import Product
from retrace.planning.workflow import Workflow
from retrace.recipe import PACKAGE, closure
from retrace.records.evidence import read_record

PLACES = (
    (f"src/{PACKAGE}", "**/*.py"),
    (f"src/{PACKAGE}/report", "*.j2"),
    ("config/studies", "*.yaml"),
    ("claims", "*.yaml"),
)
DECLARED = f"src/{PACKAGE}/studies/*/study.py", f"src/{PACKAGE}/studies/*/params.py"


@dataclass(frozen=True)
class Reach:
    """Tasks that get new keys and products that are made again, both in the order of the plan."""

    tasks: list[Task]
    products: list[Product[ProductJob]]


def text(config: Config, root: Path, names: Sequence[str]) -> str:
    """What a change of the files `names` (paths or dotted modules) reaches at the configured scale, in words.

    Costs are those of the evidence here. Scratch that is gone and needed again comes on top: `snakemake -n`
    counts it. RetraceError, one line, for a name that is neither code, a sheet, claims nor a data set.
    """
    files = [_file(name, root) for name in names]
    found = lines(reach(Workflow.plan(config, root), files), root)
    notes = [
        f"{file}: its values are in keys; only what a changed one names runs again"
        for file in files
        if _declares(file)
    ]
    return "\n".join([f"at scale {config.scale}:", *found, *notes])


def reach(flow: Workflow, files: Sequence[str]) -> Reach:
    """The tasks and products of a planned run that depend on `files` (paths from the root): all that may."""
    modules = {_module(file) for file in files}
    hit = cache(lambda module: not modules.isdisjoint(closure(module)))
    spoilt = {name for name, row in catalogue.entries(flow.root).items() if row.file in files}
    tasks: dict[str, Task] = {}
    for plan in flow.plans.values():
        sheet = f"config/studies/{plan.study.name}.yaml" in files
        for task in plan.tasks.values():  # what is needed comes first
            data = {task.params[name] for name in task.recipe.get("data", ())}
            code = {task.recipe["module"], *map(sets.reader, data)}
            needs = {need.key for need in task.needs.values()}
            if sheet or data & spoilt or any(map(hit, code)) or needs & tasks.keys():
                tasks[task.key] = task
    changed = {*files, *(path for task in tasks.values() for path in task.outputs.values())}
    made = []
    for product in [*flow.judged.values(), *flow.drawn.values(), flow.report]:
        if changed & _read(product) or any(map(hit, product.recipe["code"])):
            made.append(product)
            changed.update(product.outputs)
    return Reach(list(tasks.values()), made)


def _read(product: Product[ProductJob]) -> set[str]:
    templates = {f"src/{PACKAGE}/report/{name}" for name in product.recipe.get("templates", ())}
    return {*product.inputs, f"claims/{product.name}.yaml", *templates}


def _file(name: str, root: Path) -> str:
    """The path from the root of a path or a dotted module; RetraceError with the nearest known one."""
    known = [
        path.relative_to(root).as_posix() for place, kind in PLACES for path in (root / place).glob(kind)
    ]
    known += [row.file for row in catalogue.entries(root).values() if not sets.in_package(row.file)]
    seen_from_here = Path(os.path.relpath(name, root)).as_posix()
    for path in (seen_from_here, Path(name).as_posix()):
        if path in known:
            return path
    for file in known:
        if _module(file) == name:
            return file
    namesakes = [file for file in known if _last(file) == _last(name)]  # the file may have moved
    near = namesakes or difflib.get_close_matches(name, [*known, *map(_module, known)], n=1)
    rest = (
        did_you_mean(name, near) if near else f"; give a file of src/{PACKAGE}, a sheet, claims or a data set"
    )
    raise RetraceError(f"reach: nothing depends on a file {name!r}{rest}")


def _module(file: str) -> str:
    return file.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _last(name: str) -> str:
    return _module(name).rpartition(".")[2]


def _declares(file: str) -> bool:
    return file.endswith(".yaml") or any(Path(file).match(pattern) for pattern in DECLARED)


def lines(found: Reach, root: Path) -> Iterator[str]:
    """A line a stage with its jobs and the CPU seconds of their evidence below `root`, then the products."""
    if not found.products:
        yield "nothing: no stage, verdict, figure or report depends on it"
        return
    costs = {task.key: _cpu_seconds(task, root) for task in found.tasks}
    stages: dict[str, list[float | None]] = {}
    for task in found.tasks:
        stages.setdefault(f"{task.study}.{task.stage.verb}", []).append(costs[task.key])
    for name, each in {**stages, "total": list(costs.values())}.items():
        yield f"{name}: {_words(each)}"
    products: dict[str, list[str]] = {}
    for product in found.products:
        products.setdefault(product.verb, []).append(product.name)
    yield from (f"{verb}: {', '.join(names)}" for verb, names in products.items())


def _words(costs: list[float | None]) -> str:
    known = [cost for cost in costs if cost is not None]
    jobs = f"{len(costs)} job{'s' * (len(costs) != 1)}"
    if not known:
        return f"{jobs}, no evidence here" if costs else jobs
    lacking = f" (no evidence here of {len(costs) - len(known)})" if len(known) < len(costs) else ""
    return f"{jobs}, {sum(known):.0f} CPU s{lacking}"


def _cpu_seconds(task: Task, root: Path) -> float | None:
    """Metered CPU seconds of a task, else of its like under other code; None without evidence."""
    own = root / task.evidence
    for path in (own, *sorted(own.parent.glob(f"{task.stage.verb}-*.json"))):
        try:
            record = read_record(path)
        except RetraceError:
            continue
        if record["recipe"]["params"] == task.recipe["params"]:
            return float(record["meter"]["cpu_seconds"])
    return None
