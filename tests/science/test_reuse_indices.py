"""The whole: taps on networks, the clean side, and every index of a condition or a task."""

import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.models.resnet import BasicBlock

from retrace.metrics.activations import channel_means, family, forward, kept_layers, last_conv, pooled_output
from retrace.metrics.reuse.arm import ArmSpec, arm
from retrace.metrics.reuse.arm_maps import Maps, map_histograms, map_ranges
from retrace.metrics.reuse.clean_side import clean_side
from retrace.metrics.reuse.clustering import class_sums
from retrace.metrics.reuse.indices import all_indices, all_task_indices
from retrace.metrics.reuse.resque import class_activation_sums, resque_dist

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import official

CLASSES, N = 4, 24


def small_net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, 2, 1),  # as many filters as classes: not kept
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 8, 3, 1, 1, groups=4),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 12, 3, 1, 1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, CLASSES),
    )


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 256, size=(N, 10, 10, 1)).astype(np.uint8)
    labels = np.arange(N) % CLASSES
    for label in range(CLASSES):
        stored[labels == label, 2 * label : 2 * label + 2] = 255
    images = torch.from_numpy(stored).permute(0, 3, 1, 2).float() / 127.5 - 1
    shifted = (images + 0.3 * torch.from_numpy(rng.normal(size=images.shape)).float()).clamp(-1, 1)
    net = small_net()
    return net, images, shifted, labels, clean_side(net, images, labels, CLASSES, batch=7)


def test_layer_rule_is_strict_and_takes_raw_outputs(case):
    net, images, *_ = case
    assert kept_layers(net, images, 4) == ["2", "5"]
    assert kept_layers(net, images, 3) == ["0", "2", "5", "9"]
    assert last_conv(net, images) == "5"
    seen = {}
    passed = forward(net, images, "5", lambda name, out, rows: seen.__setitem__(name, channel_means(out)))
    net.eval()
    with torch.no_grad():
        raw = net[:6](images)
        features = net[:9](images)
    net.train()
    np.testing.assert_allclose(passed.embedding, raw.flatten(1).numpy(), atol=1e-6)
    assert passed.embedding.min() < 0  # before the in-place ReLU
    np.testing.assert_allclose(seen["5"], raw.mean((2, 3)), atol=1e-6)
    np.testing.assert_allclose(passed.features, features.numpy(), atol=1e-6)
    np.testing.assert_allclose(passed.pooled(), raw.mean((2, 3)), atol=1e-6)


def test_default_layer_skips_shortcuts_and_heads(case):
    images = case[1]
    shortcut = nn.Sequential(nn.Conv2d(1, 8, 1, 2), nn.BatchNorm2d(8))
    residual = nn.Sequential(BasicBlock(1, 8, 2, shortcut), nn.Flatten(), nn.Linear(200, CLASSES))
    assert last_conv(residual, images) == "0.conv2"
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(100, 8), nn.ReLU(), nn.Linear(8, CLASSES))
    assert last_conv(perceptron, images) == "1"
    with pytest.raises(ValueError, match="no layer before its head"):
        last_conv(nn.Sequential(nn.Flatten(), nn.Linear(100, CLASSES)), images)


def test_flags_and_hooks_are_put_back(case):
    net, images, *_ = case
    net.train()
    net[3].eval()
    forward(net, images, "5")
    assert net.training
    assert not net[3].training
    assert not any(module._forward_hooks for module in net.modules())
    net.train()
    with pytest.raises(ValueError, match="is not in the network"):
        forward(net, images, "nowhere")


@pytest.mark.parametrize(
    ("build", "layer", "kept"),
    [
        (lambda: models.resnet18(num_classes=10), "layer4.1.conv2", 20),
        (lambda: models.vgg16_bn(num_classes=10), "features.40", 15),
        (lambda: models.mobilenet_v2(num_classes=10), "features.18.0", 52),
        (lambda: models.googlenet(num_classes=10, init_weights=False), "inception5b.branch4.1.conv", 57),
        (
            lambda: models.VisionTransformer(32, 8, 3, 4, 64, 128, num_classes=10),
            "encoder.layers.encoder_layer_2",
            7,
        ),
    ],
)
def test_default_layer_of_known_networks(build, layer, kept):
    with torch.device("meta"):
        net = build()
        images = torch.zeros(2, 3, 32, 32)
    assert last_conv(net, images) == layer
    names = kept_layers(net, images, 10)
    assert len(names) == kept
    assert family(net) == ("vit" if "encoder" in layer else "cnn")


