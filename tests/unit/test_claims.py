import copy
import fnmatch
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml
from claim_tables import CONDITIONS, GOOD, POOR, study_table
from scipy import stats

from retrace.claims.expect import Expect
from retrace.claims.load import load_claims, parse_claims
from retrace.claims.schema import claims_schema
from retrace.claims.statistics import STATISTICS
from retrace.errors import RetraceError

FILES = sorted((Path(__file__).parents[2] / "claims").glob("*.yaml"))
PAPERS = {path.stem: load_claims(path) for path in FILES}
SHIPPED = [pytest.param(c, id=f"{name}:{c.id}") for name, paper in PAPERS.items() for c in paper.claims]
OURS = ("arm", "preindex", "resque")

MINIMAL = {
    "paper": "preindex",
    "title": "A title",
    "claims": [
        {
            "id": "ranks",
            "says": "it ranks",
            "where": "abstract",
            "kind": "trend",
            "evidence": {"study": "reuse", "statistic": "spearman", "of": ["preindex", "epochs"]},
            "expect": {"at_least": 0.8},
            "control": {"label": "pixels", "of": "pixel_rmse"},
        }
    ],
}


def changed(path, value):
    raw = copy.deepcopy(MINIMAL)
    place = raw["claims"][0]
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return raw


def test_the_three_papers_have_claims():
    assert set(OURS) <= set(PAPERS)


@pytest.mark.parametrize("claim", SHIPPED)
def test_every_shipped_claim_has_a_control_or_a_reason(claim):
    assert claim.control or claim.testable.not_here


@pytest.mark.parametrize("paper", OURS)
def test_shipped_columns_cells_and_thresholds(paper):
    table = study_table(seeds=1)
    thresholds = {"arm": 0.6, "preindex": 0.75, "resque": 0.45}
    assert set(GOOD) | set(POOR) <= set(table.columns)
    for claim in PAPERS[paper].claims:
        if claim.evidence:
            sides = [claim.evidence, *(claim.evidence.varied(v) for v in (claim.control, *claim.baselines))]
            assert set.union(*(side.columns() for side in sides)) <= set(table.columns), claim.id
            cells = table["cell"].unique()
            assert any(fnmatch.filter(cells, pattern) for pattern in claim.evidence.cells), claim.id
        if claim.id.startswith("ranks-shifts"):
            assert claim.expect.at_least == thresholds[paper]
        assert claim.published is None  # the papers' tables could not be read


def test_minimal_claims_are_accepted_and_fit_the_schema():
    assert parse_claims(MINIMAL, "x").claims[0].evidence.random is None
    jsonschema.validate(MINIMAL, claims_schema())
    for path in FILES:
        jsonschema.validate(yaml.safe_load(path.read_text()), claims_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed(["expct"], 1), claims_schema())


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["expct"], {"at_least": 1}, ["claim 'ranks'", "'expct'", "did you mean 'expect'"]),
        (["expect"], {"at_leats": 0.8}, ["claim 'ranks'", "expect", "did you mean 'at_least'"]),
        (["evidence", "statistic"], "spearmen", ["evidence.statistic", "did you mean 'spearman'"]),
        (["evidence", "of"], ["preindex"], ["evidence", "spearman takes 2 column(s), not 1"]),
        (["evidence", "of"], ["preindex", "log(epochs)"], ["evidence.of.1", "log(epochs)"]),
        (["kind"], "trends", ["kind", "did you mean 'trend'"]),
        (["kind"], "order", ["evidence.versus"]),
        (["kind"], "value", ["needs both ends"]),
        (["control"], None, ["missing control"]),
        (["control", "label"], "", ["control.label"]),
        (["control", "statistic"], "mean", ["control", "mean takes 1 column"]),
        (["control", "of"], ["epochs", "epochs"], ["control: compares something with itself"]),
        (["control", "of"], "preindex", ["control: measures what the claim measures", "versus"]),
        (
            ["control"],
            {"label": "shuffled", "of": "shuffled(preindex)"},
            ["control: a shuffled column cannot reach"],
        ),
        (["evidence", "random"], "item", ["evidence.random", "items"]),
        (["evidence", "resample"], "rows", ["unknown key 'resample'"]),
        (["expect"], {"at_least": 0.8, "above": 0.8}, ["one lower"]),
        (["expect"], {"at_least": 0.8, "at_most": 0.7}, ["expect"]),
        (["expect"], {"value": 0.8}, ["within"]),
        (["id"], "Ranks it", ["id"]),
        (["expect"], {"at_least": -math.inf}, ["claim 'ranks'", "expect.at_least: -inf is not a finite"]),
        (["expect"], {"at_least": True}, ["claim 'ranks'", "expect.at_least: true is not a number"]),
    ],
)
def test_a_mistake_is_one_line_that_names_place_and_remedy(path, value, words):
    with pytest.raises(RetraceError) as error:
        parse_claims(changed(path, value), "claims/preindex.yaml")
    line = str(error.value)
    assert line.startswith("claims/preindex.yaml: ")
    assert "\n" not in line
    assert all(word in line for word in words), line


