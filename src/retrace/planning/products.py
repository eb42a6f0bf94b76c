"""What is made of evidence: verdicts and figures per paper, and the report. Keyed like evidence."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from retrace.claims.load import load_claims
from retrace.claims.model import PaperClaims
from retrace.config import Config
from retrace.errors import RetraceError
from retrace.planning.plan import Row, StudyPlan
from retrace.recipe import canonical, code_digest, file_digest, recipe_key
from retrace.study import Figure


@dataclass(frozen=True)
class Product:
    """A keyed product of one verb (judge, draw or report) with the files it reads and leaves."""

    verb: str
    name: str
    recipe: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    details: dict[str, Any]

    @property
    def key(self) -> str:
        """The recipe key."""
        return recipe_key(self.recipe)

    def spec(self, context: dict[str, Any]) -> str:
        """The canonical JSON a job is started with."""
        body = {"verb": self.verb, "name": self.name, "label": f"{self.verb} {self.name}", "key": self.key}
        return canonical({**body, "out": list(self.outputs), **self.details, "context": context})


def figures_of(plan: StudyPlan, paper: str) -> list[Figure]:
    """The figures of a paper: those its study declares, then the claim strip."""
    strip = Figure(paper, "claims", "Every claim: interval, threshold, control, trivial baselines.")
    return [figure for figure in plan.study.figures if figure.paper == paper] + [strip]


def _code(*modules: str) -> dict[str, str]:
    return {module: code_digest(module) for module in modules}


def judge(plan: StudyPlan, paper: str, config: Config, root: Path) -> Product:
    """The verdicts of one paper, from the rows its claims speak of."""
    claims = load_claims(root / "claims" / f"{paper}.yaml")
    rows = _rows_for(plan, claims)
    tasks = {task.key: task for row in rows for task in row.tasks.values()}
    figures = [{"name": f.name, "caption": f.caption} for f in figures_of(plan, paper)]
    recipe = {
        "verb": "judge",
        "paper": paper,
        "scale": config.scale,
        "claims": claims.model_dump(mode="json"),
        "code": _code("retrace.verbs.judge", f"retrace.studies.{plan.study.name}.table"),
        # all parameters: the table may use one that no stage does
        "rows": [[row.cell, row.seed, row.params, {v: t.key for v, t in row.tasks.items()}] for row in rows],
        "figures": figures,
    }
    key = recipe_key(recipe)
    listed = [[row.cell, row.seed, {v: t.evidence for v, t in row.tasks.items()}] for row in rows]
    details = {
        "paper": paper,
        "study": plan.study.name,
        "scale": config.scale,
        "claims": recipe["claims"],
        "code": recipe["code"],
        "cells": {row.cell: row.params for row in rows},
        "rows": listed,
        "figures": figures,
    }
    inputs = tuple(path for task in tasks.values() for path in task.lasting)
    return Product("judge", paper, recipe, inputs, (f"results/judge/{paper}-{key}.json",), details)


def _rows_for(plan: StudyPlan, claims: PaperClaims) -> list[Row]:
    wanted = [claim.evidence for claim in claims.claims if claim.evidence]
    for claim in claims.claims:
        if claim.evidence and claim.evidence.study != plan.study.name:
            place = f"claims/{claims.paper}.yaml: claim {claim.id!r}"
            raise RetraceError(
                f"{place}: study {claim.evidence.study!r}; the paper belongs to {plan.study.name!r}"
            )
    patterns = {pattern for evidence in wanted for pattern in evidence.cells}
    settings = plan.study.settings

    def name(row: Row) -> str:
        return str(row.params[settings]) if settings else row.cell

    return [row for row in plan.rows if any(fnmatchcase(name(row), pattern) for pattern in patterns)]


def draw(plan: StudyPlan, verdict: Product) -> Product:
    """The figures of one paper (SVG and PNG each)."""
    paper = verdict.name
    recipe = {
        "verb": "draw",
        "judge": verdict.key,
        "code": _code("retrace.verbs.draw", f"retrace.studies.{plan.study.name}.figures.draw"),
    }
    key = recipe_key(recipe)
    outputs = tuple(
        f"results/draw/{paper}-{key}/{figure.name}.{suffix}"
        for figure in figures_of(plan, paper)
        for suffix in ("svg", "png")
    )
    details = {
        **{name: verdict.details[name] for name in ("paper", "study", "scale", "cells", "rows", "figures")},
        "code": recipe["code"],
        "verdict": verdict.outputs[0],
    }
    return Product("draw", paper, recipe, (*verdict.inputs, *verdict.outputs), outputs, details)


def report(judged: list[Product], drawn: list[Product], config: Config) -> Product:
    """The self-contained page and the verdict table over all chosen studies."""
    template = Path(__file__).parents[1] / "report"
    recipe = {
        "verb": "report",
        "scale": config.scale,
        "code": _code("retrace.verbs.report"),
        "templates": {path.name: file_digest(path) for path in sorted(template.glob("*.j2"))},
        "needs": [product.key for product in [*judged, *drawn]],
    }
    key = recipe_key(recipe)
    outputs = (f"results/report/{config.scale}-{key}.html", f"results/report/{config.scale}-{key}.csv")
    details = {
        "scale": config.scale,
        "code": recipe["code"],
        "verdicts": [product.outputs[0] for product in judged],
        "figures": {product.name: list(product.outputs) for product in drawn},
    }
    inputs = tuple(path for product in [*judged, *drawn] for path in product.outputs)
    return Product("report", config.scale, recipe, inputs, outputs, details)


def publish(product: Product, scale: str) -> Product:
    """Copies of a product under the names that people know, and a stamp that they are this product's."""
    home = "results" if scale == "laptop" else f"results/{scale}"
    figures = "figures" if scale == "laptop" else f"results/{scale}/figures"
    copies = {path: _known_name(product, path, home, figures) for path in product.outputs}
    recipe = {"verb": "publish", "of": product.key, "copies": copies}
    name = "report" if product.verb == "report" else f"{product.name}-{product.verb}"
    stamp = f"results/published/{scale}/{name}-{recipe_key(recipe)}"
    return Product("publish", name, recipe, product.outputs, (stamp,), {"copies": copies})


def _known_name(product: Product, path: str, home: str, figures: str) -> str:
    if product.verb == "draw":
        return f"{figures}/{product.name}/{Path(path).name}"
    if product.verb == "judge":
        return f"{home}/verdicts/{product.name}.json"
    return f"{home}/report.html" if path.endswith(".html") else f"{home}/verdicts.csv"
