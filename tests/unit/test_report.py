"""The report page: complete, escaped, self-contained and deterministic. All records are synthetic."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
import synthetic_records as synthetic
from PIL import Image

from retrace.claims.record import PaperVerdict
from retrace.claims.words import CODES, WORDS
from retrace.plot.words import short
from retrace.report import view
from retrace.report.embed import Picture
from retrace.report.html import STRIP, render
from retrace.report.row import row, words
from retrace.report.view import Run, counts, findings, methods

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
REPOSITORY = Path(__file__).parents[2]
BOUND = 5_000_000  # bytes of a page of nine papers
VOID = {"meta", "br", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """Tags, ids, addresses, text; fails on tags that do not close in order."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.words = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def figures(tmp_path):
    for name in ("curves", "planes"):
        Image.new("RGB", (900, 600), "red").save(tmp_path / f"{name}.png")
    return {
        "alpha": [
            Picture("curves", 'what <to> "see"', tmp_path / "curves.png"),
            Picture("planes", "the plane", tmp_path / "planes.png"),
        ]
    }


def test_same_arguments_same_page(figures):
    assert render(synthetic.verdicts(), figures, synthetic.run()) == render(
        synthetic.verdicts(), figures, synthetic.run()
    )


def test_nothing_is_loaded_from_elsewhere(figures):
    source = render(synthetic.verdicts(), figures, synthetic.run())
    page = Page(source)
    for _, attrs in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert attrs.get(name, "#").startswith(("#", "data:image/webp;base64,"))
        assert not any(name.startswith("on") for name in attrs)
    assert page.all("script") == [{}]
    assert not page.all("link")
    assert not re.search(r"url\(|@import|https?://", source)


def test_every_claim_is_there_and_reachable(figures):
    page = Page(render(synthetic.verdicts(), figures, synthetic.run()))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for record in synthetic.verdicts():
        assert record.title in page.text
        for claim in record.claims:
            assert f"claim-{record.paper}-{claim.id}" in ids
            assert claim.says in page.text
            assert claim.reason in page.text
    verdicts = {f"verdict={code}" for code in CODES}
    assert {attrs["href"][1:] for attrs in page.all("a")} <= set(ids) | verdicts
    for phrase in [
        "11.2 (Table 2, row 3)",
        "not quoted: the result tables were not available to us",
        "about 7 seeds would decide",
        "95% interval [0.31, 0.68]",
        "shuffled index: 0.02",
        "kNN error: 0.6 ",
        "our own question",
        "CPU seconds × 15 W; not a measurement",
        "0.475 kg CO₂e per kWh",
        "snakemake --cores all",
        "cpu, 2 cores",
        "numpy 2.0, torch 2.15",
        "2000-01-01",
        "0.00166",
    ]:
        assert phrase in page.text.replace("\u00a0", " "), phrase
    assert page.text.count("seeds would decide") == 1


def test_hostile_text_stays_text(figures):
    bad = "<script>alert('x')</script>\"><img src=x onerror=y>"
    alpha, beta = synthetic.verdicts()
    first, *others = alpha.claims
    # copies are not validated, as nothing that reaches the page is trusted
    control = first.control.model_copy(update={"label": bad, "passes": True})
    baseline = first.baselines[0].model_copy(update={"label": bad})
    told = {"says": bad, "where": bad, "reason": bad, "scope": bad}
    first = first.model_copy(update={**told, "control": control, "baselines": [baseline]})
    alpha = alpha.model_copy(update={"title": bad, "claims": [first, *others]})
    figures["alpha"][0] = figures["alpha"][0]._replace(caption=bad)
    run = replace(synthetic.run(), title=bad, commands=(bad,), environment={bad: bad})
    page = Page(render([alpha, beta], figures, run))
    assert page.text.count("alert('x')") >= 9
    assert page.all("script") == [{}]
    assert len(page.all("img")) == 3


