"""What can be asked for by name: everything, a paper, a study, or a verb of a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from retrace.errors import RetraceError, did_you_mean, unknown
from retrace.jobs import DrawJob, JudgeJob, PublishJob
from retrace.planning.plan import StudyPlan, Task
from retrace.planning.products import Product
from retrace.planning.todo import Todo
from retrace.study import VERBS


@dataclass(frozen=True)
class Targets:
    """The names of a run, and the files that each stands for."""

    plans: Mapping[str, StudyPlan]
    judged: Mapping[str, Product[JudgeJob]]
    drawn: Mapping[str, Product[DrawJob]]
    published: Mapping[str, Product[PublishJob]]
    todo: Todo

    @cached_property
    def names(self) -> list[str]:
        """Everything that can be asked for by name, `all` aside."""
        verbs = [f"{name}_{verb}" for name, plan in self.plans.items() for verb in VERBS if _has(plan, verb)]
        return list(dict.fromkeys([*self.judged, *self.plans, *verbs]))  # a study may be called as its paper

    def files(self, name: str, whole: bool) -> list[str]:
        """Inputs of a named target, which is one of `names` or `all`; see `_left` for `whole`."""
        if name == "all":
            tasks = [task for plan in self.plans.values() for task in plan.tasks.values()]
            stamps = [stamp for product in self.published.values() for stamp in product.outputs]
            return [*self._left(tasks, whole), *stamps]
        if name in self.plans:
            plan = self.plans[name]
            return [*self._left(plan.tasks.values(), whole), *self._published_of(plan.study.papers)]
        if name in self.judged:
            return self._published_of([name])
        study, verb = name.rsplit("_", 1)
        if verb in ("judge", "draw"):
            made = self.judged if verb == "judge" else self.drawn
            return [path for paper in self.plans[study].study.papers for path in made[paper].outputs]
        return [path for task in self.plans[study].of_verb(verb) for path in task.lasting]

    def _left(self, tasks: Iterable[Task], whole: bool) -> list[str]:
        """Evidence to ask for beside published products: every file if the `whole` is wanted.

        Else what is missing: Snakemake does not look at what verdicts and copies that are there were made of.
        """
        if whole:
            return [path for task in tasks for path in task.lasting]
        return [self.todo.file(task) for task in self.todo.left(tasks)]

    def _published_of(self, papers: Iterable[str]) -> list[str]:
        return [self.published[f"{p}-{verb}"].outputs[0] for p in papers for verb in ("judge", "draw")]

    def papers(self, targets: Sequence[str]) -> list[str]:
        """The papers that a run of these targets is about; all where one of them is no study's or paper's."""
        found: list[str] = []
        for target in targets or ["all"]:
            name = target.removesuffix("_job")
            for known in (name, name.rpartition("_")[0]):  # alone, or in front of a verb
                if known in self.judged:
                    found += [known]
                    break
                if known in self.plans:
                    found += self.plans[known].study.papers
                    break
            else:
                return list(self.judged)
        return list(dict.fromkeys(found))

    def check(self, targets: Sequence[str]) -> None:
        """Refuse a target that is neither a name nor a path; RetraceError with a did-you-mean."""
        known = ["all", "rehearse", *self.names]
        for target in targets:
            if "/" not in target and target not in known and not target.endswith("_job"):
                raise RetraceError(f"unknown target {target!r}{did_you_mean(target, known)}")

    def check_until(self, rules: Sequence[str], targets: Sequence[str]) -> None:
        """Refuse a name that gathers jobs where Snakemake wants a rule of jobs: it would run none of them.

        RetraceError with the nearest rule; a target of this run is a rule, too.
        """
        stages = [(name, stage) for name, plan in self.plans.items() for stage in plan.study.stages]
        jobs = [f"{name}_{stage.verb}_job" for name, stage in stages]
        jobs += [f"{paper}_draw_job" for paper in self.judged] + ["judge_job", "report_job", "publish_job"]
        for name in rules:
            if name in self.names and name not in targets:
                raise RetraceError(f"--until, --omit-from: {unknown('rule of jobs', name, jobs)}")


def _has(plan: StudyPlan, verb: str) -> bool:
    return verb in ("judge", "draw") or any(stage.verb == verb for stage in plan.study.stages)
