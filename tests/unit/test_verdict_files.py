"""Verdict files: what is written is what is read, and nothing else is."""

import json

import pytest
import synthetic_records as synthetic
from claim_tables import study_table
from test_judge import claim

from retrace.claims.judge import judge
from retrace.claims.sealed import read_verdict, read_verdicts, write_verdict
from retrace.errors import RetraceError
from retrace.recipe import digest


@pytest.fixture
def verdict():
    """Judged records with a baseline that has no column, one that has, and a claim out of reach."""
    baselines = [{"label": "gone", "of": "nowhere"}, {"label": "pixels", "of": "pixel_rmse"}]
    claims = [
        claim(id="a", baselines=baselines, also=["kendall"]),
        claim(id="b", testable={"not_here": "no"}),
    ]
    claims[1] = claims[1].model_copy(update={"expect": None})
    table = study_table(seeds=2).assign(censored=False)
    table.loc[:3, "censored"] = True
    meter = {
        "codecarbon": "3.0", "country": "FRA", "cpu_kwh": 1e-6, "cpu_seconds": 2.5, "cpu_watts": None,
        "device": "cpu", "factor_kg_per_kwh": 0.475, "gpu_kwh": 0.0, "kg_co2e": 1e-6, "kwh": 2e-6,
        "method": "rapl", "overhead_seconds": 0.1, "ram_kwh": 1e-6, "ram_watts": 3.0, "seconds": 3.0,
    }  # fmt: skip
    return synthetic.paper("alpha", judge(claims, table), meters={"evidence/a.json": meter})


def test_what_is_read_is_what_was_written(verdict, tmp_path):
    path, again = tmp_path / "alpha.json", tmp_path / "again.json"
    write_verdict(path, verdict)
    assert read_verdict(path) == verdict
    write_verdict(again, read_verdict(path))
    assert again.read_bytes() == path.read_bytes()
    assert read_verdicts([path, tmp_path / "none.json"]) == [verdict]


def test_a_file_holds_what_there_is(verdict, tmp_path):
    write_verdict(tmp_path / "alpha.json", verdict)
    plain = json.loads((tmp_path / "alpha.json").read_bytes())
    first, second = plain["claims"]
    assert (plain["schema"], first["expect"], second["expect"]) == (2, {"at_least": 0.75}, {})
    gone, pixels = first["baselines"]
    assert set(pixels) == {"label", "measured", "interval"}
    assert "no column 'nowhere'" in gone.pop("reason")
    assert gone == {"label": "gone", "measured": None, "interval": None}
    assert first["control"]["passes"] is False
    assert first["censored"][0] == 4
    assert plain["meters"]["evidence/a.json"]["cpu_watts"] is None


def test_other_files_are_refused(verdict, tmp_path):
    path = tmp_path / "alpha.json"
    write_verdict(path, verdict)
    edited = {**json.loads(path.read_bytes()), "title": "Another"}
    unfit, unknown = (verdict.model_dump(by_alias=True) for _ in range(2))
    del unfit["claims"][0]["censored"]
    unknown["meters"]["evidence/a.json"]["joules"] = 1.0
    unfit, unknown = ({**plain, "seal": digest(plain)} for plain in (unfit, unknown))
    for content in (edited, unfit, unknown, [], {}):
        path.write_text(json.dumps(content))
        with pytest.raises(RetraceError, match=r"alpha\.json: damaged or edited; delete it and rerun"):
            read_verdict(path)
