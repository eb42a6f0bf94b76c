"""`retrace data add`: what is checked, what is written, and that nothing is lost."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrace.cli import main
from retrace.data import catalogue
from retrace.data.add import add, shape_of
from retrace.data.own import own_sets
from retrace.errors import RetraceError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path):
    place = tmp_path / "house"
    (place / "data").mkdir(parents=True)
    (place / "config/studies").mkdir(parents=True)
    rows = (ROOT / "data/catalogue.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    ours = "".join(row for row in rows if ",data/own/" not in row)  # a user's own sets are not the test's
    (place / "data/catalogue.csv").write_text(ours, encoding="utf-8")
    return place


def npz(tmp_path, **change):
    rng = np.random.default_rng(0)
    arrays = {"x": rng.integers(0, 256, (6, 5, 4, 1), dtype=np.uint8), "y": np.arange(6) % 3} | change
    path = tmp_path / "mine.npz"
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def added(root, path, name="mine", **how):
    return add(root, path, name, "CC0-1.0", "my camera, May", **how)


def test_an_npz_is_in_the_catalogue_and_reads_as_it_was(root, tmp_path):
    before = (root / "data/catalogue.csv").read_bytes()
    row = added(root, npz(tmp_path))
    after = (root / "data/catalogue.csv").read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == before.count(b"\n") + 1
    images = catalogue.load(root, "mine")
    with np.load(tmp_path / "mine.npz") as given:
        assert (images.x == given["x"]).all()
        assert (images.y == given["y"]).all()
    assert (row.rows, row.shape, row.classes, row.licence) == (6, (5, 4, 1), 3, "CC0-1.0")
    assert catalogue.entry(root, "mine") == row
    assert own_sets(root) == ("mine",)


def test_a_table_and_a_folder_are_sets_too(root, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,label,b\n0,cat,255\n7,dog,1\n3,cat,2\n", encoding="utf-8-sig")
    row = added(root, table, "table")
    images = catalogue.load(root, "table")
    assert row.shape == (1, 2, 1)
    assert images.x[:, 0, :, 0].tolist() == [[0, 255], [7, 1], [3, 2]]
    assert images.y.tolist() == [0, 1, 0]
    assert row.how.endswith("classes in order: cat dog")
    assert added(root, table, "square", shape=shape_of("2x1x1")).shape == (2, 1, 1)

    for kind, value in (("10", 9), ("2", 5)):  # numbers in their order, not the alphabet's
        (tmp_path / "folder" / kind).mkdir(parents=True)
        Image.new("RGB", (4, 3), (value, 0, 0)).save(tmp_path / "folder" / kind / "a.png")
    row = added(root, tmp_path / "folder", "pictures")
    images = catalogue.load(root, "pictures")
    assert row.shape == (3, 4, 3)
    assert images.x[:, 0, 0, 0].tolist() == [9, 5]
    assert images.y.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": None}, "no array 'x'"),
        ({"x": np.zeros((6, 3, 8, 8), np.uint8)}, "channels in front"),
        ({"x": np.zeros((6, 4), np.uint8)}, r"images are \(N, height, width, channels\)"),
        ({"x": np.random.default_rng(0).random((6, 2, 2, 1))}, r"store \(255 \* x\).round\(\)"),
        ({"x": np.full((6, 2, 2, 1), np.nan)}, "finite numbers"),
        ({"y": np.arange(6) % 3 + 1}, "it has no 0: number the classes anew"),
        ({"y": np.array([0, 0, 2, 2, 4, 4])}, "it has no 1, 3"),
        ({"y": np.arange(6) - 1}, "below 0|it has no"),
        ({"y": np.zeros(6, int)}, "one class alone"),
        ({"y": np.arange(5)}, "6 images and 5 labels"),
        ({"y": np.arange(6) / 2}, "whole numbers"),
        ({"y": np.array(list("abcabc"))}, "whole numbers"),
        ({"x": np.array([{}] * 6)}, "not a readable NPZ"),
    ],
)
def test_an_npz_that_does_not_do_is_one_line_and_changes_nothing(root, tmp_path, change, words):
    before = (root / "data/catalogue.csv").read_bytes()
    with pytest.raises(RetraceError, match=words) as error:
        added(root, npz(tmp_path, **change))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "mine.npz"))
    assert (root / "data/catalogue.csv").read_bytes() == before
    assert not (root / "data/own").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "no single column 'label'"),
        ("label,b\n", "a line of column names and one of values"),
        ("label,b\nx,1\ny\n", "line 3 has 1 values"),
        ("label,b\nx,1\n ,2\n", "line 3 has no class in its column 'label'"),
        ("label,b\nx,one\ny,2\n", "line 2 has 'one' in its column 'b'"),
        ('label,b\n\n"x\ny",1\n\nz,one\n', "line 6 has 'one' in its column 'b'"),
        ("label,b\nx,0.5\ny,2\n", "whole numbers from 0 to 255, it has 0.5 to 2"),
    ],
)
def test_a_table_that_does_not_do_is_one_line(root, tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(RetraceError, match=words):
        added(root, tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("label,b\nx,1\ny,2\n")
    with pytest.raises(RetraceError, match="mend --shape"):
        added(root, tmp_path / "t.csv", shape=(2, 2, 1))


def test_odd_folders_and_files_are_one_line(root, tmp_path):
    place = tmp_path / "folder" / "a"
    place.mkdir(parents=True)
    with pytest.raises(RetraceError, match="no images in it"):
        added(root, tmp_path / "folder")
    Image.new("L", (4, 3)).save(place / "1.png")
    Image.new("L", (3, 3)).save(place / "2.png")
    with pytest.raises(RetraceError, match=r"2\.png: \(3, 3, 1\), the first image has \(3, 4, 1\)"):
        added(root, tmp_path / "folder")
    Image.new("RGBA", (4, 3)).save(place / "2.png")
    with pytest.raises(RetraceError, match="mode RGBA"):
        added(root, tmp_path / "folder")
    (place / "2.png").write_bytes(b"no image")
    with pytest.raises(RetraceError, match="not a readable image"):
        added(root, tmp_path / "folder")
    for name in ("absent.npz", "folder/a/1.png"):
        with pytest.raises(RetraceError, match=r"no such file|give an \.npz"):
            added(root, tmp_path / name)


def test_no_picture_of_a_folder_is_left_out_silently(root, tmp_path):
    folder = tmp_path / "folder"
    for name in ("a", "b", "c", ".hidden"):
        (folder / name).mkdir(parents=True)
    for name in ("a/1.png", "b/1.png", "1.png"):
        Image.new("L", (4, 3)).save(folder / name)
    with pytest.raises(RetraceError, match=r"1\.png: lies in no class's folder"):
        added(root, folder)
    (folder / "1.png").unlink()
    with pytest.raises(RetraceError, match="c: no images in it; put those of its class there"):
        added(root, folder)
    (folder / "c").rmdir()
    assert added(root, folder).classes == 2


def test_nothing_is_overwritten_and_a_second_try_after_a_kill_goes_on(root, tmp_path):
    path = npz(tmp_path)
    added(root, path)
    for name, words in (
        ("mine", "there is a data set"),
        ("cifar10", "there is a data set"),
        ("Mine", "small"),
    ):
        with pytest.raises(RetraceError, match=words):
            added(root, path, name)
    (root / "data/own/other.npz").write_bytes(b"precious")
    with pytest.raises(RetraceError, match="nothing is overwritten"):
        added(root, path, "other")
    assert (root / "data/own/other.npz").read_bytes() == b"precious"
    # killed between file and row: the same file is there, the row is not
    shutil.copy(root / "data/own/mine.npz", root / "data/own/again.npz")
    assert added(root, path, "again").rows == 6
    # a file that the user put there counts as it is
    shutil.copy(path, root / "data/own/byhand.npz")
    kept = (root / "data/own/byhand.npz").read_bytes()
    added(root, root / "data/own/byhand.npz", "byhand")
    assert (root / "data/own/byhand.npz").read_bytes() == kept
    assert len(catalogue.load(root, "byhand")) == 6


def test_the_command_says_how_a_sheet_names_it(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(root)
    path = npz(tmp_path)
    words = ["data", "add", str(path), "--name", "mine", "--source", "my camera"]
    with pytest.raises(SystemExit):
        main(words)
    assert "--licence" in capsys.readouterr().err
    assert main([*words, "--licence", " "]) == 1
    assert "--licence is ' '" in capsys.readouterr().err
    assert main([*words, "--licence", "CC0-1.0"]) == 0
    assert capsys.readouterr().out == (
        "data/own/mine.npz: 6 rows of 5x4x1, 3 classes; a sheet says dataset: mine\n"
    )


def test_a_sheet_may_name_an_own_set_and_a_slip_is_still_told(root, tmp_path, monkeypatch):
    from pydantic import TypeAdapter

    from retrace import params

    added(root, npz(tmp_path))
    monkeypatch.setattr(params, "SOURCE", root / "src")
    check = TypeAdapter(params.ImageSet).validate_python
    assert check("mine") == "mine"
    assert check("digits") == "digits"
    with pytest.raises(ValueError, match=r"unknown data set 'mien' \(did you mean 'mine'"):
        check("mien")
    with pytest.raises(ValueError, match="unknown data set 'reviews'"):  # a text
        check("reviews")