def test_vit_is_measured_on_tokens():
    torch.manual_seed(0)
    net = models.VisionTransformer(16, 8, 2, 2, 16, 32, num_classes=CLASSES)
    images, labels = torch.rand(N, 3, 16, 16), np.arange(N) % CLASSES
    found = all_indices(net, clean_side(net, images, labels, CLASSES, batch=9), images * 0.5)
    assert all(np.isfinite(value) for value in found.values())
    output = torch.rand(2, 5, 16)
    assert pooled_output(output).shape == (2, 16)
    assert pooled_output(output, "token").shape == (2, 5)


def test_identical_images_give_zero(case):
    net, images, _, _, clean = case
    found = all_indices(net, clean, images)
    zero = [name for name in found if name.startswith(("arm", "p_", "resque", "pixel", "feature_shift"))]
    assert len(zero) >= 24
    for name in zero:
        assert found[name] == pytest.approx(0, abs=1e-9), name


def test_shifted_images_move_every_index(case):
    net, _, shifted, labels, clean = case
    found = all_indices(net, clean, shifted, labels)
    for name in ("arm", "arm_flat", "arm_hist_own", "arm_full_map_shared", "p_w32", "p_js32", "resque"):
        assert found[name] > 1e-6, name
    assert found["pixel_rmse"] == pytest.approx(float((clean.images - shifted).square().mean().sqrt()) / 2)
    q = found["p_js32"] + found["inv_ari"]
    s = found["pixel_rmse"] ** 2
    assert found["preindex"] == pytest.approx(q / (1 + q * s) - (1 - s))
    assert all(np.isfinite(value) for value in found.values())
    assert "initial_gradient_norm" not in all_indices(net, clean, shifted, gradient=False)


def test_indices_equal_the_looped_originals(case):
    net, images, shifted, labels, clean = case
    found = all_indices(net, clean, shifted, labels)
    sides = [official.layer_activations(net, side, CLASSES) for side in (images, shifted)]
    means = [{name: values.mean((2, 3)) for name, values in side.items()} for side in sides]
    for key, value in official.preindex_p(*means).items():
        assert found[key] == pytest.approx(value, abs=1e-6), key
    assert found["arm"] == pytest.approx(official.arm_textbook(net, images, shifted, CLASSES), abs=1e-6)
    maps = [
        {name: np.moveaxis(v, 1, 0).reshape(v.shape[1], -1) for name, v in side.items()} for side in sides
    ]
    helper = np.mean([official.arm_averaged_histograms(maps[0][name], maps[1][name], 32) for name in maps[0]])
    assert found["arm_full_map_own"] == pytest.approx(helper, abs=1e-6)
    rows = [{name: values.T for name, values in side.items()} for side in maps]
    spec = ArmSpec("full_map", "shared_range", "per_filter", "positions")
    assert found["arm_full_map_shared"] == pytest.approx(arm(rows[0], rows[1], spec), abs=1e-6)


def test_resque_equals_the_looped_original(case):
    net, images, _, labels, clean = case
    stored = ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    noisy = stored ^ np.random.default_rng(1).integers(0, 64, stored.shape, dtype=np.uint8)
    pair = [official.Images(side, labels) for side in (stored, noisy)]
    expected = official.resque_dist(net, *pair, "5", CLASSES)
    shifted = torch.from_numpy(noisy).permute(0, 3, 1, 2).float() / 127.5 - 1
    sums = [class_activation_sums(net, side, labels, "5", CLASSES, batch=5)[0] for side in (images, shifted)]
    assert resque_dist(*sums) == pytest.approx(expected, abs=1e-6)
    assert all_indices(net, clean, shifted)["resque"] == pytest.approx(expected, abs=1e-6)


