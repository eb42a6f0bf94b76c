"""Rates from meters, intervals, chains of jobs, and what `retrace cost` refuses."""

import json
from dataclasses import replace
from math import exp, log, sqrt
from random import Random

import pytest

from retrace import sheet
from retrace.cli import main
from retrace.costs import forecast, meters
from retrace.costs.forecast import Estimate, Forecast, chains, interval
from retrace.costs.meters import Metered
from retrace.costs.rates import ASSUMED, Rate, fitted, least_squares
from retrace.costs.summary import caps, summed, told, without_rate
from retrace.errors import RetraceError
from retrace.work import ELEMENTS, FLOP, OPERATIONS, STAGE, VALUES, Work, times, total

TRUE = {FLOP: 1e-10, OPERATIONS: 3e-6, ELEMENTS: 4e-9}  # none as assumed


def amounts(rng):
    return {
        FLOP: 10 ** rng.uniform(9, 11),
        OPERATIONS: 10 ** rng.uniform(5, 7),
        ELEMENTS: 10 ** rng.uniform(8, 10),
    }


def taken(amounts):
    return sum(TRUE[name] * amount for name, amount in amounts.items())


def metered(cell="a", seconds=2.0, flop=1e9, until="", **more):
    work = Work({FLOP: flop}, until=until)
    return Metered("reuse", "train", "cpu", cell, work, seconds, seconds * 5e-6, **more)


@pytest.mark.parametrize(("cells", "off"), [(12, 0.6), (100, 0.1), (600, 0.02)])
def test_the_pull_to_assumed_speeds_wears_off_as_exact_meters_come(cells, off):
    for seed in range(5):
        rng = Random(seed)
        rows = [(a, taken(a)) for a in (amounts(rng) for _ in range(cells))]
        rate = Rate(least_squares(rows, ASSUMED["cpu"]))
        for new in (amounts(rng) for _ in range(20)):
            assert rate.time(new) == pytest.approx(taken(new), rel=off)


def test_no_rate_is_negative_and_one_that_adds_nothing_takes_nothing():
    rng = Random(1)
    rows = [
        ({FLOP: f, VALUES: 1e8 / f * 1e9}, 1e-10 * f) for f in (10 ** rng.uniform(9, 11) for _ in range(12))
    ]
    found = least_squares(rows, ASSUMED["cpu"])
    assert min(found.values()) >= 0
    assert sum(found[VALUES] * own[VALUES] for own, _ in rows) < 0.002 * sum(taken for _, taken in rows)


def test_a_single_cell_shares_its_time_as_assumed_and_foretells_itself():
    own = {FLOP: 3e10, OPERATIONS: 1e5}
    found = least_squares([(own, 7.0)], ASSUMED["cpu"])
    assert sum(found[n] * v for n, v in own.items()) == pytest.approx(7.0)
    assert found[FLOP] / found[OPERATIONS] == pytest.approx(ASSUMED["cpu"][FLOP] / ASSUMED["cpu"][OPERATIONS])


def test_the_sum_over_cells_is_foretold_rightly():
    rows = [({FLOP: 1e9}, 1.0), ({FLOP: 1e9}, 9.0)]
    assert 2 * least_squares(rows, ASSUMED["cpu"])[FLOP] * 1e9 == pytest.approx(10.0)


def test_without_rows_there_is_no_rate():
    with pytest.raises(ValueError, match="no rows"):
        least_squares([], ASSUMED["cpu"])


def test_the_interval_is_that_of_cells_left_out():
    rate = fitted([metered("a", 1.0), metered("b", 4.0)])["reuse", "train", "cpu"]
    # each is foretold by the other: taken over foretold is 1/4 and 4, between which the percentiles lie
    assert rate.low == pytest.approx(4.0**-0.9)
    assert rate.high == pytest.approx(4.0**0.9)
    assert rate.cells == 2
    assert rate.kwh == pytest.approx(5e-6)


def test_a_lone_cell_takes_the_widest_interval_or_none():
    alone = metered("a", 5.0)
    assert fitted([alone])[alone.kind].low is None
    others = [replace(metered("a", 1.0), verb="measure"), replace(metered("b", 4.0), verb="measure")]
    rates = fitted([alone, *others])
    assert (rates[alone.kind].low, rates[alone.kind].high) == (
        rates["reuse", "measure", "cpu"].low,
        rates["reuse", "measure", "cpu"].high,
    )


