"""What is made of evidence: verdicts and figures per paper, and the report. Keyed like evidence."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from retrace.claims.load import load_claims
from retrace.claims.model import PaperClaims
from retrace.config import Config
from retrace.errors import RetraceError
from retrace.jobs import (
    Context,
    DrawJob,
    JudgeJob,
    MeterSettings,
    ProductJob,
    PublishJob,
    ReportJob,
    RowFiles,
)
from retrace.planning.known import Known
from retrace.planning.named import check_cells
from retrace.planning.plan import Row, StudyPlan
from retrace.recipe import file_digest, recipe_key
from retrace.study import Figure, claim_strip

J = TypeVar("J", bound=ProductJob, covariant=True)


@dataclass(frozen=True)
class Product(Generic[J]):
    """A keyed product (verdict, figures, report or publication): what it is made of and its job."""

    name: str
    recipe: dict[str, Any]
    inputs: tuple[str, ...]
    job: J

    @cached_property
    def key(self) -> str:
        """The recipe key."""
        return recipe_key(self.recipe)

    @property
    def verb(self) -> str:
        """judge, draw, report or publish."""
        return str(self.recipe["verb"])

    @property
    def outputs(self) -> tuple[str, ...]:
        """The files it leaves."""
        return tuple(self.job.out)


def context(config: Config, device: str) -> Context:
    """What every job is told of where and how to run."""
    carbon = config.carbon
    meter = MeterSettings(carbon.country, carbon.factor_kg_per_kwh, carbon.cpu_watts, carbon.ram_watts)
    return Context(device, 1, config.datasets, config.download, meter, "")


def figures_of(plan: StudyPlan, paper: str) -> list[Figure]:
    """The figures of a paper: those its study declares, then the claim strip."""
    return [figure for figure in plan.study.figures if figure.paper == paper] + [claim_strip(paper)]


def _code(known: Known, *modules: str) -> dict[str, str]:
    return {module: known.code(module) for module in modules}


def judge(plan: StudyPlan, paper: str, config: Config, root: Path, known: Known) -> Product[JudgeJob]:
    """The verdicts of one paper, from the rows its claims speak of."""
    claims = load_claims(root / "claims" / f"{paper}.yaml")
    rows = _rows_for(plan, claims)
    tasks = {task.key: task for row in rows for task in row.tasks.values()}
    recipe: dict[str, Any] = {
        "verb": "judge",
        "paper": paper,
        "scale": config.edition,
        "claims": claims.model_dump(mode="json"),
        "looks": list(plan.looks),
        "code": _code(known, "retrace.verbs.judge", f"retrace.studies.{plan.study.name}.table"),
        # all parameters: the table may use one that no stage does
        "rows": [[row.cell, row.seed, row.params, {v: t.key for v, t in row.tasks.items()}] for row in rows],
        "figures": [{"name": f.name, "caption": f.caption} for f in figures_of(plan, paper)],
    }
    job = JudgeJob(
        label=f"judge {paper}",
        context=context(config, "cpu"),
        paper=paper,
        study=plan.study.name,
        scale=config.edition,
        cells={row.cell: row.params for row in rows},
        rows=[RowFiles(row.cell, row.seed, {v: t.evidence for v, t in row.tasks.items()}) for row in rows],
        figures=recipe["figures"],
        code=recipe["code"],
        claims=recipe["claims"],
        looks=recipe["looks"],
        seeds=_seeds_of(plan, rows),
        out=[f"results/judge/{paper}-{recipe_key(recipe)}.json"],
    )
    inputs = tuple(path for task in tasks.values() for path in task.lasting)
    return Product(paper, recipe, inputs, job)


def _rows_for(plan: StudyPlan, claims: PaperClaims) -> list[Row]:
    wanted = [claim.evidence for claim in claims.claims if claim.evidence]
    for claim in claims.claims:
        if claim.evidence and claim.evidence.study != plan.study.name:
            place = f"claims/{claims.paper}.yaml: claim {claim.id!r}"
            raise RetraceError(
                f"{place}: study {claim.evidence.study!r}; the paper belongs to {plan.study.name!r}"
            )
    names = {setting(plan, row) for row in plan.rows}
    check_cells(plan.study.name, names, plan.everywhere, claims)
    patterns = {pattern for evidence in wanted for pattern in evidence.cells}
    meant = {name for name in names if any(fnmatchcase(name, p) for p in patterns)}
    return [row for row in plan.rows if setting(plan, row) in meant]


def setting(plan: StudyPlan, row: Row) -> str:
    """What the study's table, and so its claims, call the row's cell."""
    return plan.study.setting(row.cell, row.params)


def _seeds_of(plan: StudyPlan, rows: list[Row]) -> dict[str, int]:
    """How many seeds each cell of the table has: as many as all cells of the sheet that it is made of."""
    cells: dict[str, dict[str, set[int]]] = {}
    for row in rows:
        cells.setdefault(setting(plan, row), {}).setdefault(row.cell, set()).add(row.seed)
    return {name: min(map(len, own.values())) for name, own in cells.items()}


def draw(plan: StudyPlan, verdict: Product[JudgeJob], known: Known) -> Product[DrawJob]:
    """The figures of one paper (SVG and PNG each)."""
    paper, judged = verdict.name, verdict.job
    recipe: dict[str, Any] = {
        "verb": "draw",
        "judge": verdict.key,
        "code": _code(known, "retrace.verbs.draw", f"retrace.studies.{plan.study.name}.figures.draw"),
    }
    folder = f"results/draw/{paper}-{recipe_key(recipe)}"
    job = DrawJob(
        label=f"draw {paper}",
        context=judged.context,
        paper=paper,
        study=judged.study,
        scale=judged.scale,
        cells=judged.cells,
        rows=judged.rows,
        figures=judged.figures,
        code=recipe["code"],
        verdict=verdict.outputs[0],
        out=[f"{folder}/{figure['name']}.{suffix}" for figure in judged.figures for suffix in ("svg", "png")],
    )
    # the verdict alone: whatever makes evidence again makes it again, too
    return Product(paper, recipe, verdict.outputs, job)


def report(
    judged: list[Product[JudgeJob]], drawn: list[Product[DrawJob]], config: Config, known: Known
) -> Product[ReportJob]:
    """The self-contained page, the verdict table and the picture of all claims over all chosen studies."""
    template = Path(__file__).parents[1] / "report"
    made: list[Product[Any]] = [*judged, *drawn]
    recipe: dict[str, Any] = {
        "verb": "report",
        "scale": config.edition,
        "code": _code(known, "retrace.verbs.report"),
        "templates": {path.name: file_digest(path) for path in sorted(template.glob("*.j2"))},
        "needs": [product.key for product in made],
    }
    stem = f"results/report/{config.edition}-{recipe_key(recipe)}"
    job = ReportJob(
        label=f"report {config.edition}",
        context=context(config, "cpu"),
        scale=config.edition,
        options=config.options,
        verdicts=[product.outputs[0] for product in judged],
        figures={product.name: product.job.out for product in drawn},
        code=recipe["code"],
        out=[f"{stem}.{suffix}" for suffix in ("html", "csv", "svg", "png")],
    )
    return Product(config.edition, recipe, tuple(path for product in made for path in product.outputs), job)


def home(edition: str) -> str:
    """The folder of an edition's verdicts, table and report."""
    return "results" if edition == "laptop" else f"results/{edition}"


