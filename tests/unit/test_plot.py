"""Figures: files, bytes, what is drawn, and clear errors. All data is synthetic."""

from __future__ import annotations

import re

import matplotlib
import numpy as np
import pytest
import synthetic_records as synthetic
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from retrace.claims.expect import Expect
from retrace.claims.words import CODES, WORDS
from retrace.plot import style
from retrace.plot.claimstrip import claim_strip
from retrace.plot.curves import index_against_costs
from retrace.plot.labels import overlap, place
from retrace.plot.scale import limits, ticks
from retrace.plot.style import colour, image, marker, panels, save, styled
from retrace.plot.table import frame, mean_interval, over_seeds
from retrace.plot.words import beats, short, span
from retrace.report import view
from retrace.studies.reuse.figures.between_networks import agreeing_pairs, between_networks, shared_conditions
from retrace.studies.reuse.figures.indices_and_costs import correlations, heatmap
from retrace.studies.reuse.figures.tasks import named_scatter


def texts(fig):
    return [t.get_text() for t in fig.findobj(lambda a: hasattr(a, "get_text")) if t.get_text()]


def drawn():
    table, networks = synthetic.table(seeds=2), synthetic.table(("resnet", "vgg", "vit"), seeds=1)
    values = correlations(table, [*synthetic.INDICES, "shuffled"], synthetic.COSTS[:2])
    return {
        "curves": lambda: index_against_costs(table, "arm", synthetic.COSTS[:2]),
        "heatmap": lambda: heatmap(values, {"papers": synthetic.INDICES, "control": ["shuffled"]}),
        "slopes": lambda: between_networks(networks, "arm", "epochs"),
        "scatter": lambda: named_scatter(synthetic.tasks(), "resque_task", "epochs"),
        "strip": lambda: claim_strip(synthetic.verdicts()[0]),
    }


@pytest.mark.parametrize("name", ["curves", "heatmap", "slopes", "scatter", "strip"])
def test_svg_is_the_same_twice_and_undated(name):
    first, second = (image(drawn()[name](), "svg") for _ in range(2))
    assert first == second
    assert b"<dc:date>" not in first
    assert b"<text" not in first  # outlines, so the fonts of the reader do not matter


def test_save_writes_both_forms_and_leaves_no_parts(tmp_path):
    fig, _ = panels(2)
    paths = save(fig, tmp_path / "new" / "panel.v1")
    assert [p.name for p in paths] == ["panel.v1.svg", "panel.v1.png"]
    assert paths[0].read_bytes().rstrip().endswith(b"</svg>")
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(p.name for p in paths)
    before = paths[1].read_bytes()
    save(panels(2)[0], tmp_path / "new" / "panel.v1")
    assert paths[1].read_bytes() == before


def test_a_figure_that_cannot_be_drawn_leaves_the_old_files(tmp_path, monkeypatch):
    paths = save(panels(1)[0], tmp_path / "f")
    before = [p.read_bytes() for p in paths]

    def only_svg(fig, form):
        if form == "png":
            raise MemoryError
        return b"new"

    monkeypatch.setattr(style, "image", only_svg)
    with pytest.raises(MemoryError):
        save(panels(1)[0], tmp_path / "f")
    assert [p.read_bytes() for p in paths] == before


def test_a_write_that_stops_half_way_leaves_the_old_file(tmp_path, monkeypatch):
    paths = save(panels(1)[0], tmp_path / "f")
    before = paths[0].read_bytes()

    def halt(source, target):
        raise InterruptedError

    monkeypatch.setattr(style, "image", lambda fig, form: b"new")
    monkeypatch.setattr(style.os, "replace", halt)
    with pytest.raises(InterruptedError):
        save(panels(1)[0], tmp_path / "f")
    assert paths[0].read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_the_users_own_settings_do_not_matter():
    def bare():
        with styled():
            fig, (ax,) = panels(1)
            ax.plot([0, 1])
        return image(fig, "svg")

    plain = bare()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        assert bare() == plain
        with styled():
            assert matplotlib.rcParams["axes.facecolor"] == "white"
        assert matplotlib.rcParams["font.size"] == 20


def test_colour_and_marker_never_repeat_together():
    assert len({(colour(i), marker(i)) for i in range(64)}) == 64


def test_curves_draw_every_seed_and_mark_censored_ones():
    table = synthetic.table()
    fig = index_against_costs(table, "arm", ["epochs"])
    points = sum(len(c.get_offsets()) for c in fig.axes[0].collections if c.get_offsets().shape[1] == 2)
    assert points >= len(table)
    assert not any("censored" in t for t in texts(fig))
    table.loc[0, "censored"] = True
    assert any("censored" in t for t in texts(index_against_costs(table, "arm", ["epochs"])))
    table.loc[1:2, "at_first_check"] = True
    said = texts(index_against_costs(table, "arm", ["epochs"]))
    assert f"at least (censored): 1 of {len(table)}" in said
    assert f"at most (ended at first check): 2 of {len(table)}" in said