def test_figures_are_described_and_the_key_figure_is_on_the_card(figures):
    page = Page(render(synthetic.verdicts(), figures, synthetic.run()))
    assert [a["alt"] for a in page.all("img")] == [
        'Key figure, small: what <to> "see"',
        'what <to> "see" (alpha, curves)',
        "the plane (alpha, planes)",
    ]
    assert [int(a["width"]) for a in page.all("img")] == [560, 900, 900]
    tags = [name for name, attrs in page.tags if name == "img" or attrs.get("class") == "claims"]
    assert tags[:4] == ["img", "ol", "img", "img"]


def test_missing_and_damaged_figures_are_named(figures, tmp_path):
    figures["alpha"].append(Picture("gone", "", tmp_path / "gone.png"))
    whole = (tmp_path / "curves.png").read_bytes()
    (tmp_path / "curves.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "planes.png").write_text("no picture")
    source = render(synthetic.verdicts(), figures, synthetic.run())
    assert "Figure alpha/gone.png is missing. Draw it with: snakemake alpha" in source
    for name in ("curves", "planes"):
        assert f"Figure alpha/{name}.png is not a whole PNG file" in source
    assert str(tmp_path) not in source


def test_tables_and_headings_are_accessible(figures):
    page = Page(render(synthetic.verdicts(), figures, synthetic.run()))
    assert page.all("html")[0]["lang"] == "en"
    assert all(attrs.get("scope") in ("row", "col") for attrs in page.all("th"))
    levels = [int(name[1]) for name, _ in page.tags if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table"))


def test_verdicts_are_counted():
    every = [claim for record in synthetic.verdicts() for claim in record.claims]
    assert counts(every) == dict(zip(CODES, (2, 1, 1, 0, 0, 2, 1, 1), strict=True))
    assert counts([]) == dict.fromkeys(CODES, 0)


def test_negative_findings_are_all_listed():
    alpha, beta = (findings(record) for record in synthetic.verdicts())
    assert [(f.kind, f.id) for f in alpha] == [
        ("baseline", "ranks-within-type"),
        ("refuted", "ranks-pooled"),
        ("baseline", "ranks-pooled"),
        ("baseline", "fewer-epochs"),
    ]
    assert [(f.kind, f.id) for f in beta] == [("control", "attack-falls"), ("baseline", "attack-falls")]
    pooled = alpha[2].text
    assert "pixel RMSE" in pooled
    assert pooled.count("(intervals apart)") == 1
    assert "LEEP" not in pooled


def test_a_page_without_bad_news_says_so():
    record = synthetic.paper("alpha", [synthetic.claim("good", "supported", 0.9, [0.85, 0.95])])
    assert "none was refuted" in Page(render([record], {}, Run())).text
    assert "none was refuted" not in Page(render(synthetic.verdicts(), {}, Run())).text


def test_our_own_questions_across_papers_are_no_papers():
    claims = [
        synthetic.claim("q", "supported", 0.9, [0.85, 0.95], origin=origin) for origin in ("paper", "ours")
    ]
    names = {"alpha": claims, "beta": claims[:1], "across": claims[1:], "empty": []}
    page = Page(render([synthetic.paper(name, own) for name, own in names.items()], {}, Run()))
    assert "3 papers and 1 set of questions across papers, 4 claims" in " ".join(page.text.split())
    page = Page(render([synthetic.paper("alpha", claims[:1])], {}, Run()))
    assert " 1 paper, 1 claim" in " ".join(page.text.split())


def test_empty_and_bare_records_render():
    assert "No paper has been judged yet" in render([], {}, Run())
    nothing = dict.fromkeys(("expect", "statistic", "random", "test"))
    bare = synthetic.claim("x", "not-run", None, None, seeds=0, units=0, reason="", **nothing)
    free = synthetic.cost(jobs=0, kwh=float("nan"), methods=[], factor_kg_per_kwh=[])
    papers = [synthetic.paper("gamma", [bare], cost=free), synthetic.paper("delta", [], cost=free)]
    page = Page(render(papers, {}, Run()))
    assert "no claims on file" in page.text
    assert "nan" not in page.text.lower().split()
    assert "None" not in page.text


def test_numbers_that_are_none_or_nan_are_words():
    nan = float("nan")
    claim = synthetic.claim("x", "open", nan, [nan, 1.0], random=None, test=None)
    assert (short(claim.measured), view.interval(claim), view.test(claim)) == ("n/a", "", {})
    open_end = synthetic.claim("x", "supported", 0.5, [0.2, None])
    assert view.interval(open_end).replace("\u00a0", " ") == "95% interval [0.2, …]"


def test_p_values_for_and_against():
    both = synthetic.claim("x", "refuted", 0.1, [0, 0.2], test=synthetic.tested(p_against=0.002))
    assert view.test(both) == {
        "random": "seeds",
        "test": "t with 2 degrees of freedom: p 0.01, against the claim 0.002",
        "family": "the paper's claims, corrected together: p 0.03",
    }
    exact = synthetic.claim("x", "refuted", 0.1, None, test=synthetic.tested(df=None), origin="ours")
    assert view.test(exact)["test"].startswith("exact test: p 0.01")
    assert view.test(exact)["family"].startswith("our questions")
    counted = synthetic.claim("x", "refuted", 0.1, None, random="nothing", test=None)
    assert view.test(counted) == {"random": "nothing, it is counted"}


def test_wrong_input_is_named():
    records = synthetic.verdicts()
    with pytest.raises(ValueError, match="figures of omega but no verdict record"):
        render(records, {"omega": []}, Run())
    with pytest.raises(ValueError, match="alpha has more than one"):
        render([records[0], copy.deepcopy(records[0])], {}, Run())
    raw = records[0].model_dump(by_alias=True)
    raw["claims"][0]["verdict"] = "probably"
    with pytest.raises(ValueError, match=r"claims\.0\.verdict\n.*'supported', .*input_value='probably'"):
        PaperVerdict.model_validate(raw)


def test_metering_methods_name_the_powers_given():
    words = methods(Run(cpu_watts=(15,), ram_watts=(3,)))["constant"]
    assert words == "CPU seconds × 15 W, and wall seconds × 3 W for memory; not a measurement"
    assert "CPU seconds × 5 W or 15 W," in methods(Run(cpu_watts=(5, 15)))["constant"]
    assert "a constant power" in methods(Run())["constant"]
    assert methods(Run(methods={"constant": "mine"}))["constant"] == "mine"


def test_cost_of_the_whole_run_is_a_row_of_its_own():
    nan = float("nan")
    whole = synthetic.cost(jobs=40, seconds=999, cpu_seconds=nan, kwh=0.5, kg_co2e=nan, methods=["nvml"])
    page = Page(render(synthetic.verdicts(), {}, Run(cost=whole)))
    assert "whole run 40 999 n/a 0.5 n/a nvml" in page.text
    two = synthetic.paper("alpha", [], cost=synthetic.cost(factor_kg_per_kwh=[0.2, 0.475]))
    assert "energy times 0.2 or 0.475 kg" in Page(render([two], {}, Run())).text
    assert "whole run" not in Page(render(synthetic.verdicts(), {}, Run())).text


def test_a_card_sums_up_the_abstract_or_else_all_claims_of_the_paper():
    claims = synthetic.verdicts()[0].claims
    line, groups = view.card(claims)
    assert line == "3 claims of the paper: 1 held here, 1 did not, 1 open, 0 not measurable or not run."
    assert [[c.id for c in group] for group in groups.values()] == [
        ["ranks-within-type"],
        ["ranks-pooled"],
        ["fewer-epochs"],
        [],
    ]
    primary = [claims[0], claims[1].model_copy(update={"primary": True})]
    assert (
        view.card(primary).line
        == "1 sentence of the abstract: 0 held here, 1 did not, 0 open, 0 not measurable or not run."
    )
    assert sorted(code for codes in view.GROUPS.values() for code in codes) == sorted(CODES)


def test_a_claim_s_picture_says_all_it_shows():
    claims = {claim.id: claim for record in synthetic.verdicts() for claim in record.claims}
    epochs = claims["fewer-epochs"]
    assert words(epochs) == (
        "measured 12.4 [8.1, 16.9]; wanted at most 14; published 11.2; "
        "control, shuffled index: 15 [13.5, 17.2]; trivial baseline, one-epoch extrapolation: 11.9"
    )
    drawn = Page(row(epochs))
    assert drawn.all("svg")[0]["aria-label"] == words(epochs)
    assert drawn.all("svg")[0]["role"] == "img"
    classes = [attrs.get("class") for _, attrs in drawn.tags]
    for kind in ("wanted", "edge", "published", "mark-here", "mark-control", "mark-trivial"):
        assert classes.count(kind) == 1, kind
    assert row(claims["needs-gpu"]) == row(claims["not-a-number"]) == ""
    hostile = epochs.model_copy(
        update={"baselines": [epochs.baselines[0].model_copy(update={"label": "<b>"})]}
    )
    assert "<b>" not in row(hostile)
    open_end = row(claims["attack-falls"])
    assert "nan" not in open_end
    assert "inf" not in open_end


def test_every_claim_has_one_picture_and_one_mark_at_a_glance(figures):
    page = Page(render(synthetic.verdicts(), figures, synthetic.run()))
    claims = [claim for record in synthetic.verdicts() for claim in record.claims]
    shown = [claim for claim in claims if short(claim.measured) != "n/a"]
    assert len([a for a in page.all("svg") if a.get("class") == "row"]) == len(shown)
    marks = [a["aria-label"] for a in page.all("a") if "mark" in a.get("class", "").split()]
    assert sorted(marks) == sorted(f"{WORDS[claim.verdict]}: {claim.says}" for claim in claims)


def test_a_page_of_nine_papers_stays_small():
    """The published figures of all papers, and more claims than those papers have."""
    first = synthetic.verdicts()[0].claims
    claims = [first[k % 4].model_copy(update={"id": f"c{k}"}) for k in range(20)]
    folders = sorted(path for path in (REPOSITORY / "figures").iterdir() if path.is_dir())
    pictures = {
        folder.name: [Picture(path.stem, "see", path) for path in folder.glob("*.png") if path.stem != STRIP]
        for folder in folders
    }
    assert len(folders) >= 9
    assert sum(map(len, pictures.values())) >= 30
    papers = [synthetic.paper(folder.name, claims) for folder in folders]
    page = render(papers, pictures, Run())
    assert 'class="missing"' not in page
    assert len(page.encode()) < BOUND


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to filter the page in")
@pytest.mark.parametrize(
    ("address", "shown", "opened"),
    [
        ("", 8, set()),
        ("#paper=beta", 4, set()),
        ("#paper=alpha&verdict=refuted", 1, set()),
        ("#kind=equivalence", 1, set()),
        ("#verdict=margin", 8, set()),
        ("#claim-alpha-fewer-epochs", 8, {"claim-alpha-fewer-epochs"}),
    ],
)
def test_filters_work_in_a_browser(address, shown, opened, figures, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(render(synthetic.verdicts(), figures, synthetic.run()))
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    done = subprocess.run(
        [CHROMIUM, *options, "--dump-dom", f"{page.as_uri()}{address}"],
        capture_output=True,
        text=True,
        timeout=120,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    dom = Page(done.stdout)
    claims = [attrs for _, attrs in dom.tags if "claim" in attrs.get("class", "").split()]
    assert len(claims) == 8
    assert sum("hidden" not in attrs for attrs in claims) == shown
    assert f"{shown} of 8 claims shown" in dom.text
    assert "hidden" not in dom.all("form")[0]
    inside = re.findall(r'id="(claim-[^"]+)"(?:(?!</li>).)*?<details open', done.stdout, re.DOTALL)
    assert set(inside) == opened