def publish(product: Product[Any], config: Config) -> Product[PublishJob]:
    """Copies of a product under the names that people know, and a stamp that they are this product's."""
    edition = config.edition
    figures = "figures" if edition == "laptop" else f"{home(edition)}/figures"
    if product.verb == "report" and config.studies != "all":  # figures/ shows no part as the whole
        figures = home(edition)
    copies = {
        name: path for path in product.outputs for name in _known_names(product, path, home(edition), figures)
    }
    recipe = {"verb": "publish", "of": product.key, "copies": copies}
    name = "report" if product.verb == "report" else f"{product.name}-{product.verb}"
    stamp = f"results/published/{edition}/{name}-{recipe_key(recipe)}"
    job = PublishJob(f"publish {name}", product.job.context, [stamp], copies)
    return Product(name, recipe, product.outputs, job)


def _known_names(product: Product[Any], path: str, home: str, figures: str) -> list[str]:
    """The table of verdicts has two: people who have only cloned the repository look into figures/."""
    if product.verb == "draw":
        return [f"{figures}/{product.name}/{Path(path).name}"]
    if product.verb == "judge":
        return [f"{home}/verdicts/{product.name}.json"]
    if path.endswith(".html"):
        return [f"{home}/report.html"]
    if path.endswith(".csv"):
        return list(dict.fromkeys([f"{home}/verdicts.csv", f"{figures}/verdicts.csv"]))
    return [f"{figures}/claims{Path(path).suffix}"]