def test_short_stages_lend_no_interval():
    alone = metered("a", 5.0)
    short = [replace(metered("a", 0.001), verb="prepare"), replace(metered("b", 0.1), verb="prepare")]
    assert fitted([alone, *short])[alone.kind].low is None


def test_seeds_of_a_cell_count_once():
    many = [metered("a", 1.0)] * 9 + [metered("b", 4.0, flop=2e9)]
    few = [metered("a", 1.0), metered("b", 4.0, flop=2e9)]
    kind = many[0].kind
    assert fitted(many)[kind].seconds == pytest.approx(fitted(few)[kind].seconds)


def test_a_stop_rule_s_share_comes_from_whole_runs():
    whole = [metered(c, 1.0, until="enough", used=used) for c, used in (("a", 0.1), ("b", 0.3))]
    cut = metered("c", 5.0, until="enough", used=1.0, rehearsed=True)
    rate = fitted([*whole, cut])[cut.kind]
    assert rate.share == pytest.approx(0.2)
    # 1 s for a tenth and for three tenths of 1e9, 5 s for all of it
    assert rate.time({FLOP: 1e9}) == pytest.approx(7 / 1.4, rel=0.5)


def test_time_grows_with_every_amount():
    rate = Rate(ASSUMED["cuda"])
    base = dict.fromkeys((FLOP, OPERATIONS, ELEMENTS, VALUES, STAGE), 1e6)
    for name in base:
        assert rate.time({**base, name: 2e6}) > rate.time(base)


def estimate(seconds, verb="train", low=0.5, high=2.0, cells=3, until="", most=0.0, share=1.0, memory=0.0):
    rate = Rate({FLOP: 1.0}, cells, share, low, high, 5e-6)
    work = Work({FLOP: seconds}, memory=memory, scratch=2.0**30, evidence=2.0**20, until=until)
    return Estimate(("reuse", verb, "cpu"), work, rate, seconds, most or seconds)


def test_errors_of_a_kind_go_together_and_those_of_kinds_in_quadrature():
    assert interval([estimate(3), estimate(5)]) == pytest.approx((0.5, 2.0))
    both = sqrt(2 * (0.5 * log(2)) ** 2)
    assert interval([estimate(4), estimate(4, "measure")]) == pytest.approx((exp(-both), exp(both)))
    assert interval([estimate(4), estimate(4, "measure", low=None)]) is None
    assert interval([]) is None


def test_chains_are_the_longest_way_to_the_end():
    needs = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
    seconds = {"a": 1.0, "b": 5.0, "c": 2.0, "d": 3.0}
    assert chains(list(needs), needs, seconds) == {"a": 9.0, "b": 8.0, "c": 5.0, "d": 3.0}


def test_a_scheduler_is_asked_for_half_as_much_more_each_attempt_more():
    one = estimate(3600, memory=4e9)
    assert [one.minutes(n) for n in (1, 2)] == [90, 180]
    assert [one.megabytes(n) for n in (1, 2)] == [7050, 14100]
    assert estimate(1).minutes(1) == 10
    assert estimate(3600, cells=0).minutes(1) == 360


def test_sums_caps_and_what_has_no_rate_in_words():
    known = {"a": estimate(60, until="enough", most=600, share=0.1), "b": estimate(30, "measure", cells=0)}
    [one] = summed(known)
    assert (one.jobs, one.seconds, one.longest) == (2, 90, ("a", 60))
    assert one.scratch == 2 * 2.0**30
    assert one.kwh == pytest.approx(90 * 5e-6)
    assert caps(known) == [
        "reuse train: ends with enough; to its cap 10 min of CPU, by the meters it takes 10% of that"
    ]
    assert without_rate(known)[0].startswith(
        "no rate yet: rehearse, or bring what is published (retrace pull)"
    )
    assert "reuse measure" in without_rate(known)[0]
    assert told(known, 0.5)[0].startswith("2 stages: about 1.5 CPU min (")
    assert told({}, 0.5) == []


def test_amounts_add_up_name_by_name():
    assert total({FLOP: 1}, times(3, {FLOP: 1, VALUES: 2})) == {FLOP: 4, VALUES: 6}


