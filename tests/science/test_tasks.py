"""Task shifts: each is the transformation it is named for, drawn once for all images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrace.data import corruptions, tasks
from retrace.data.images import Images


def rng(seed=0):
    return np.random.default_rng(seed)


def some(count=5, side=28, channels=1, seed=2):
    x = rng(seed).integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    return Images(x, np.arange(count) % 3, 3)


OTHER = some(4, 8, 1, seed=7)
SIXTEEN = tasks.names(28)


def test_there_are_sixteen_at_28_pixels():
    assert len(set(SIXTEEN)) == 16
    assert {"blocks14", "blocks7", "blocks4", "same", "other"} < set(SIXTEEN)
    assert [name for name in tasks.names(32) if "blocks" in name] == ["blocks16", "blocks8", "blocks4"]
    assert [name for name in tasks.names(8) if "blocks" in name] == ["blocks4", "blocks2"]


@pytest.mark.parametrize("side", [8, 28, 32])
def test_every_name_works_and_keeps_the_form(side):
    images = some(side=side, channels=3)
    before = images.x.copy()
    for name in tasks.names(side):
        made = tasks.apply(images, f"task:{name}", rng(), OTHER)
        assert made.x.shape[1:] == images.x.shape[1:]
        assert np.array_equal(made.x, tasks.apply(images, name, rng(), OTHER).x)
        if name != "other":
            assert np.array_equal(made.y, images.y)
            assert np.array_equal(made.x, images.x) == (name == "same")
    assert np.array_equal(images.x, before)


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("invert", 2),
        ("rot180", 2),
        ("fliplr", 2),
        ("rot90", 4),
        ("rot270", 4),
        ("flipud", 2),
        ("transpose", 2),
        ("same", 1),
    ],
)
def test_symmetries_come_back(name, times):
    images = some()
    made = images
    for _ in range(times):
        made = tasks.apply(made, name, rng())
    assert np.array_equal(made.x, images.x)


def test_directions():
    x = np.zeros((1, 4, 4, 1), np.uint8)
    x[0, 0, 1] = 255  # top row, second column
    images = Images(x, np.zeros(1, np.int64), 1)
    places = {
        "rot180": (3, 2),
        "fliplr": (0, 2),
        "rot90": (2, 0),
        "rot270": (1, 3),
        "flipud": (3, 1),
        "transpose": (1, 0),
    }  # a quarter turn to the left
    for name, place in places.items():
        assert tuple(np.argwhere(tasks.apply(images, name, rng()).x[0, ..., 0])[0]) == place


def test_invert_swaps_black_and_white():
    images = some()
    assert (tasks.apply(images, "invert", rng()).x.astype(int) + images.x == 255).all()


def test_contrast_is_linear_about_mid_grey():
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    made = tasks.apply(Images(ramp, np.zeros(1, np.int64), 1), "contrast", rng()).x
    assert np.abs(made - (127.5 + 0.4 * (ramp - 127.5))).max() <= 0.5


@pytest.mark.parametrize("name", ["perm", "blocks14", "blocks7", "blocks4"])
def test_a_permutation_is_one_for_all_images(name):
    images = some(6)
    made = tasks.apply(images, name, rng(1)).x
    places = Images(np.arange(784).astype(np.uint8).reshape(1, 28, 28, 1), np.zeros(1, np.int64), 1)
    alone = tasks.apply(images.take(np.array([4])), name, rng(1)).x
    assert np.array_equal(alone[0], made[4])
    assert not np.array_equal(made, tasks.apply(images, name, rng(2)).x)
    assert np.array_equal(np.sort(made.reshape(6, -1)), np.sort(images.x.reshape(6, -1)))
    assert not np.array_equal(tasks.apply(places, name, rng(1)).x, places.x)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([2, 4, 7, 14]), st.integers(0, 10_000))
def test_no_block_stays_and_each_stays_whole(size, seed):
    side = 28
    number = np.arange((side // size) ** 2).reshape(side // size, side // size)
    blocks = np.kron(number, np.ones((size, size), int)).astype(np.uint8)
    made = tasks.shuffle_blocks(blocks[None, ..., None], size, rng(seed))[0, ..., 0]
    assert (made != blocks).all()
    cut = made.reshape(side // size, size, side // size, size)
    assert (cut == cut[:, :1, :, :1]).all()
    assert sorted(cut[:, 0, :, 0].ravel().tolist()) == number.ravel().tolist()


def test_noise_and_blur_tasks_are_the_corruptions():
    images = some()
    assert np.array_equal(tasks.apply(images, "sp", rng(3)).x, corruptions.apply(images.x, "sp:0.05", rng(3)))
    assert np.array_equal(
        tasks.apply(images, "blur", rng()).x, corruptions.apply(images.x, "blur:1.8", rng())
    )


def test_other_takes_the_second_set_with_its_labels():
    made = tasks.apply(some(channels=3), "other", rng(), OTHER)
    assert made.x.shape == (4, 28, 28, 3)
    assert np.array_equal(made.y, OTHER.y)
    assert made.classes == OTHER.classes


def test_resize_keeps_constants_ramps_and_range():
    flat = np.full((2, 8, 8, 1), 77, np.uint8)
    assert (tasks.resize(flat, 28, 28, 3) == 77).all()
    assert (tasks.resize(flat, 5, 3, 1) == 77).all()
    same = some(2, 8).x
    assert np.array_equal(tasks.resize(same, 8, 8, 1), same)
    ramp = np.broadcast_to(np.arange(8, dtype=np.uint8) * 20, (1, 8, 8))[..., None]
    centres = ((np.arange(28) + 0.5) * 8 / 28 - 0.5).clip(0, 7) * 20
    assert np.abs(tasks.resize(ramp, 28, 28, 1)[0, :, :, 0] - centres).max() <= 0.51
    colour = some(1, 8, 3).x
    assert np.abs(tasks.resize(colour, 8, 8, 1)[..., 0] - colour.mean(axis=3)).max() <= 0.51
    with pytest.raises(ValueError, match="cannot turn 3 channels into 2"):
        tasks.resize(colour, 8, 8, 2)


@pytest.mark.parametrize("column", range(12, 20))
def test_shrinking_loses_no_thin_stroke(column):
    stroke = np.zeros((1, 32, 32, 1), np.uint8)
    stroke[:, :, column] = 255
    assert tasks.resize(stroke, 8, 8, 1).mean() == pytest.approx(stroke.mean(), rel=0.15)


@pytest.mark.parametrize(
    ("name", "side", "says"),
    [
        ("rot18", 28, "did you mean 'rot180'"),
        ("task:permm", 28, "did you mean 'perm'"),
        ("blocks5", 28, "blocks of 5 pixels do not divide images of 28x28"),
        ("blocks0", 28, "do not divide"),
        ("blocks28", 28, "single block"),
        ("blocks", 28, "did you mean 'blocks"),
        ("other", 28, "needs a second data set"),
    ],
)
def test_impossible_tasks_are_refused_in_one_line(name, side, says):
    with pytest.raises(ValueError, match=says) as caught:
        tasks.apply(some(side=side), name, rng())
    assert "\n" not in str(caught.value)


def test_oblong_images_cannot_turn_a_quarter():
    images = some()
    oblong = Images(images.x[:, :14], images.y, 3)
    with pytest.raises(ValueError, match="square images, not 14x28"):
        tasks.apply(oblong, "rot90", rng())