def test_a_question_of_ours_is_no_headline():
    raw = copy.deepcopy(MINIMAL)
    raw["claims"][0] |= {"origin": "ours", "primary": True}
    with pytest.raises(RetraceError, match="primary: our own questions are no sentences of the abstract"):
        parse_claims(raw, "x")


def test_an_id_twice_is_refused():
    raw = copy.deepcopy(MINIMAL)
    raw["claims"] *= 2
    with pytest.raises(RetraceError, match="more than once: ranks"):
        parse_claims(raw, "x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("paper: preindex\ntitle: a\ntitle: b\nclaims: []", "line 3: key 'title' given twice"),
        ("paper: [", "line 2"),
        (yaml.safe_dump(MINIMAL | {"paper": "arm"}), "paper is 'arm'; rename"),
        ("- 1", "dictionary"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, text, words):
    path = tmp_path / "claims" / "preindex.yaml"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(RetraceError, match=r"^claims/preindex.yaml") as error:
        load_claims(path)
    assert words in str(error.value)
    with pytest.raises(RetraceError, match="did you mean 'preindex'"):
        load_claims(path.with_name("preindx.yaml"))


@pytest.mark.parametrize(
    ("expect", "inside", "outside", "words"),
    [
        ({"at_least": 0.8}, [0.8, 0.8 - 1e-12, 2], [0.79, math.nan], "at least 0.8"),
        ({"above": 0}, [0.1], [0, -1], "above 0"),
        ({"below": 0}, [-0.1], [0, 1], "below 0"),
        ({"at_least": 1, "at_most": 2}, [1, 2], [0.9, 2.1], "at least 1 and at most 2"),
        ({"value": 0.5, "within": 0.1}, [0.4, 0.6], [0.39, 0.61], "within 0.1 of 0.5"),
        ({"within": 0.1}, [0, -0.1], [0.2], "within 0.1 of 0"),
    ],
)
def test_expectations(expect, inside, outside, words):
    expect = Expect(**expect)
    assert expect.meets(np.array(inside)).all()
    assert not expect.meets(np.array(outside)).any()
    assert expect.words() == words


def test_statistics_with_weights_are_those_of_repeated_rows():
    rng = np.random.default_rng(0)
    x, y = rng.integers(1, 9, (2, 7)).astype(float)
    counts = rng.integers(1, 4, (5, 7)).astype(float)
    plain = {
        "mean": lambda a, b: a.mean(),
        "median": lambda a, b: np.median(a),
        "ratio": lambda a, b: a.mean() / b.mean(),
        "difference": lambda a, b: a.mean() - b.mean(),
        "pearson": lambda a, b: stats.pearsonr(a, b).statistic,
        "pearson_log": lambda a, b: stats.pearsonr(a, np.log(b)).statistic,
        "spearman": lambda a, b: stats.spearmanr(a, b).statistic,
        "kendall": lambda a, b: stats.kendalltau(a, b).statistic,
    }
    assert plain.keys() == STATISTICS.keys()
    for name, statistic in STATISTICS.items():
        found = statistic.function(*[x, y][: statistic.columns], weights=counts)
        repeated = [(np.repeat(x, w.astype(int)), np.repeat(y, w.astype(int))) for w in counts]
        np.testing.assert_allclose(found, [plain[name](a, b) for a, b in repeated], atol=1e-12, err_msg=name)


def test_statistics_without_a_value_are_nan():
    x, w = np.array([1.0, np.nan, 3.0]), np.ones(3)
    assert np.isnan(STATISTICS["mean"].function(x, weights=w))
    assert np.isnan(STATISTICS["median"].function(x, weights=w))
    assert np.isnan(STATISTICS["ratio"].function(np.ones(3), np.array([1.0, 0, -1]), weights=w))
    assert np.isnan(STATISTICS["pearson_log"].function(np.arange(3.0), np.array([0.0, 1, 2]), weights=w))
    assert len(CONDITIONS) == 15