def leave(root, folder, study, verb, key, params, needs=(), seconds=3.0, results=None):
    recipe = {"module": f"retrace.studies.{study}.{verb}", "params": params, "needs": dict(needs)}
    meter = {"device": "cpu", "cpu_seconds": seconds, "seconds": 9.0, "kwh": 1e-5}
    path = root / folder / study / "cell" / "s0" / f"{verb}-{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"recipe": recipe, "results": results or {}, "meter": meter}))


PREPARED = {"dataset": "digits", "per_class": None, "reserve": 40, "test": 40}
TRAINED = {"network": "cnn", "epochs": 8, "batch": 32}


def test_meters_are_read_with_the_parameters_of_what_was_needed(tmp_path):
    leave(tmp_path, "evidence", "reuse", "prepare", "aa", PREPARED)
    leave(tmp_path, "evidence", "reuse", "train", "bb", TRAINED, {"prepare": "aa"})
    leave(tmp_path, "results/rehearsal/evidence", "reuse", "train", "cc", TRAINED, {"prepare": "aa"}, 1.0)
    leave(tmp_path, "evidence", "reuse", "train", "dd", TRAINED, {"prepare": "gone"})
    leave(tmp_path, "evidence", "nostudy", "train", "ee", TRAINED)
    (tmp_path / "evidence/reuse/cell/s0/train-ff.json").write_text('{"cut short')
    found = list(meters.read(tmp_path, meters.files(tmp_path)))
    assert sorted((m.verb, m.seconds, m.rehearsed) for m in found) == [
        ("prepare", 3.0, False),
        ("train", 1.0, True),
        ("train", 3.0, False),
    ]
    trained = [m for m in found if m.verb == "train"]
    assert trained[0].work == trained[1].work
    assert trained[0].work == sheet.counts_of("reuse")("train", {**PREPARED, **TRAINED}, "cpu")


def test_rates_are_fitted_once_for_the_same_evidence(tmp_path, monkeypatch):
    leave(tmp_path, "evidence", "reuse", "prepare", "aa", PREPARED)
    first = Forecast.of(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(forecast.meters, "read", None)
        assert Forecast.of(tmp_path) == first
    leave(tmp_path, "evidence", "reuse", "prepare", "ab", PREPARED, seconds=5.0)
    assert Forecast.of(tmp_path) != first


def test_a_kind_without_meters_has_the_assumed_rate(tmp_path):
    found = Forecast({}).estimate("reuse", "prepare", PREPARED, "cpu")
    assert not found.metered
    assert found.seconds == pytest.approx(Rate(ASSUMED["cpu"]).time(found.work.amounts))


def test_what_cannot_be_counted_is_one_line():
    with pytest.raises(
        RetraceError, match=r"study reuse: the work of prepare cannot be counted: .*nothing"
    ) as error:
        Forecast({}).estimate("reuse", "prepare", {**PREPARED, "dataset": "nothing"}, "cpu")
    assert "\n" not in str(error.value)


def test_a_study_without_work_is_one_line(monkeypatch):
    monkeypatch.setattr(sheet.importlib, "import_module", lambda name: object())
    with pytest.raises(RetraceError, match=r"study ripples: .*src/retrace/studies/ripples/work.py") as error:
        sheet.counts_of("ripples")
    assert "\n" not in str(error.value)


def test_cost_without_any_evidence_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "config/studies").mkdir(parents=True)
    (tmp_path / "config/config.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert main(["cost"]) == 1
    assert capsys.readouterr().err == (
        "retrace: cost: no evidence here says how long a stage takes; `retrace pull` brings some\n"
    )


def test_cost_of_an_unknown_study_names_the_nearest(tmp_path, monkeypatch, capsys):
    (tmp_path / "config/studies").mkdir(parents=True)
    (tmp_path / "config/config.yaml").touch()
    leave(tmp_path, "evidence", "reuse", "prepare", "aa", PREPARED)
    monkeypatch.chdir(tmp_path)
    assert main(["cost", "resue"]) == 1
    assert "unknown study 'resue'" in capsys.readouterr().err


def test_cost_of_an_unknown_scale_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["cost", "--scale", "huge"])
    assert "invalid choice: 'huge'" in capsys.readouterr().err