def test_curves_survive_missing_values_and_single_seeds():
    table = synthetic.table(seeds=1)
    table["grad_norm"] = np.nan
    fig = index_against_costs(table, "intensity", ["epochs", "grad_norm"])
    assert "no data" in texts(fig)
    assert image(fig, "svg")


def test_missing_columns_and_empty_tables_are_named():
    table = synthetic.table()
    with pytest.raises(
        ValueError, match=r"index_against_costs: the table has no column joules; it has seed, cell"
    ):
        index_against_costs(table, "arm", ["joules"])
    with pytest.raises(ValueError, match="no rows"):
        between_networks(table[:0], "arm", "epochs")
    with pytest.raises(ValueError, match="at least two networks"):
        between_networks(table, "arm", "epochs")
    with pytest.raises(ValueError, match="no values for nothing"):
        heatmap(correlations(table, ["arm"], ["epochs"]), {"papers": ["arm", "nothing"]})
    with pytest.raises(ValueError, match="beta has no claims"):
        claim_strip(synthetic.paper("beta", []))


def test_correlations_average_over_seeds_and_leave_gaps():
    table = synthetic.table()
    table["exact"], table["flat"] = 2 * table["epochs"] + 1, 1.0
    found = correlations(table, ["exact", "flat", "arm"], ["epochs"], within=["seed"])
    assert found.loc["exact", "epochs"] == pytest.approx(1)
    assert np.isnan(found.loc["flat", "epochs"])
    each = [g["arm"].corr(g["epochs"], method="spearman") for _, g in table.groupby("seed")]
    assert found.loc["arm", "epochs"] == pytest.approx(np.mean(each))
    with pytest.raises(ValueError, match="spearmen"):
        correlations(table, ["arm"], ["epochs"], method="spearmen")


def test_heatmap_annotates_every_cell_and_the_control_does_not_compete():
    values = correlations(synthetic.table(), ["arm", "shuffled"], ["epochs"])
    values.loc["shuffled"] = 0.999
    fig = heatmap(values, {"papers": ["arm"], "control": ["shuffled"]}, unmarked=["control"])
    bold = [t.get_text() for t in fig.axes[0].texts if t.get_weight() == "bold"]
    assert bold == [f"{values.loc['arm', 'epochs']:.2f}"]
    assert {"papers", "control", "1.00"} <= set(texts(fig))
    values.loc["arm"] = -0.001
    assert "−0.00" not in texts(heatmap(values, {"papers": ["arm"]}))
    values.loc["arm"] = np.nan
    assert "n/a" in texts(heatmap(values, {"papers": ["arm"], "control": ["shuffled"]}))


def test_networks_are_compared_at_shared_conditions_only():
    table = synthetic.table(("a", "b"))
    table = table[~((table["network"] == "b") & (table["condition"] == "blur:1.8"))]
    kept = shared_conditions(table, "network", ["dataset", "condition"])
    assert "blur:1.8" not in set(kept["condition"])
    assert len(kept) == 2 * 14 * 3


def test_agreeing_pairs():
    assert agreeing_pairs(np.array([1.0, 2, 3]), np.array([4.0, 5, 6])) == (3, 3)
    assert agreeing_pairs(np.array([1.0, 2, 3]), np.array([6.0, 5, 5])) == (0, 3)


def test_scatter_names_every_point_and_quotes_the_given_agreement():
    fig = named_scatter(synthetic.tasks(), "resque_task", "epochs", agreement=("Spearman", 0.66, (0.2, 0.9)))
    assert set(synthetic.TASKS) <= set(texts(fig))
    assert "Spearman 0.66 [0.2, 0.9], 95% interval" in texts(fig)
    gone = synthetic.tasks().assign(epochs=np.nan)
    with pytest.raises(ValueError, match="no row has both"):
        named_scatter(gone, "resque_task", "epochs")


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0, 300)), min_size=1, max_size=12, unique=True))
def test_labels_stay_near_their_points(points):
    at = np.array(points)
    sizes = np.tile([30.0, 9.0], (len(at), 1))
    boxes = place(at, sizes, (0, 0, 400, 300))
    for (x, y), box in zip(at, boxes, strict=True):
        near = np.clip((x, y), box[:2], box[2:])
        assert np.hypot(*(near - (x, y))) < 45
    assert boxes == place(at, sizes, (0, 0, 400, 300))


def test_labels_of_a_crowd_do_not_overlap():
    at = np.array([[200 + 9 * i, 150 + 5 * (i % 3)] for i in range(8)], dtype=float)
    boxes = place(at, np.tile([35.0, 9.0], (8, 1)), (0, 0, 400, 300))
    assert all(overlap(boxes[i], boxes[j]) == 0 for i in range(8) for j in range(i))


def test_claim_strip_says_every_verdict_in_words():
    fig = claim_strip(synthetic.verdicts()[1])
    found = texts(fig)
    assert {"supported, not specific", "not measurable here", "not run", "open", "no measurement"} <= set(
        found
    )
    assert sum("wanted" in t for t in found) == 3
    with_title = claim_strip(synthetic.verdicts()[0], title="Alpha")
    assert "Alpha" in texts(with_title)


