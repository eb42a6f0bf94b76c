"""A finished run as an RO-Crate: the workflow, the data sets it read and all it left, for other tools.

Profile: Workflow Run Crate 0.5 (https://w3id.org/ro/wfrun/workflow/0.5), which joins Process Run Crate and
Workflow RO-Crate.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrace.claims.sealed import read_verdicts
from retrace.config import Config
from retrace.data.catalogue import Entry, entries
from retrace.errors import RetraceError
from retrace.planning.plan import Task
from retrace.planning.workflow import Workflow

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
ABOUT = (
    "Results of a run of Retrace, a Snakemake workflow that regenerates the results of papers on trustworthy "
    "and sustainable deep learning and judges their claims by statistical tests."
)
LICENCE = "https://spdx.org/licenses/MIT"
FOLDERS = ("workflow", "rules", "src", "envs", "profiles", "config", "claims")
FILES = (
    "README.md",
    "LICENSE",
    "CITATION.cff",
    "pyproject.toml",
    "data/catalogue.csv",
    "data.dvc",
    "evidence.dvc",
)
KINDS = {
    ".html": "text/html",
    ".csv": "text/csv",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".md": "text/markdown",
    ".toml": "application/toml",
    ".cff": "application/yaml",
    ".dvc": "application/yaml",
}


def write(config: Config, root: Path, out: Path, date: str) -> int:
    """Write the run of `config` to the new folder `out`, or a ZIP where it ends so; the number of claims.

    `date` (ISO 8601) is when the crate is published. RetraceError where `out` exists, or where the run is not
    finished: nothing is left then.
    """
    from rocrate.rocrate import ROCrate

    if out.exists():
        raise RetraceError(f"{out}: is there already; name a new folder or ZIP")
    flow = Workflow.plan(config, root)
    tasks = [task for plan in flow.plans.values() for task in plan.tasks.values()]
    kept = sorted({path for task in tasks for path in task.lasting})
    left = sorted({copy for product in flow.published.values() for copy in product.job.copies})
    _refuse_unfinished([*left, *kept], root, config)
    verdicts = read_verdicts(root / path for path in left if Path(path).parent.name == "verdicts")
    claims = sum(len(verdict.claims) for verdict in verdicts)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as name:
        staged, made = Path(name) / "staged", Path(name) / f"crate{out.suffix}"
        crate = ROCrate(gen_preview=True, version="1.1")  # on which the profiles stand
        crate.name = f"Retrace: {claims} claims of {len(verdicts)} papers judged, scale {config.edition}"
        crate.description = ABOUT
        crate.datePublished = date
        authors = crate.add(_made(crate, "#authors", "Organization", name="The Retrace authors"))
        crate.root_dataset["author"] = crate.root_dataset["publisher"] = authors
        crate.license = crate.add(_made(crate, LICENCE, "CreativeWork", name="MIT License"))
        crate.root_dataset["conformsTo"] = [
            crate.add(_made(crate, url, "CreativeWork", name=words, version=url[-3:]))
            for url, words in PROFILES.items()
        ]
        workflow = _workflow(crate, root, staged)
        crate.root_dataset["mentions"] = crate.add_action(
            workflow,
            identifier="#run",
            object=[crate.get("config/"), crate.get("claims/"), *_data(crate, tasks, root)],
            result=[*_results(crate, root, left), _evidence(crate, root, kept, staged)],
            properties={
                "name": f"snakemake all --config {' '.join(config.options)}",
                "actionStatus": "http://schema.org/CompletedActionStatus",
                "agent": authors,
                "description": f"Judged papers: {', '.join(verdict.paper for verdict in verdicts)}",
            },
        )
        (crate.write_zip if out.suffix == ".zip" else crate.write)(made)
        made.rename(out)
    return claims


def _kind(name: str) -> str:
    """Its media type."""
    return KINDS.get(Path(name).suffix, "text/plain")


def _refuse_unfinished(paths: Iterable[str], root: Path, config: Config) -> None:
    lacking = [path for path in paths if not (root / path).is_file()]
    if lacking:
        run = f"snakemake all --config {' '.join(config.options)}"
        raise RetraceError(f"{lacking[0]} and {len(lacking) - 1} other files are missing; first run: {run}")


def _made(crate: ROCrate, identifier: str, kind: str, **properties: Any) -> Any:
    from rocrate.model import ContextEntity

    return ContextEntity(crate, identifier, properties={"@type": kind, **properties})


def _workflow(crate: ROCrate, root: Path, staged: Path) -> Any:
    """The workflow with all that it is made of, as its parts."""
    workflow = crate.add_workflow(
        root / "Snakefile",
        "Snakefile",
        main=True,
        lang="snakemake",
        lang_version=version("snakemake"),
        properties={
            "name": "Retrace",
            "version": version("retrace"),
            "license": {"@id": LICENCE},
            "encodingFormat": _kind("Snakefile"),
        },
    )
    for name in FOLDERS:
        shutil.copytree(
            root / name, staged / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
        crate.add_dataset(staged / name, f"{name}/", properties={"name": name})
    for name in FILES:
        about = {"about": {"@id": "./"}} if name == "README.md" else {}
        crate.add_file(root / name, name, properties={"name": name, "encodingFormat": _kind(name), **about})
    return workflow


def _data(crate: ROCrate, tasks: Iterable[Task], root: Path) -> list[Any]:
    """The data sets that the run read, each with licence, source and checksum."""
    read = {task.params[name] for task in tasks for name in task.stage.reads}
    known = entries(root)
    return [crate.add(_set(crate, known[name])) for name in sorted(read & set(known), key=str)]


def _set(crate: ROCrate, entry: Entry) -> Any:
    return _made(
        crate,
        f"#data-{entry.name}",
        "CreativeWork",
        name=entry.name,
        description=f"{entry.how}; {entry.rows} rows; {entry.file}; sha256 {entry.sha256}",
        license=entry.licence,
        version=entry.version,
        isBasedOn=entry.source,
    )


def _results(crate: ROCrate, root: Path, paths: list[str]) -> list[Any]:
    """Verdicts, table, report and figures under the names that people know."""
    return [
        crate.add_file(
            root / path,
            path,
            properties={"name": Path(path).stem, "encodingFormat": KINDS[Path(path).suffix]},
        )
        for path in paths
    ]


def _evidence(crate: ROCrate, root: Path, paths: list[str], staged: Path) -> Any:
    """All evidence, sealed, with meters and the environment of each job."""
    for path in paths:
        (staged / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, staged / path)
    text = f"{len(paths)} files, each named by a key over its code, data and parameters"
    return crate.add_dataset(
        staged / "evidence", "evidence/", properties={"name": "evidence", "description": text}
    )
