"""The report as one HTML page: verdicts, findings, figures and costs, readable offline and in print."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from retrace.plot.words import VERDICTS
from retrace.report.view import claim_view, cost_view, counts, findings, methods

SYMBOLS = dict(zip(VERDICTS, ("✓", "✗", "?", "⊘", "–"), strict=True))
FINDINGS = {
    "refuted": "Claims that failed",
    "baseline": "Trivial baselines that do better than the method",
    "control": "Controls that satisfy a claim which they must not",
}
_DEFAULTS: dict[str, Any] = {
    "title": "Retrace report",
    "date": "",
    "scale": "",
    "environment": {},
    "commands": [],
}
STRIP = "claims"  # the name of a paper's claim strip, shown before its table


def render(
    verdicts: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Sequence[Mapping[str, Any]]],
    context: Mapping[str, Any],
) -> str:
    """The whole page; the same arguments give the same text.

    `verdicts`: the verdict record of each paper, in the order of the page. `figures`: paper -> list of
    {name, caption, svg_path}; the one named "claims" is the claim strip, and a file that is missing or
    no SVG is named on the page in its place. `context`, all optional: title, date, scale,
    environment {name: text or {name: text}}, commands [text], cost (of the whole run, as in a verdict
    record), cpu_watts and ram_watts (W), methods {metering method: words}.
    ValueError for figures of a paper without verdicts, a paper given twice, and an unknown verdict.
    """
    slugs = [str(record.get("paper")) for record in verdicts]
    twice = sorted({slug for slug in slugs if slugs.count(slug) > 1})
    if twice:
        raise ValueError(f"report: {', '.join(twice)} has more than one verdict record; give one a paper")
    strangers = sorted(set(figures) - set(slugs))
    if strangers:
        raise ValueError(f"report: figures of {', '.join(strangers)} but no verdict record; judge it first")
    words = methods(context)
    papers = [
        _paper(record, figures.get(slug, ()), words) for record, slug in zip(verdicts, slugs, strict=True)
    ]
    found = [finding for record in verdicts for finding in findings(record)]
    claims = [claim for record in verdicts for claim in record.get("claims") or []]
    costs = [paper["cost"] for paper in papers]
    explained = {m["name"]: m["words"] for cost in costs for m in cost["methods"]}
    return _template().render(
        context={**_DEFAULTS, **context},
        papers=papers,
        counts=counts(claims),
        findings={kind: [f for f in found if f["kind"] == kind] for kind in FINDINGS},
        headings=FINDINGS,
        symbols=SYMBOLS,
        whole=cost_view(context["cost"], words) if context.get("cost") else None,
        methods=explained,
        factors=sorted({factor for cost in costs for factor in cost["factors"]}),
    )


def _paper(
    record: Mapping[str, Any], figures: Sequence[Mapping[str, Any]], words: Mapping[str, str]
) -> dict[str, Any]:
    slug = str(record.get("paper"))
    views = [_figure(slug, figure) for figure in figures]
    claims = record.get("claims") or []
    return {
        "slug": slug,
        "title": str(record.get("title") or slug),
        "study": str(record.get("study") or ""),
        "scale": str(record.get("scale") or ""),
        "claims": [claim_view(claim) for claim in claims],
        "counts": counts(claims),
        "strip": next((view for view in views if view["name"] == STRIP), None),
        "figures": [view for view in views if view["name"] != STRIP],
        "cost": cost_view(record.get("cost") or {}, words),
    }


def _figure(paper: str, figure: Mapping[str, Any]) -> dict[str, str]:
    """The figure as a data address, or the reason why there is none."""
    path = Path(str(figure["svg_path"]))
    view = {
        "name": str(figure["name"]),
        "caption": str(figure.get("caption") or ""),
        "source": "",
        "problem": "",
    }
    try:
        content = path.read_bytes()
    except OSError:
        return view | {"problem": f"Figure {paper}/{path.name} is missing. Draw it with: snakemake {paper}"}
    if b"<svg" not in content or not content.rstrip().endswith(b"</svg>"):
        return view | {
            "problem": f"Figure {paper}/{path.name} is not a whole SVG file. Delete it and draw it again."
        }
    return view | {"source": "data:image/svg+xml;base64," + base64.b64encode(content).decode("ascii")}


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