@pytest.mark.parametrize("verdict", CODES)
def test_claim_strip_draws_dollars_and_gaps(verdict):
    claim = synthetic.claim("x", verdict, None, None, says="costs $5 or $6 with {braces}", expect=None)
    fig = claim_strip(synthetic.paper("p", [claim]))
    assert isinstance(fig, Figure)
    assert WORDS[verdict] in texts(fig)
    assert image(claim_strip(synthetic.paper("p", [claim])), "svg")


def test_limits_hold_everything_and_prefer_the_unit_range():
    for record in synthetic.verdicts():
        for claim in record.claims:
            low, high = limits(claim)
            assert low < high
            if claim.measured is not None and np.isfinite(claim.measured):
                assert low <= claim.measured <= high
    assert limits(synthetic.claim("x", "supported", 0.9, [0.5, 0.95])) == (0, 1)
    assert limits(synthetic.claim("x", "supported", -0.5, [-0.8, 0.1])) == (-1, 1)
    assert limits(synthetic.claim("x", "supported", 12, [10, 14]))[1] > 14
    low, high = limits(synthetic.claim("x", "supported", 0.03, [0.02, 0.25], expect=None))
    assert -0.2 < low < 0.02
    assert 0.25 < high < 0.5


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(0, 1, [0, 0.25, 0.5, 0.75, 1]), (-1, 1, [-1, -0.5, 0, 0.5, 1]), (7.3, 18, [7.5, 10, 12.5, 15, 17.5])],
)
def test_ticks_are_round(low, high, found):
    assert ticks(low, high) == pytest.approx(found)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_and_inside(low, width):
    found = ticks(low, low + width)
    assert len(found) <= 5
    assert all(low - 1e-6 * width <= t <= low + 1.000001 * width for t in found)


def test_frame_holds_the_points_however_wide_the_intervals():
    low, high = frame([1.0, 2.0], [-500, 1.5], [500, 2.5])
    assert -1 < low < 1
    assert 2 < high < 4
    assert frame([np.nan], [0], [1]) is None
    assert frame([3.0], [np.nan], [np.nan])[0] < 3


def test_mean_interval_is_students():
    mean, low, high = mean_interval([1, 2, 3, np.nan], 0.95)
    assert (mean, low, high) == pytest.approx((2, 2 - 2.4841377, 2 + 2.4841377))
    assert mean_interval([5.0], 0.95)[0] == 5
    assert np.isnan(mean_interval([5.0], 0.95)[1])
    assert np.isnan(mean_interval([], 0.95)[0])
    assert list(over_seeds(synthetic.table(), ["type"], ["epochs"], 0.9)["type"]) == list(synthetic.GRID)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.8, "0.8"),
        (-0.011, "−0.011"),
        (12.44, "12.4"),
        (1234.5, "1,234"),
        (2e-6, "2e−6"),
        (0, "0"),
        (None, "n/a"),
        (float("nan"), "n/a"),
        (float("inf"), "∞"),
        ("x", "n/a"),
        (0.9996, "1"),
        (100, "100"),
        (True, "n/a"),
    ],
)
def test_short(value, text):
    assert short(value) == text


@given(st.floats(-1e300, 1e300))
def test_short_keeps_three_digits(value):
    back = float(re.sub("−", "-", short(value)).replace(",", ""))
    assert back == pytest.approx(value, rel=6e-3, abs=0)


@pytest.mark.parametrize(
    ("expect", "wanted", "words"),
    [
        ({"at_least": 0.8}, (0.8, np.inf), "at least 0.8"),
        ({"below": 2}, (-np.inf, 2), "below 2"),
        ({"above": 0, "at_most": 1}, (0, 1), "above 0 and at most 1"),
        ({"within": 0.02}, (-0.02, 0.02), "within 0.02 of 0"),
        ({"value": 1, "within": 0.25}, (0.75, 1.25), "within 0.25 of 1"),
        ({"at_least": 0.5, "below": None}, (0.5, np.inf), "at least 0.5"),
    ],
)
def test_expectations(expect, wanted, words):
    expect = Expect.model_validate(expect)
    assert (expect.low, expect.high) == wanted
    assert expect.words(short) == words


@pytest.mark.parametrize("nothing", [{}, None])
def test_a_claim_that_expects_nothing_says_nothing(nothing):
    claim = synthetic.claim("x", "not-run", None, None, expect=nothing)
    assert claim.expect is None
    assert not any("wanted" in text for text in texts(claim_strip(synthetic.paper("p", [claim]))))
    assert view.wanted(claim) == ""


def test_span_and_beats():
    assert span([0.1, None]) == "[0.1, …]"
    assert span(None) == span([None, None]) == span("ab") == ""
    assert beats(0.9, 0.8, Expect(at_least=0.5)) is True
    assert beats(0.8, 0.8, Expect(at_least=0.5)) is False
    assert beats(0.1, 0.2, Expect(below=0.5)) is True
    assert beats(0.9, 0.8, Expect(within=0.5)) is None
    assert beats(None, 0.8, Expect(at_least=0.5)) is None
    assert beats(0.9, 0.8, None) is None
