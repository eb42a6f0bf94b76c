"""External sets are read as published or refused in one line; nothing stands in for them."""

import struct

import numpy as np
import pytest

from retrace.data import byhand, torchvision_sets
from retrace.data.external import fingerprint, load_external, missing
from retrace.data.external_names import EXTERNAL, External
from retrace.stage import StageError


def refusal(*args):
    with pytest.raises(StageError) as caught:
        load_external(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(EXTERNAL))
def test_missing_files_name_the_set_the_folder_and_the_remedy(tmp_path, name):
    line = refusal(name, tmp_path)
    assert f"data set {name}" in line
    assert str(tmp_path) in line
    assert ("unpack" if EXTERNAL[name].by_hand else "download: true") in line
    assert list(tmp_path.rglob("*.*")) == []


def test_every_named_set_can_be_opened():
    assert set(torchvision_sets.OPENERS) | set(byhand.SOURCES) == set(EXTERNAL)
    assert {name for name, known in EXTERNAL.items() if known.by_hand} == set(byhand.SOURCES)


def test_unknown_name_suggests_the_nearest(tmp_path):
    assert "did you mean 'cifar10'?" in refusal("cifar-10", tmp_path)


def fake_fashion(folder):
    raw = folder / "FashionMNIST/raw"
    raw.mkdir(parents=True)
    for part, first in (("train", 0), ("t10k", 100)):
        x = np.full((2, 28, 28), first, np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(
            struct.pack(">4B3I", 0, 0, 8, 3, 2, 28, 28) + x.tobytes()
        )
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">4BI", 0, 0, 8, 1, 2) + bytes([first // 50, 9])
        )


def test_training_images_come_first(tmp_path, monkeypatch):
    fake_fashion(tmp_path)
    monkeypatch.setitem(EXTERNAL, "fashion_full", External(2, 2, (28, 28, 1), 10, "FashionMNIST"))
    images = load_external("fashion_full", tmp_path)
    assert images.x[:, 0, 0, 0].tolist() == [0, 0, 100, 100]
    assert images.y.tolist() == [0, 9, 2, 9]


def test_an_incomplete_set_is_refused(tmp_path):
    fake_fashion(tmp_path)
    assert "the published set is (70000, 28, 28, 1)" in refusal("fashion_full", tmp_path)


def test_missing_looks_for_the_place_of_the_set(tmp_path):
    assert all(missing(name, tmp_path) for name in EXTERNAL)
    fake_fashion(tmp_path)
    assert [name for name in EXTERNAL if not missing(name, tmp_path)] == ["fashion_full"]


def test_a_failed_download_names_the_network(tmp_path, monkeypatch):
    def offline(*_):
        raise OSError("no route to host\nmore")

    monkeypatch.setitem(torchvision_sets.OPENERS, "svhn", offline)
    line = refusal("svhn", tmp_path, True)
    assert "no route to host" in line
    assert "check the network" in line


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    def without_scipy(*_):
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy")

    monkeypatch.setitem(torchvision_sets.OPENERS, "svhn", without_scipy)
    assert "pip install scipy" in refusal("svhn", tmp_path)


def test_axes_are_put_in_order():
    colour = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    assert np.array_equal(torchvision_sets.pixels("svhn", colour)[1, 2, 3], colour[1, :, 2, 3])
    assert np.array_equal(torchvision_sets.pixels("cifar10", colour), colour)
    grey = colour[:, 0]
    assert np.array_equal(torchvision_sets.pixels("mnist_full", grey)[..., 0], grey)
    assert np.array_equal(torchvision_sets.pixels("emnist", grey)[..., 0], grey.transpose(0, 2, 1))


def test_purchase100_rows_become_bits(tmp_path, monkeypatch):
    bits = np.random.default_rng(0).integers(2, size=(3, 600))
    rows = [",".join(map(str, [label, *row])) for label, row in zip((100, 1, 7), bits, strict=True)]
    (tmp_path / "dataset_purchase").write_text("\n".join(rows) + "\n")
    shape = EXTERNAL["purchase100"].shape
    monkeypatch.setitem(EXTERNAL, "purchase100", External(3, 0, shape, 100, "dataset_purchase", by_hand=True))
    images = load_external("purchase100", tmp_path)
    assert images.y.tolist() == [99, 0, 6]
    np.testing.assert_array_equal(images.x[:, 0, :, 0], bits * 255)


def test_cinic10_parts_follow_each_other(tmp_path, monkeypatch):
    from PIL import Image

    for value, part in enumerate(("train", "valid", "test")):
        for label in ("airplane", "truck"):
            folder = tmp_path / "CINIC-10" / part / label
            folder.mkdir(parents=True)
            Image.new("RGB", (32, 32), (value, 0, 0)).save(folder / "one.png")
    monkeypatch.setitem(EXTERNAL, "cinic10", External(4, 2, (32, 32, 3), 10, "CINIC-10", by_hand=True))
    images = load_external("cinic10", tmp_path)
    assert images.x[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert images.y.tolist() == [0, 1] * 3


def test_files_put_there_by_hand_enter_the_key(tmp_path):
    assert fingerprint("purchase100", tmp_path) == "folder:absent"
    (tmp_path / "dataset_purchase").write_text("1,0\n")
    first = fingerprint("purchase100", tmp_path)
    (tmp_path / "dataset_purchase").write_text("1,0\n2,1\n")
    assert "absent" not in first
    assert fingerprint("purchase100", tmp_path) != first
