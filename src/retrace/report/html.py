"""The report as one HTML page: verdicts, findings, figures and costs, readable offline and in print."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2

from retrace.claims.record import PaperVerdict
from retrace.claims.words import CODES, WORDS, Code
from retrace.plot.words import short
from retrace.report import view

SYMBOLS = dict(zip(CODES, ("✓", "≈", "✗", "≠", "~", "?", "⊘", "–"), strict=True))
FINDINGS = {
    "refuted": "Claims that failed, or not by our margin",
    "baseline": "Trivial baselines that do better than the method",
    "control": "Claims that hold, and for their controls as well",
}
STRIP = "claims"  # the name of a paper's claim strip, shown before its table


class Picture(NamedTuple):
    """A figure for the page: its name, the words below it, and the SVG file."""

    name: str
    caption: str
    svg: Path


class _Shown(NamedTuple):
    """A figure on the page: its data address, or the reason why there is none."""

    name: str
    caption: str
    source: str = ""
    problem: str = ""


class _Paper(NamedTuple):
    """A paper on the page."""

    verdict: PaperVerdict
    counts: dict[Code, int]
    strip: _Shown | None
    figures: list[_Shown]


def render(verdicts: Sequence[PaperVerdict], figures: Mapping[str, Sequence[Picture]], run: view.Run) -> str:
    """The whole page; the same arguments give the same text.

    `verdicts`: one of each paper, in the order of the page. `figures`: by paper; the one named "claims" is
    the claim strip, and a file that is missing or no SVG is named on the page in its place.
    ValueError for figures of a paper without verdicts and a paper given twice.
    """
    slugs = [verdict.paper for verdict in verdicts]
    twice = sorted({slug for slug in slugs if slugs.count(slug) > 1})
    if twice:
        raise ValueError(f"report: {', '.join(twice)} has more than one verdict record; give one a paper")
    strangers = sorted(set(figures) - set(slugs))
    if strangers:
        raise ValueError(f"report: figures of {', '.join(strangers)} but no verdict record; judge it first")
    found = [finding for verdict in verdicts for finding in view.findings(verdict)]
    words, costs = view.methods(run), [verdict.cost for verdict in verdicts]
    return _template().render(
        run=run,
        papers=[_paper(verdict, figures.get(verdict.paper, ())) for verdict in verdicts],
        counts=view.counts(claim for verdict in verdicts for claim in verdict.claims),
        findings={kind: [f for f in found if f.kind == kind] for kind in FINDINGS},
        headings=FINDINGS,
        symbols=SYMBOLS,
        words=WORDS,
        methods={name: words.get(name, "") for cost in costs for name in cost.methods},
        factors=sorted({factor for cost in costs for factor in view.factors(cost)}),
        view=view,
        short=short,
    )


def _paper(verdict: PaperVerdict, figures: Sequence[Picture]) -> _Paper:
    shown = [_shown(verdict.paper, figure) for figure in figures]
    strip = next((figure for figure in shown if figure.name == STRIP), None)
    others = [figure for figure in shown if figure.name != STRIP]
    return _Paper(verdict, view.counts(verdict.claims), strip, others)


def _shown(paper: str, figure: Picture) -> _Shown:
    shown, place = _Shown(figure.name, figure.caption), f"Figure {paper}/{figure.svg.name}"
    try:
        content = figure.svg.read_bytes()
    except OSError:
        return shown._replace(problem=f"{place} is missing. Draw it with: snakemake {paper}")
    if b"<svg" not in content or not content.rstrip().endswith(b"</svg>"):
        return shown._replace(problem=f"{place} is not a whole SVG file. Delete it and draw it again.")
    return shown._replace(source=f"data:image/svg+xml;base64,{base64.b64encode(content).decode('ascii')}")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("template.html.j2")
