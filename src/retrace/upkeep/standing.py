"""How papers stand: claims judged in this process from the evidence that is here; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from retrace.claims.judged import Judged, verdicts
from retrace.claims.load import parse_claims
from retrace.claims.looks import Looks
from retrace.claims.outlook import Outlook, outlooks
from retrace.claims.sample import ordered
from retrace.config import flags_of
from retrace.errors import RetraceError, did_you_mean
from retrace.planning.plan import StudyPlan, looks_of
from retrace.planning.products import home, setting
from retrace.planning.workflow import Workflow
from retrace.verbs.judge import evidence_rows, table_of


@dataclass(frozen=True)
class Standing:
    """A paper, its study's plan, its claims as judged, and what more data would do for those measured."""

    paper: str
    plan: StudyPlan
    looks: Looks
    judged: list[Judged]
    outlooks: list[Outlook]

    def cells(self, claim: str) -> frozenset[str]:
        """The cells of the sheet that a claim needs together."""
        (evidence,) = (j.trial.claim.evidence for j in self.judged if j.trial.claim.id == claim)
        assert evidence is not None
        return frozenset(
            row.cell
            for row in self.plan.rows
            if any(fnmatchcase(setting(self.plan, row), pattern) for pattern in evidence.cells)
        )


def chosen_papers(flow: Workflow, papers: Sequence[str]) -> list[str]:
    """These papers, or all; RetraceError with a did-you-mean for one that is not planned."""
    for paper in papers:
        if paper not in flow.judged:
            raise RetraceError(f"unknown paper {paper!r}{did_you_mean(paper, flow.judged)}")
    return list(papers) or flow.papers


def lacking(flow: Workflow, paper: str) -> str:
    """A line that says how to make the evidence that a paper lacks; empty where it has all."""
    inputs = flow.judged[paper].inputs
    missing = sum(not (flow.root / path).is_file() for path in inputs)
    if not missing:
        return ""
    some = "no evidence" if missing == len(inputs) else f"{missing} of {len(inputs)} files of evidence lack"
    return f"{paper}: {some} at scale {flow.config.scale}; {command(flow, [paper])} makes it"


def elsewhere(flow: Workflow, papers: Sequence[str]) -> Iterator[str]:
    """Lines on papers without a verdict that is of today's claims, sheet and code: what there is instead."""
    folder = flow.root / "results"
    current = {paper for paper in flow.papers if (flow.root / flow.judged[paper].outputs[0]).is_file()}
    lacking = [paper for paper in papers or flow.papers if paper not in current]
    found = [path for paper in lacking for path in folder.glob(f"**/verdicts/{paper}.json")]
    editions = {path: path.parents[1].relative_to(folder).as_posix() for path in found}
    here = home(flow.config.edition).removeprefix("results").strip("/") or "."
    if stale := sorted(path.stem for path, edition in editions.items() if edition == here):
        again = command(flow, stale)
        names = ", ".join(stale)
        yield f"{names}: the verdicts here are of other claims, sheets or code; {again} judges again"
    if others := {path: edition for path, edition in editions.items() if edition != here}:
        flags = [flags_of("laptop" if name == "." else name) for name in sorted(set(others.values()))]
        names = ", ".join(sorted({path.stem for path in others}))
        yield f"{names}: no verdicts at {flow.config.edition}, some at {', '.join(flags)}"


def command(flow: Workflow, targets: Sequence[str]) -> str:
    """The command that makes these targets."""
    return " ".join(["snakemake", "--cores", "all", *targets, "--config", *flow.config.options])


def stand(flow: Workflow, paper: str, with_looks: bool) -> Standing:
    """Judge a paper whose evidence is here, at the looks that its study plans, or would plan if `with_looks`.

    RetraceError, one line, for evidence that is damaged.
    """
    job = flow.judged[paper].job
    plan = flow.plans[job.study]
    planned = looks_of(plan.study, flow.config.scale, flow.root) if with_looks else plan.looks
    looks = Looks(planned, job.seeds)
    tabled = table_of(job, evidence_rows(job, flow.root))
    claims = parse_claims(job.claims, f"claims/{paper}.yaml").claims
    judged = verdicts(claims, ordered(tabled.frame), tabled.rows, tabled.untested, looks)
    return Standing(paper, plan, looks, judged, outlooks(judged, looks.number))
