"""Corruptions against closed forms: moments of the noise, shares of pixels, invariants of blur and frost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from retrace.data import corruptions, frost
from retrace.data.corruptions import KINDS, apply, parse, to_bytes

LOW_AND_HIGH = [
    "gauss:0.05",
    "gauss:0.5",
    "sp:0.1",
    "impulse:0.1",
    "shot:0.05",
    "shot:0.5",
    "blur:1.2",
    "frost:7",
]


def rng(seed=0):
    return np.random.default_rng(seed)


def flat(value, count=40, side=28, channels=1):
    return np.full((count, side, side, channels), value, np.uint8)


def textured(count=8, side=12, channels=3):
    return rng(9).integers(0, 256, (count, side, side, channels), dtype=np.uint8)


@pytest.mark.parametrize("overflow", ["clip", "wrap"])
@pytest.mark.parametrize("condition", LOW_AND_HIGH)
def test_equal_generators_give_equal_bytes_and_leave_the_input(condition, overflow):
    x = textured()
    before = x.copy()
    first = apply(x, condition, rng(3), overflow)
    assert first.dtype == np.uint8
    assert first.shape == x.shape
    assert np.array_equal(first, apply(x, condition, rng(3), overflow))
    assert np.array_equal(x, before)
    if not condition.startswith("blur"):
        assert not np.array_equal(first, apply(x, condition, rng(4), overflow))


@pytest.mark.parametrize("overflow", ["clip", "wrap"])
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "frost"])
def test_intensity_zero_changes_nothing(kind, overflow):
    every_value = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    assert np.array_equal(apply(every_value, f"{kind}:0", rng(), overflow), every_value)


def test_chunks_leave_no_seam(monkeypatch):
    x = textured(7)
    whole = apply(x, "gauss:0.1", rng())
    monkeypatch.setattr(corruptions, "CHUNK", 3)
    assert np.array_equal(apply(x, "gauss:0.1", rng()), whole)
    assert np.array_equal(apply(x, "blur:1", rng())[6:], apply(x[6:], "blur:1", rng()))


@pytest.mark.parametrize("std", [0.05, 0.1])
def test_gauss_has_its_standard_deviation(std):
    change = apply(flat(128), f"gauss:{std}", rng()) / 255 - 128 / 255
    assert abs(change.mean()) < 5 * std / np.sqrt(change.size)
    assert change.std() == pytest.approx(std, rel=0.02)


@pytest.mark.parametrize("amount", [0.1, 0.4])
def test_salt_and_pepper_shares(amount):
    x = apply(flat(128, channels=3), f"sp:{amount}", rng())
    assert set(np.unique(x)) == {0, 128, 255}
    assert (x == x[..., :1]).all()  # one mask for the three channels
    half, pixels = amount / 2, x[..., 0].size
    for value, share in ((255, half), (0, half * (1 - half))):  # the second mask, salt, wins
        assert abs((x[..., 0] == value).mean() - share) < 5 * np.sqrt(share / pixels)


def test_impulse_hits_channels_apart_with_even_odds():
    x = apply(flat(128, channels=3), "impulse:0.4", rng())
    for value in (0, 255):
        assert abs((x == value).mean() - 0.2) < 5 * np.sqrt(0.2 / x.size)
    assert (x != x[..., :1]).any()


@pytest.mark.parametrize("level", [25, 100, 160])
def test_shot_noise_keeps_the_mean_and_grows_as_the_root(level):
    std = 0.08
    out = apply(flat(level), f"shot:{std}", rng()) / 255
    white = level / 255
    assert out.mean() == pytest.approx(white, abs=5 * std / np.sqrt(out.size) + 1e-3)
    assert out.std() == pytest.approx(std * np.sqrt(white), rel=0.04)


def test_shot_noise_leaves_black_black():
    assert not apply(flat(0), "shot:0.5", rng()).any()


@pytest.mark.parametrize("sigma", [0.4, 1.2, 1.8])
def test_blur_is_the_gaussian_filter_and_keeps_the_mean(sigma):
    x = textured(6, 28)
    out = apply(x, f"blur:{sigma}", rng())
    reference = gaussian_filter(x.astype(float), (0, sigma, sigma, 0))
    assert np.abs(out - reference).max() <= 0.51
    assert out.mean() == pytest.approx(x.mean(), rel=0.01)
    assert out.std() < x.std()


def test_oblong_images_blur_along_both_sides():
    x = textured(2, 12)[:, :7]
    assert np.abs(apply(x, "blur:1", rng()) - gaussian_filter(x.astype(float), (0, 1, 1, 0))).max() <= 0.51


def test_frost_mixes_image_and_texture_by_the_table():
    for severity, (a, b) in enumerate(corruptions.FROST, start=1):
        black = apply(flat(0, 400, 32, 3), f"frost:{severity}", rng())
        cover = frost.crops(400, 32, 32, 3, rng())
        assert np.abs(black / 255 - b * cover).max() <= 0.51 / 255
        half = apply(flat(100, 400, 32, 3), f"frost:{severity}", rng())
        assert np.abs(half / 255 - (a * 100 / 255 + b * cover)).max() <= 0.51 / 255


def test_frost_textures_differ_and_join_at_their_edges():
    seen = [frost.texture(i) for i in range(frost.TEXTURES)]
    assert all(texture.shape == (256, 256, 3) for texture in seen)
    assert len({texture.tobytes() for texture in seen}) == frost.TEXTURES
    for texture in seen:
        grey = texture.mean(axis=2)
        inside = np.abs(np.diff(grey, axis=0)).mean()
        assert np.abs(grey[0] - grey[-1]).mean() < 1.5 * inside
        assert inside < grey.std()  # structure, not white noise (there: about 1.1)


def test_frost_crops_are_random_and_bounded():
    cover = frost.crops(50, 28, 28, 1, rng())
    assert cover.shape == (50, 28, 28, 1)
    assert 0 <= cover.min() < cover.max() <= 1
    assert len(np.unique(cover.reshape(50, -1), axis=0)) == 50
    with pytest.raises(ValueError, match="up to 256 pixels"):
        frost.crops(1, 257, 8, 1, rng())


def test_wrap_is_the_unclamped_cast_and_clip_is_not():
    values = np.array([-0.02, 1.02, 0.5, 1.0, 0.0], np.float32)
    assert to_bytes(values, "wrap").tolist() == [251, 4, 127, 255, 0]
    assert to_bytes(values, "clip").tolist() == [0, 255, 128, 255, 0]
    assert to_bytes(np.array([3.5, -2.5], np.float32), "wrap").tolist() == [892 - 768, -637 + 768]


def test_wrap_turns_half_of_black_to_near_white_and_clip_none():
    black = flat(0)
    assert (apply(black, "gauss:0.1", rng(), "wrap") > 128).mean() == pytest.approx(0.48, abs=0.02)
    assert (apply(black, "gauss:0.1", rng(), "clip") > 128).mean() < 1e-3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=30))
def test_overflow_rules_hold_everywhere(values):
    x = np.array(values, np.float32)
    wrapped = to_bytes(x, "wrap").astype(int)
    assert ((wrapped - np.trunc(x * np.float32(255)).astype(int)) % 256 == 0).all()
    assert np.abs(to_bytes(x, "clip") / 255 - np.clip(x, 0, 1)).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("kind", ["gauss", "sp", "impulse", "shot", "blur", "frost"])
def test_more_intensity_moves_pixels_further(kind):
    x = textured(20, 28, 1)
    grid = {"frost": (1, 5, 10), "blur": (0.5, 1, 2)}.get(kind, (0.1, 0.4, 0.8))
    moved = [np.square(apply(x, f"{kind}:{v}", rng()) - x.astype(float)).mean() for v in grid]
    assert moved == sorted(moved)
    assert moved[0] > 0


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.integers(1, 10))
def test_conditions_survive_being_written_and_read(kind, step):
    intensity = step if kind == "frost" else step / 20
    assert parse(str(parse(f"{kind}:{intensity}"))) == corruptions.Corruption(kind, intensity)


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("gaus:0.1", "did you mean 'gauss'"),
        ("", "unknown corruption ''"),
        ("gauss", "from 0 to 1"),
        ("gauss:", "from 0 to 1"),
        ("gauss:x", "from 0 to 1"),
        ("gauss:-0.1", "from 0 to 1"),
        ("sp:1.1", "share of pixels.*from 0 to 1"),
        ("blur:inf", "from 0 to 10"),
        ("gauss:nan", "from 0 to 1"),
        ("frost:0", "whole number from 1 to 10"),
        ("frost:2.5", "whole number from 1 to 10"),
        ("frost:11", "whole number from 1 to 10"),
    ],
)
def test_impossible_conditions_are_refused_in_one_line(condition, says):
    with pytest.raises(ValueError, match=says) as caught:
        apply(flat(0, 1), condition, rng())
    assert str(caught.value).startswith(f"condition {condition!r}: ")
    assert "\n" not in str(caught.value)


def test_other_forms_of_images_and_overflows_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        apply(np.zeros((2, 8, 8, 1)), "gauss:0.1", rng())
    with pytest.raises(ValueError, match="did you mean 'clip'"):
        apply(flat(0, 1), "gauss:0.1", rng(), "clipp")
