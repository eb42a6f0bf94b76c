"""The report as one HTML page: cards, claims, findings, figures and costs, readable offline and in print."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2

from retrace.claims.record import PaperVerdict
from retrace.claims.words import GLOSSARY, WORDS, Code
from retrace.plot.overview import SYMBOLS
from retrace.plot.words import short
from retrace.report import view
from retrace.report.embed import Picture, Shown, embed, thumbnail
from retrace.report.row import row

FINDINGS = {
    "refuted": "Claims that failed, or not by our margin",
    "baseline": "Trivial baselines that do better than the method",
    "control": "Claims that hold, and for their controls as well",
}
STRIP = "claims"  # the name of a paper's claim strip, which the page does not need
_HERE = Path(__file__).parent


class _Paper(NamedTuple):
    """A paper on the page; `key` is a small copy of its first figure."""

    verdict: PaperVerdict
    counts: dict[Code, int]
    card: view.Card
    figures: list[Shown]
    key: Shown | None


def render(verdicts: Sequence[PaperVerdict], figures: Mapping[str, Sequence[Picture]], run: view.Run) -> str:
    """The whole page; the same arguments give the same text.

    `verdicts`: one of each paper, in the order of the page. `figures`: by paper, the key figure first; a
    file that is missing or no PNG is named on the page in its place.
    ValueError for figures of a paper without verdicts and a paper given twice.
    """
    slugs = [verdict.paper for verdict in verdicts]
    twice = sorted({slug for slug in slugs if slugs.count(slug) > 1})
    if twice:
        raise ValueError(f"report: {', '.join(twice)} has more than one verdict record; give one a paper")
    strangers = sorted(set(figures) - set(slugs))
    if strangers:
        raise ValueError(f"report: figures of {', '.join(strangers)} but no verdict record; judge it first")
    claims = [claim for verdict in verdicts for claim in verdict.claims]
    found = [finding for verdict in verdicts for finding in view.findings(verdict)]
    words, costs = view.methods(run), [verdict.cost for verdict in verdicts]
    script = (_HERE / "script.js.j2").read_text()
    return _template().render(
        run=run,
        papers=[_paper(verdict, figures.get(verdict.paper, ())) for verdict in verdicts],
        counts=view.counts(claims),
        kinds=sorted({claim.kind for claim in claims}),
        findings={kind: [f for f in found if f.kind == kind] for kind in FINDINGS},
        headings=FINDINGS,
        symbols=SYMBOLS,
        words=WORDS,
        glossary=GLOSSARY,
        methods={name: words.get(name, "") for cost in costs for name in cost.methods},
        factors=sorted({factor for cost in costs for factor in view.factors(cost)}),
        script=script,
        # the only script that a browser may run on this page
        allowed=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        view=view,
        row=row,
        short=short,
    )


def _paper(verdict: PaperVerdict, figures: Sequence[Picture]) -> _Paper:
    shown = [embed(verdict.paper, figure) for figure in figures]
    key = thumbnail(shown[0]) if shown and not shown[0].problem else None
    return _Paper(verdict, view.counts(verdict.claims), view.card(verdict.claims), shown, key)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("template.html.j2")
