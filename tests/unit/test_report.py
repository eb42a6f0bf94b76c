"""The report page: complete, escaped, self-contained and deterministic. All records are synthetic."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import synthetic_records as synthetic

from retrace.claims.record import VERDICTS, PaperVerdict
from retrace.plot.words import short
from retrace.report import view
from retrace.report.html import Picture, render
from retrace.report.view import Run, counts, findings, methods

SVG = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>\n'
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
    (tmp_path / "claims.svg").write_text(SVG)
    (tmp_path / "curves.svg").write_text(SVG)
    return {
        "alpha": [
            Picture("curves", 'what <to> "see"', tmp_path / "curves.svg"),
            Picture("claims", "the strip", tmp_path / "claims.svg"),
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
            assert attrs.get(name, "#").startswith(("#", "data:image/svg+xml;base64,"))
        assert not any(name.startswith("on") for name in attrs)
    assert not page.all("script")
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
    assert {attrs["href"][1:] for attrs in page.all("a")} <= set(ids)
    for phrase in [
        "11.2 (Table 2, row 3)",
        "not quoted: the result tables were not available to us",
        "about 7 seeds would decide",
        "95% interval [0.31, 0.68]",
        "shuffled index: 0.02",
        "kNN error: 0.6",
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
    assert not page.all("script")
    assert len(page.all("img")) == 2


def test_figures_are_described_and_the_strip_comes_before_the_table(figures):
    page = Page(render(synthetic.verdicts(), figures, synthetic.run()))
    assert [a["alt"] for a in page.all("img")] == [
        "the strip (alpha, claims)",
        'what <to> "see" (alpha, curves)',
    ]
    tags = [name for name, attrs in page.tags if name == "img" or attrs.get("class") == "claims"]
    assert tags[:3] == ["img", "table", "img"]


def test_missing_and_damaged_figures_are_named(figures, tmp_path):
    figures["alpha"].append(Picture("gone", "", tmp_path / "gone.svg"))
    (tmp_path / "curves.svg").write_text(SVG[:60])
    source = render(synthetic.verdicts(), figures, synthetic.run())
    assert "Figure alpha/gone.svg is missing. Draw it with: snakemake alpha" in source
    assert "Figure alpha/curves.svg is not a whole SVG file" in source
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
    assert counts(every) == dict(zip(VERDICTS, (3, 1, 2, 1, 1), strict=True))
    assert counts([]) == dict.fromkeys(VERDICTS, 0)


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


def test_empty_and_bare_records_render():
    assert "No paper has been judged yet" in render([], {}, Run())
    nothing = dict.fromkeys(("expect", "statistic", "p", "p_holm"))
    bare = synthetic.claim("x", "not run", None, None, seeds=0, units=0, reason="", **nothing)
    free = synthetic.cost(jobs=0, kwh=float("nan"), methods=[], factor_kg_per_kwh=[])
    papers = [synthetic.paper("gamma", [bare], cost=free), synthetic.paper("delta", [], cost=free)]
    page = Page(render(papers, {}, Run()))
    assert "no claims on file" in page.text
    assert "nan" not in page.text.lower().split()
    assert "None" not in page.text


def test_numbers_that_are_none_or_nan_are_words():
    nan = float("nan")
    claim = synthetic.claim("x", "inconclusive", nan, [nan, 1.0], p=None, p_holm=None)
    assert (short(claim.measured), view.interval(claim), view.p_values(claim)) == ("n/a", "", "")
    open_end = synthetic.claim("x", "supported", 0.5, [0.2, None])
    assert view.interval(open_end).replace("\u00a0", " ") == "95% interval [0.2, …]"


def test_p_values_for_and_against():
    both = synthetic.claim("x", "refuted", 0.1, [0, 0.2], p_against=0.002, p_against_holm=0.004)
    assert view.p_values(both) == "p 0.01 (Holm 0.03), p against the claim 0.002 (Holm 0.004)"
    assert view.p_values(synthetic.claim("x", "supported", 0.9, None, p_holm=None)) == "p 0.01"


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
