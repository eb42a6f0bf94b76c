"""Evidence comes back as it was written, or is refused by name."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrace import files
from retrace.errors import RetraceError
from retrace.records import evidence

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=6), children, max_size=3)
    ),
    max_leaves=8,
)
NAMED = st.dictionaries(st.text(max_size=6), PLAIN, max_size=4)
same_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def blocks(**changed):
    given = {
        "recipe": {"module": "retrace.studies.x.train", "params": {"rate": 0.1}, "seed": 0},
        "results": {"accuracy": 0.5, "é": [1, 2.5, None, True]},
        "timing": {},
        "meter": {"kwh": 1e-7},
        "environment": {"python": "3.11"},
        "files": {},
    }
    return {**given, **changed}


def refusal(path):
    with pytest.raises(RetraceError) as caught:
        evidence.read_record(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    assert "rerun" in line
    return line


@given(recipe=NAMED, results=NAMED, timing=NAMED)
@same_folder
def test_what_is_written_is_read(tmp_path, recipe, results, timing):
    path = tmp_path / "e.json"
    record = evidence.seal(blocks(recipe=recipe, results=results, timing=timing))
    evidence.write_evidence(path, record)
    assert evidence.read_record(path) == record
    first = path.read_bytes()
    evidence.write_evidence(path, evidence.read_record(path))
    assert path.read_bytes() == first


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("evidence") / "train-0123456789ab.json"
    evidence.write_evidence(path, evidence.seal(blocks()))
    return path.read_bytes()


@given(data=st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_flipped_bit_is_refused_or_changes_nothing(tmp_path, whole, data):
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    path = tmp_path / "train-0123456789ab.json"
    path.write_bytes(damaged)
    try:
        meant = json.loads(bytes(damaged)) == json.loads(whole)  # a space became a tab, 1e-07 became 1E-07
    except ValueError:
        meant = False
    if meant:
        assert evidence.read_record(path) == json.loads(whole)
    else:
        refusal(path)


def test_every_truncation_is_refused(tmp_path, whole):
    path = tmp_path / "train-0123456789ab.json"
    for length in range(len(whole) - 2):  # the last two are the brace and the line's end
        path.write_bytes(whole[:length])
        refusal(path)


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b"{}", b'"text"', b"\xff\xfe", b"{" * 5000, b"[" * 100_000]
)
def test_what_is_no_evidence_is_refused(tmp_path, content):
    path = tmp_path / "e.json"
    path.write_bytes(content)
    assert "damaged" in refusal(path)


def test_missing_evidence_is_refused(tmp_path):
    assert "missing" in refusal(tmp_path / "e.json")


def test_another_schema_is_refused(tmp_path):
    record = {**evidence.seal(blocks()), "schema": 2}
    path = tmp_path / "e.json"
    evidence.write_evidence(path, record)
    assert "schema 2, expected 1" in refusal(path)


@pytest.mark.parametrize("block", ["recipe", "results", "timing", "meter", "environment", "files"])
def test_the_seal_covers_every_block(tmp_path, block):
    record = evidence.seal(blocks())
    path = tmp_path / "e.json"
    evidence.write_evidence(path, {**record, block: {**record[block], "more": 1}})
    assert "seal" in refusal(path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("block", ["results", "timing", "meter"])
def test_what_is_not_finite_is_not_sealed(block, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        evidence.seal(blocks(**{block: {"deep": [{"value": value}]}}))


def test_names_that_are_not_text_are_not_sealed():
    # they would come back as text and in another order, and the seal would never fit
    with pytest.raises(TypeError, match="not text"):
        evidence.seal(blocks(results={2: "a", 10: "b"}))


def test_arrays_and_scratch_are_read_when_asked_for_and_checked(tmp_path):
    arrays, scratch = {"x": np.arange(6.0).reshape(2, 3)}, {"w": np.ones(3, np.float32)}
    contents = {"arrays": files.npz_bytes(arrays), "scratch": files.tensor_bytes(scratch)}
    paths = {kind: tmp_path / kind for kind in contents}
    for kind, data in contents.items():
        files.write_atomic(paths[kind], data)
    digests = {kind: files.sha256(data) for kind, data in contents.items()}
    evidence.write_evidence(tmp_path / "e.json", evidence.seal(blocks(files=digests)))

    read = evidence.read_evidence(tmp_path / "e.json", **paths)
    np.testing.assert_array_equal(read.read_arrays()["x"], arrays["x"])
    np.testing.assert_array_equal(read.read_scratch()["w"], scratch["w"])
    assert evidence.read_evidence(tmp_path / "e.json").read_arrays() == {}

    for kind, reader in (("arrays", "read_arrays"), ("scratch", "read_scratch")):
        paths[kind].write_bytes(contents[kind][:-1])
        lazy = evidence.read_evidence(tmp_path / "e.json", **paths)  # not looked at yet
        with pytest.raises(RetraceError, match=f"{kind}: damaged"):
            getattr(lazy, reader)()
        with pytest.raises(RetraceError, match=f"{kind}: missing"):
            getattr(lazy, reader)()


def test_who_reads_damaged_evidence_sets_it_aside(tmp_path):
    path = tmp_path / "train-0123456789ab.json"
    path.write_bytes(b"{")
    with pytest.raises(
        RetraceError, match=r"damaged, .*; rerun to make it again \(kept as .*\.json\.damaged\)"
    ):
        evidence.read_evidence(path)
    assert path.with_name(f"{path.name}.damaged").read_bytes() == b"{"
    assert not path.exists()
    with pytest.raises(RetraceError, match=r"missing; rerun to make it again$"):
        evidence.read_evidence(path)
