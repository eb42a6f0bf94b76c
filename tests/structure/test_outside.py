"""What stands around the code: links of the pages, views of the pins, what git leaves out."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if (ROOT / name).is_file()
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def prose(path):
    """A page without its blocks of code and its `code`."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S))


def anchors(path):
    """The anchors of a page's headings, as git hosts make them."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    heads = re.findall(r"^#+ +(.+?) *$", text, re.M)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head)).lower().replace(" ", "-")
        for head in heads
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(page):
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        found = page if not place else (page.parent / place)
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


def test_pages_are_found_and_have_links():
    names = {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert {"README.md", "docs/design.md", "docs/papers/arm.md", "CONTRIBUTING.md"} <= names
    assert sum(len(LINK.findall(prose(page))) for page in PAGES) > 50


def test_every_view_of_the_pins_installs_the_package_too():
    """Without it Snakemake knows no progress lines."""
    (pip,) = [
        part["pip"]
        for part in yaml.safe_load((ROOT / "envs/conda.yaml").read_text())["dependencies"]
        if isinstance(part, dict)
    ]
    words = [line.split() for line in pip]
    places = {option: (ROOT / "envs" / place).resolve() for option, place in words}  # conda starts pip there
    assert places == {"-r": ROOT / "envs/requirements.txt", "-e": ROOT}
    docker = (ROOT / "envs/Dockerfile").read_text()
    assert "install --no-cache-dir -r /tmp/requirements.txt" in docker
    assert re.search(r"pip install .*-e \.$", docker, re.M)


def test_folders_of_a_run_may_be_links_to_another_disk(tmp_path):
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    (tmp_path / "scratch").mkdir()
    (tmp_path / "data").mkdir()
    names = ("evidence", "results", "logs", ".snakemake", "data/raw")
    for name in names:
        (tmp_path / name).symlink_to(tmp_path / "scratch")
    subprocess.run(("git", "init", "-q"), cwd=tmp_path, check=True)
    words = ("git", "status", "--porcelain", "--untracked-files=all")
    told = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert told == "?? .gitignore\n"


def test_what_archives_are_told_agrees():
    told = json.loads((ROOT / ".zenodo.json").read_text())
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert told["version"] == cited["version"] == project["version"]
    assert told["license"] == cited["license"] == project["license"]
    assert (told["title"], told["description"]) == (cited["title"], cited["abstract"])
    assert [creator["name"] for creator in told["creators"]] == [
        author["name"] for author in cited["authors"]
    ]
    assert len(cited["references"]) == 15
    assert all(reference["authors"] and reference["notes"] for reference in cited["references"])