def test_reference_images_serve_resque_alone(case):
    net, images, shifted, labels, clean = case
    other = clean_side(net, images, labels, CLASSES, reference=(shifted[:12], labels[:12]), full_map_images=0)
    found, plain = all_indices(net, other, shifted), all_indices(net, clean, shifted)
    assert found["resque"] != pytest.approx(plain["resque"])
    assert found["arm"] == pytest.approx(plain["arm"], abs=1e-6)
    assert "arm_full_map_shared" not in found


def test_bad_pairs_and_labels_are_refused(case):
    net, images, shifted, labels, clean = case
    with pytest.raises(ValueError, match="do not pair"):
        all_indices(net, clean, shifted[:5])
    with pytest.raises(ValueError, match="labels must lie"):
        clean_side(net, images, labels + 1, CLASSES)
    with pytest.raises(ValueError, match="wider"):
        clean_side(net, images, labels, 12)


def test_task_indices(case):
    net, images, _, labels, clean = case
    found = all_task_indices(net, images, labels, clean)
    assert found["arm"] == pytest.approx(0, abs=1e-9)
    assert found["feature_shift"] == 0
    assert set(found) >= {"resque_task", "resque_task_pooled_kmeanspp", "logme_neg", "source_error"}
    shuffled = np.random.default_rng(0).permutation(labels)
    assert all_task_indices(net, images, shuffled, clean)["resque_task"] > found["resque_task"]
    more = all_task_indices(net, images[:20], np.arange(20) % 5, clean)
    assert "source_error" not in more


@contextmanager
def counted_images(net):
    """How many images go through a network, pass by pass."""
    seen = []
    handle = net.register_forward_pre_hook(lambda _net, given: seen.append(len(given[0])))
    yield seen
    handle.remove()


def test_every_image_goes_through_once(case):
    net, images, shifted, labels, clean = case
    example = 2  # of `last_conv`
    with counted_images(net) as seen:
        clean_side(net, images, labels, CLASSES)
    assert sum(seen) == example + N
    with counted_images(net) as seen:
        clean_side(net, images, labels, CLASSES, reference=(shifted[:12], labels[:12]))
    assert sum(seen) == example + N + 12
    with counted_images(net) as seen:
        all_indices(net, clean, shifted, gradient=False)
    assert sum(seen) == N


def test_reference_sums_are_those_of_the_images_themselves(case):
    net, images, _, labels, clean = case
    given = clean_side(net, images, labels, CLASSES, reference=(images, labels), batch=7)
    np.testing.assert_allclose(given.reference_sums, clean.reference_sums, atol=1e-5)
    np.testing.assert_allclose(given.reference_pooled_sums, clean.reference_pooled_sums, atol=1e-5)
    features = forward(net, images, "5").features
    np.testing.assert_allclose(
        given.reference_pooled_sums, class_sums(features, labels, CLASSES), rtol=1e-5, atol=1e-5
    )


def test_reference_images_leave_no_embedding(case, monkeypatch):
    """81,920 values an image at the published sizes: 11.5 GB for 35,000 reference images."""
    net, images, _, labels, _ = case
    joined, whole = [], np.concatenate
    monkeypatch.setattr(
        np, "concatenate", lambda parts, **kw: joined.append(whole(parts, **kw)) or joined[-1]
    )
    more = torch.cat([images] * 5)
    clean_side(net, images, labels, CLASSES, reference=(more, np.tile(labels, 5)))
    assert max(len(found) for found in joined) == N


def test_maps_beyond_the_limit_are_made_again(case):
    net, images, *_ = case
    chosen = np.array([0, 3, 5, 9, 20])
    both = []
    for limit in (2**30, 100):
        maps = Maps(net, images, "5", chosen, batch=7, limit=limit)
        forward(net, images, "5", maps.take, batch=7)
        assert bool(maps.kept) == (limit > 100)
        ranges = map_ranges(maps)
        both.append((ranges, map_histograms(maps, [ranges])[0]))
    for name in ("0", "2", "5"):
        for one, other in zip(both[0][0][name], both[1][0][name], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        assert both[0][1][name].sum() == both[1][1][name].sum()
        assert np.abs(both[0][1][name] - both[1][1][name]).sum() <= 0.01 * both[0][1][name].sum()
