"""What the rules ask for: plans, paths, specs and targets, without knowing Snakemake."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from retrace.claims.sealed import read_verdict, read_verdicts
from retrace.config import Config, load_config
from retrace.errors import RetraceError, did_you_mean
from retrace.files import set_aside
from retrace.garbage import uncollected
from retrace.jobs import DrawJob, JudgeJob, PaperJob, ProductJob, PublishJob, ReportJob, write_job
from retrace.planning import products
from retrace.planning.expected import Expected
from retrace.planning.known import Known
from retrace.planning.plan import StudyPlan, Task, plan_all, screen
from retrace.planning.preflight import (
    check_folders,
    check_scale_runs,
    device_of_jobs,
    has_accelerator,
)
from retrace.planning.products import Product, context
from retrace.planning.targets import Targets
from retrace.planning.todo import Todo
from retrace.recipe import file_digest
from retrace.records import store


@dataclass
class Workflow:
    """A planned run."""

    root: Path
    config: Config
    plans: dict[str, StudyPlan]
    judged: dict[str, Product[JudgeJob]]
    drawn: dict[str, Product[DrawJob]]
    report: Product[ReportJob]
    published: dict[str, Product[PublishJob]]
    _by_key: dict[str, Product[ProductJob]] = field(init=False)
    _tasks: dict[str, Task] = field(init=False)

    def __post_init__(self) -> None:
        made: list[Product[ProductJob]] = [
            *self.judged.values(),
            *self.drawn.values(),
            self.report,
            *self.published.values(),
        ]
        self._by_key = {product.key: product for product in made}
        self._tasks = {key: task for plan in self.plans.values() for key, task in plan.tasks.items()}

    @classmethod
    def load(
        cls, raw: dict[str, Any], root: Path, targets: Sequence[str], until: Sequence[str] = ()
    ) -> Workflow:
        """Plan a run from Snakemake's configuration; `until` are the rules after --until and --omit-from.

        Brings missing data from the repository's own store, sets damaged evidence aside, and raises
        RetraceError (one line) for anything unknown or unusable, before any job starts.
        """
        config = load_config(raw)
        check_folders(root)
        store.restore_data(root)
        with uncollected():
            known = Known(root)
            flow = cls.plan(config, root, known)
        flow.targets.check(targets)
        flow.targets.check_until(until, targets)
        for line in screen(flow._tasks.values(), root, known):
            print(f"retrace: {line}", file=sys.stderr)
        known.save()
        for verdict in flow.judged.values():
            _set_aside_if_damaged(root / verdict.outputs[0])
        for publication in flow.published.values():
            _forget_unless_whole(publication, root)
        return flow

    def check_machine(self, here: bool) -> None:
        """Refuse, before the first job, a scale that cannot run (`here`, or elsewhere); see `preflight`."""
        check_scale_runs(self.config, [task.params for task in self._tasks.values()], self.root, here)

    @property
    def on_cpus(self) -> bool:
        """Whether no job can use an accelerator of this machine."""
        return self.config.device == "cpu" or not has_accelerator()

    @classmethod
    def plan(cls, config: Config, root: Path, known: Known | None = None) -> Workflow:
        """Plan without touching anything but data files that are read."""
        known = known or Known(root)
        plans = plan_all(config, root, known)
        papers = [(paper, plan) for plan in plans.values() for paper in plan.study.papers]
        judged = {paper: products.judge(plan, paper, config, root, known) for paper, plan in papers}
        drawn = {paper: products.draw(plan, judged[paper], known) for paper, plan in papers}
        report = products.report(list(judged.values()), list(drawn.values()), config, known)
        published = {
            product.name: product
            for made in [*judged.values(), *drawn.values(), report]
            for product in [products.publish(made, config)]
        }
        return cls(root, config, plans, judged, drawn, report, published)

    @property
    def papers(self) -> list[str]:
        """Slugs of the papers of the chosen studies."""
        return list(self.judged)

    @property
    def target_names(self) -> list[str]:
        """Everything that can be asked for by name, `all` aside."""
        return self.targets.names

    @cached_property
    def targets(self) -> Targets:
        """What can be asked for by name."""
        return Targets(self.plans, self.judged, self.drawn, self.published, self._todo)

    @property
    def stages(self) -> list[tuple[str, str]]:
        """Study and verb of every stage."""
        return [(name, stage.verb) for name, plan in self.plans.items() for stage in plan.study.stages]

    def output_patterns(self, study: str, verb: str) -> dict[str, str]:
        """Output paths of a stage with Snakemake's wildcards group, seed and key."""
        task = self.plans[study].of_verb(verb)[0]
        stem = f"{study}/{{group}}/{{seed}}/{verb}-{{key}}"
        return {kind: path.replace(task.stem, stem) for kind, path in task.outputs.items()}

    def figure_patterns(self, paper: str) -> list[str]:
        """Paths of a paper's figures with the wildcard key."""
        product = self.drawn[paper]
        return [path.replace(product.key, "{key}") for path in product.outputs]

    def resources(self, study: str, verb: str) -> dict[str, int]:
        """What a job of the stage holds beside its core: an accelerator at the larger scales."""
        accelerated = self.config.scale in ("gpu", "paper") and self.plans[study].study.stage(verb).torch
        return {"gpu": 1} if accelerated else {}

    @cached_property
    def expected(self) -> Expected:
        """What the tasks will take."""
        return Expected(self.root, self.config, self.plans)

    def expected_lines(self, keys: Iterable[str]) -> list[str]:
        """What the tasks among these keys will take, in words."""
        return self.expected.told(self._tasks[key] for key in keys if key in self._tasks)

    def task(self, key: str) -> Task:
        """The planned task of a key; RetraceError when no sheet reaches it."""
        if key not in self._tasks:
            raise RetraceError(f"no sheet reaches the key {key} at scale {self.config.scale}")
        return self._tasks[key]

    def task_inputs(self, key: str, whole: bool) -> list[str]:
        """A file of each task that the task of a key waits for: none when it has its evidence already.

        Snakemake would run a finished task again as soon as one of its inputs is missing and made again
        (another stage needs the weights, say). Rerun triggers other than file times must be off, since they
        would see inputs go. `whole` asks for all: the user wants a rerun, or to see the graph.
        """
        asks = whole or self.pending(key)
        return [self._todo.file(need) for need in self.task(key).needs.values()] if asks else []

    def all_inputs(self, key: str) -> list[str]:
        """Every file that the job of a key, of a task or of a product, reads: what storage has to bring."""
        if key in self._tasks:
            return [path for need in self.task(key).needs.values() for path in need.outputs.values()]
        product = self.product(key)
        rows = product.job.rows if isinstance(product.job, PaperJob) else []
        read = [self._makers[path].lasting for row in rows for path in row.evidence.values()]
        return list(dict.fromkeys([*product.inputs, *(path for paths in read for path in paths)]))

    def pending(self, key: str) -> bool:
        """Whether the task of a key is to run: evidence is missing, or scratch that somebody needs."""
        return key in self._todo.pending

    def all_before(self, key: str) -> list[str]:
        """A file of each task that the task of a key waits for, itself or through others."""
        found: dict[str, Task] = {}
        queue = [self.task(key)]
        while queue:
            new = {need.key: need for need in queue.pop().needs.values() if need.key not in found}
            found |= new
            queue += new.values()
        return [self._todo.file(task) for task in found.values()]

    def product_inputs(self, key: str, whole: bool) -> list[str]:
        """What a product is made of: all of it, or, where it has to be made, what is left to do of it."""
        product = self.product(key)
        if whole or self._there(product.outputs):
            return list(product.inputs)
        made_anew = [path for path in product.inputs if path not in self._makers]
        return [*made_anew, *map(self._todo.file, self._todo.left(self._made_for(product)))]

    def _there(self, paths: Iterable[str]) -> bool:
        return any(os.path.isfile(f"{self.root}/{path}") for path in paths)

    def _made_for(self, product: Product[Any]) -> list[Task]:
        return [self._makers[path] for path in product.inputs if path in self._makers]

    @cached_property
    def _makers(self) -> dict[str, Task]:
        """The task of each file of evidence."""
        return {path: task for task in self._tasks.values() for path in task.lasting}

    @cached_property
    def _todo(self) -> Todo:
        return Todo(self._tasks, self.root)

    @property
    def scratch_to_come(self) -> set[str]:
        """Scratch that a task to run reads, there or not."""
        needs = [need for key in self._todo.pending for need in self._tasks[key].needs.values()]
        return {need.outputs["scratch"] for need in needs if need.stage.scratch}

    def product(self, key: str) -> Product[ProductJob]:
        """The planned product of a key; RetraceError when nothing has it."""
        if key not in self._by_key:
            raise RetraceError(f"nothing planned has the key {key}")
        return self._by_key[key]

    def task_spec(self, key: str) -> str:
        """The text that a task's job is started with."""
        task = self.task(key)
        device = device_of_jobs(self.config, task.stage.torch)
        return write_job(task.job(context(self.config, device)))

    def product_spec(self, key: str) -> str:
        """The text that a product's job is started with."""
        return write_job(self.product(key).job)

    def verdict_table(self, papers: Sequence[str] = (), published: bool = False) -> str:
        """The verdicts there are (of `papers`, or of all), as text for the terminal.

        `published`: from their copies under names that people know, since a storage provider has the rest.
        """
        from retrace.claims.table import verdict_table

        for paper in papers:
            if paper not in self.judged:
                raise RetraceError(f"unknown paper {paper!r}{did_you_mean(paper, self.judged)}")
        chosen = [f"{paper}-judge" for paper in papers or self.judged]
        files = [pair for name in chosen for pair in self.published[name].job.copies.items()]
        return verdict_table(read_verdicts(self.root / (copy if published else own) for copy, own in files))


def _set_aside_if_damaged(verdict: Path) -> None:
    if not verdict.is_file():
        return
    try:
        read_verdict(verdict)
    except RetraceError as error:
        print(f"retrace: {error} (kept as {set_aside(verdict).name})", file=sys.stderr)


def _forget_unless_whole(product: Product[PublishJob], root: Path) -> None:
    """Drop the stamp of a publication whose copies were removed or changed: they are made again."""
    stamp = root / product.outputs[0]
    if stamp.exists() and not all(
        _same(root / source, root / copy) for copy, source in product.job.copies.items()
    ):
        stamp.unlink()


def _same(source: Path, copy: Path) -> bool:
    if not (source.is_file() and copy.is_file()):
        return not source.is_file() and copy.is_file()
    return file_digest(source) == file_digest(copy)
