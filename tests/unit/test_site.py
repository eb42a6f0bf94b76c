"""The site is made of the repository's pages, and every link of theirs leads somewhere on it, too."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site():
    spec = importlib.util.spec_from_file_location("site_of_docs", ROOT / "docs" / "site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def staged(site, tmp_path_factory):
    place = tmp_path_factory.mktemp("staged")
    report = place / "given.html"
    report.write_text("<!doctype html>")
    site.stage(place, report)
    return place


def leaves(nav):
    for part in nav:
        for value in part.values() if isinstance(part, dict) else [part]:
            yield from leaves(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_contents(site, staged):
    settings = yaml.safe_load((staged / "mkdocs.yml").read_text())
    named = list(leaves(settings["nav"]))
    assert len(named) == len(set(named))
    assert {"report.html", "docs/papers/arm.md", "docs/methods/reuse.md"} <= set(named)
    pages = {name for pattern in site.PAGES for name in site.names(pattern)}
    assert set(named) - {"report.html"} == pages
    assert all((staged / "pages" / name).is_file() for name in [*named, *settings["extra_css"]])


def test_what_a_page_links_to_is_there(site, staged):
    pages = [path for pattern in site.PAGES for path in ROOT.glob(pattern)]
    links = {target.relative_to(ROOT) for page in pages for target in site.targets(page)}
    assert {Path("claims"), Path("figures/arm/claims.png"), Path("data/catalogue.csv")} <= links
    for link in links:
        assert (staged / "pages" / link).exists(), link
        if (ROOT / link).is_dir():
            assert (staged / "pages" / link / "index.md").is_file() or (
                staged / "pages" / link / "README.md"
            ).is_file()


def test_the_search_loads_nothing_from_elsewhere(site, tmp_path):
    deep = tmp_path / "docs" / "papers"
    deep.mkdir(parents=True)
    for page in (tmp_path / "index.html", deep / "arm.html"):
        page.write_text(f'<script src="{site.ELSEWHERE}"></script>')
    site.own_search(tmp_path)
    for page in (tmp_path / "index.html", deep / "arm.html"):
        (script,) = re.findall('src="([^"]*)"', page.read_text())
        assert (page.parent / script).resolve() == tmp_path / "worker.js"
    assert (tmp_path / "worker.js").read_bytes() == (ROOT / "docs/worker.js").read_bytes()


@pytest.mark.parametrize(
    ("words", "line"),
    [(["{tmp}"], "is there already"), (["{tmp}/new", "--report", "none.html"], "none.html: no such file")],
)
def test_what_cannot_be_is_one_line(tmp_path, words, line):
    words = [word.format(tmp=tmp_path) for word in words]
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs/site.py"), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert line in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_an_environment_without_the_builder_is_one_line(site, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(SystemExit):
        site.main([str(tmp_path / "new")])
    assert "pip install -r envs/requirements-site.txt" in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
