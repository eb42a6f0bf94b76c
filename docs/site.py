"""Build the documentation as a site that works from a folder, offline, with search.

    pip install -r envs/requirements-site.txt     # in an environment of its own
    python docs/site.py OUT [--report results/report.html]

The pages are the repository's own files in their own places, so that links that work on a git host work here.
What they link to is copied; of a folder, a list of its files is shown.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "config/README.md",
    "benchmarks/RESULTS.md",
    "docs/**/*.md",
)
ELSEWHERE = "https://unpkg.com/iframe-worker/shim"
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
LISTS = {
    "Results": ("docs/verdicts.md", "docs/across.md", "docs/decide.md", "docs/papers/*.md"),
    "Methods": ("docs/methods/*.md",),
}


def main(words: list[str] | None = None) -> int:
    """Build the site; 0 when every link of every page leads somewhere."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    parser.add_argument("--report", type=Path, metavar="HTML", help="of a run: the site's page Report")
    asked = parser.parse_args(words)
    if asked.out.exists():
        parser.error(f"{asked.out}: is there already; name a new folder")
    if asked.report and not asked.report.is_file():
        parser.error(f"{asked.report}: no such file; snakemake --cores all makes it")
    builder = Path(sys.executable).parent / "zensical"
    if not builder.is_file():
        parser.error("zensical is not in this environment; pip install -r envs/requirements-site.txt in one")
    out = asked.out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as name:
        place = Path(name)
        stage(place, asked.report)
        status = subprocess.run([str(builder), "build", "--strict"], cwd=place, check=False).returncode
        if not status:
            own_search(place / "site")
            (place / "site").rename(out)
    return status


def stage(place: Path, report: Path | None) -> None:
    """Pages and what they link to below `place`/pages, and the settings beside it."""
    pages = sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})
    for path in pages:
        copy(path, place)
    for path in sorted({target for page in pages for target in targets(page)} - set(pages)):
        if path.is_dir():
            listed(path, place)
        else:
            copy(path, place)
    settings = yaml.safe_load((ROOT / "docs/site.yml").read_text(encoding="utf-8"))
    for part in settings["nav"]:
        for title in LISTS.keys() & part.keys():
            part[title] = [name for pattern in LISTS[title] for name in names(pattern)]
    if report:
        shutil.copyfile(report, place / "pages" / "report.html")
        settings["nav"].insert(1, {"Report": "report.html"})
    copy(ROOT / "docs/site.css", place)
    (place / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def own_search(site: Path) -> None:
    """In the place of a script from elsewhere, ours, which lets the search work in pages opened as files."""
    shutil.copyfile(ROOT / "docs/worker.js", site / "worker.js")
    for page in site.rglob("*.html"):
        script = f"{'../' * (len(page.relative_to(site).parts) - 1)}worker.js"
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(ELSEWHERE, script), encoding="utf-8")


def names(pattern: str) -> list[str]:
    """The files of a pattern, as the settings name them."""
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


def targets(page: Path) -> set[Path]:
    """The files and folders of the repository that a page links to."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    found = ((page.parent / link).resolve() for link in LINK.findall(text) if not re.match("[a-z]+:", link))
    return {path for path in found if path.exists() and path.is_relative_to(ROOT)}


def copy(path: Path, place: Path) -> None:
    """A file in its own place below the pages."""
    target = place / "pages" / path.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def listed(folder: Path, place: Path) -> None:
    """A folder as a page that lists its files, which are copied."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    lines = [
        f"# {folder.relative_to(ROOT).as_posix()}",
        "",
        *(f"- [{path.name}]({path.name})" for path in files),
    ]
    for path in files:
        copy(path, place)
    (place / "pages" / folder.relative_to(ROOT) / "index.md").write_text(
        "\n".join(lines) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    sys.exit(main())
