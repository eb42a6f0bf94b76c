"""The catalogue refuses what is missing, altered or malformed, in one line that names the remedy."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrace.data import catalogue, sets
from retrace.data.images import Images
from retrace.errors import unknown
from retrace.stage import StageError

HEADER = ",".join(catalogue.COLUMNS)


def write_set(root, x=None, y=None, row="3,4x4x1,2", **arrays):
    """A one-set repository at `root`; returns the path of its file."""
    path = root / "data/raw/tiny.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    x = np.arange(48, dtype=np.uint8).reshape(3, 4, 4, 1) if x is None else x
    np.savez_compressed(path, x=x, y=np.array([0, 1, 0]) if y is None else y, **arrays)
    catalogue_row(root, row)
    return path


def catalogue_row(root, row="3,4x4x1,2"):
    path = root / "data/raw/tiny.npz"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    line = f"tiny,data/raw/tiny.npz,{digest},{row},MIT,nowhere,1,by hand"
    (root / catalogue.CATALOGUE).write_text(f"{HEADER}\n{line}\n")


def refusal(call, *args):
    with pytest.raises(StageError) as caught:
        call(*args)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_good_set_loads_as_written(tmp_path):
    write_set(tmp_path)
    images = catalogue.load(tmp_path, "tiny")
    assert images.x.tolist() == np.arange(48).reshape(3, 4, 4, 1).tolist()
    assert images.y.tolist() == [0, 1, 0]
    assert images.classes == 2
    row = catalogue.verify(tmp_path, "tiny")
    assert (row.shape, row.rows, row.licence) == ((4, 4, 1), 3, "MIT")


def test_unknown_name_suggests_the_nearest(tmp_path):
    write_set(tmp_path)
    line = refusal(catalogue.entry, tmp_path, "tinny")
    assert "'tinny'" in line
    assert "did you mean 'tiny'?" in line


def test_missing_file_names_the_pull(tmp_path):
    write_set(tmp_path).unlink()
    for call in (catalogue.verify, catalogue.load):
        line = refusal(call, tmp_path, "tiny")
        assert "data/raw/tiny.npz" in line
        assert "retrace restore data/raw/tiny.npz" in line


@pytest.mark.parametrize("place", [0, 40, -1])
def test_one_flipped_bit_is_seen(tmp_path, place):
    path = write_set(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    for call in (catalogue.verify, catalogue.load):
        line = refusal(call, tmp_path, "tiny")
        assert "data/raw/tiny.npz: checksum differs" in line
        assert "restore with" in line


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, -1])
def test_truncated_archive_with_its_own_checksum_is_refused(tmp_path, keep):
    path = write_set(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    catalogue_row(tmp_path)
    assert "data/raw/tiny.npz: not a readable data set" in refusal(catalogue.load, tmp_path, "tiny")


def test_pickles_are_never_opened(tmp_path):
    write_set(tmp_path, y=np.array([0, 1, None], dtype=object))
    assert "not a readable data set" in refusal(catalogue.load, tmp_path, "tiny")


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.zeros((3, 4, 4, 1)), None),
        (np.zeros((3, 4, 4), np.uint8), None),
        (None, np.array([0, 1, 2])),
        (None, np.array([0, 1])),
        (None, np.array([0.0, 1.0, 0.0])),
    ],
)
def test_arrays_of_another_form_are_refused(tmp_path, x, y):
    write_set(tmp_path, x=x, y=y)
    assert "not a readable data set" in refusal(catalogue.load, tmp_path, "tiny")


@pytest.mark.parametrize("row", ["4,4x4x1,2", "3,2x8x1,2"])
def test_row_and_file_must_agree(tmp_path, row):
    write_set(tmp_path, row=row)
    assert "data/raw/tiny.npz: holds (3, 4, 4, 1)" in refusal(catalogue.load, tmp_path, "tiny")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,file\n", "line 1 must be"),
        ("", "line 1 must be"),
        (f"{HEADER}\na,b,c\n", "line 2 must have 10 columns"),
        (f"{HEADER}\na,b,c,many,4x4,2,l,s,v,h\n", "line 2: rows"),
        (f"{HEADER}\n" + "a,b,c,1,4x4x1,2,l,s,v,h\n" * 2, "line 3: 'a' is listed twice"),
    ],
)
def test_malformed_catalogue_names_the_line(tmp_path, text, says):
    (tmp_path / "data").mkdir()
    (tmp_path / catalogue.CATALOGUE).write_text(text)
    assert says in refusal(catalogue.entries, tmp_path)


def test_no_catalogue_names_its_remedy(tmp_path):
    assert "git checkout data/catalogue.csv" in refusal(catalogue.entries, tmp_path)


@given(st.lists(st.integers(0, 4), max_size=20))
def test_take_keeps_images_and_labels_together(rows):
    images = Images(np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1), np.arange(5), 5)
    taken = images.take(np.array(rows, dtype=np.int64))
    assert taken.x.ravel().tolist() == taken.y.tolist() == rows


@pytest.mark.parametrize("form", [str.upper, str.lower])
def test_what_other_programs_make_of_the_catalogue_is_read(tmp_path, form):
    """A mark of byte order before the header, the SHA-256 in capitals."""
    write_set(tmp_path)
    path = tmp_path / catalogue.CATALOGUE
    digest = catalogue.entry(tmp_path, "tiny").sha256
    path.write_text(path.read_text().replace(digest, form(digest)), encoding="utf-8-sig")
    assert catalogue.verify(tmp_path, "tiny").sha256 == digest


def test_a_catalogue_in_another_encoding_is_not_to_be_thrown_away(tmp_path):
    write_set(tmp_path)
    path = tmp_path / catalogue.CATALOGUE
    path.write_text(path.read_text().replace("by hand", "für mich"), encoding="latin-1")
    line = refusal(catalogue.entries, tmp_path)
    assert "UTF-8" in line
    assert "git checkout" not in line


def test_suggestion_is_left_out_when_nothing_is_near():
    assert unknown("cell", "zzz", ["arm", "bee"]) == "unknown cell 'zzz' (known: arm, bee)"


def test_what_stays_in_a_package_is_no_set_of_images(tmp_path):
    (tmp_path / "data").mkdir()
    row = "words,package:pack/words.txt,0,3,1,0,MIT,PyPI pack,1,all rows"
    (tmp_path / catalogue.CATALOGUE).write_text(f"{HEADER}\n{row}\n")
    assert sets.in_package(catalogue.entry(tmp_path, "words").file)
    assert "stays in PyPI pack" in refusal(sets.fingerprint, tmp_path, "external", "words")
    assert "stays in PyPI pack" in refusal(sets.load, tmp_path, "words", "external", False)


def test_an_own_set_has_an_image_of_every_class(tmp_path):
    path = write_set(tmp_path, y=np.array([0, 2, 0]), row="3,4x4x1,3")
    assert sets.load(tmp_path, "tiny", "external", False).classes == 3  # the repository's: ratings have gaps
    own = tmp_path / "data/own/tiny.npz"
    own.parent.mkdir()
    path.rename(own)
    rows = tmp_path / catalogue.CATALOGUE
    rows.write_text(rows.read_text().replace("data/raw/", "data/own/"))
    line = refusal(sets.load, tmp_path, "tiny", "external", False)
    assert line.startswith("data/own/tiny.npz: no image of class 1, data/catalogue.csv says 3")
