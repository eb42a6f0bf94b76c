from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from retrace.nets.access import features, head, load_arrays, replace_head, state_arrays
from retrace.nets.registry import BUILDERS, build
from retrace.stage import StageError

LAPTOP = ("cnn", "mlp", "vgg-s", "mobilenet-s", "vit-s", "resnet-s")
FULL = tuple(sorted(BUILDERS.keys() - set(LAPTOP)))


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("name", LAPTOP)
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (1, 8), (3, 32)])
def test_small_networks_map_images_to_logits(name: str, channels: int, size: int) -> None:
    net = build(name, channels, size, 7, 0).eval()
    x = torch.randn(2, channels, size, size)
    with torch.no_grad():
        assert net(x).shape == (2, 7)
        assert torch.allclose(head(net)(features(net, x)), net(x), atol=1e-6)


@pytest.mark.parametrize("name", FULL)
def test_full_networks_map_images_to_logits(name: str) -> None:
    net = build(name, 3, 32, 5, 0).eval()
    with torch.no_grad():
        assert net(torch.randn(1, 3, 32, 32)).shape == (1, 5)
    assert head(net).out_features == 5


def test_parameter_counts_against_closed_forms() -> None:
    convolutions = 9 * (1 * 16 + 16 * 32 + 32 * 64) + 2 * (16 + 32 + 64)
    assert count(build("cnn", 1, 28, 10, 0)) == convolutions + 64 * 10 + 10
    assert count(build("mlp", 1, 8, 10, 0)) == 64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
    # VGG-16: thirteen 3x3 convolutions with biases and batch norms, then 512-4096-4096-C.
    widths = [3, 64, 64, 128, 128, 256, 256, 256] + [512] * 6
    body = sum(9 * a * b + 3 * b for a, b in pairwise(widths))
    dense = 512 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 10 + 10
    assert count(build("vgg16_bn", 3, 32, 10, 0)) == body + dense
    # ResNet-18 with a 3x3 stem and its 512-C head.
    stages, inputs, resnet = (64, 128, 256, 512), 64, 9 * 3 * 64 + 2 * 64
    for width in stages:
        resnet += 9 * inputs * width + 3 * 9 * width * width + 4 * 2 * width
        resnet += (inputs * width + 2 * width) if inputs != width else 0
        inputs = width
    assert count(build("resnet18", 3, 32, 10, 0)) == resnet + 512 * 10 + 10
    # ViT: patch embedding, class token, positions, pre-norm blocks, final norm, head.
    d, m, tokens = 64, 128, 17
    block = (3 * d * d + 3 * d) + (d * d + d) + (d * m + m) + (m * d + d) + 4 * d
    assert (
        count(build("vit-s", 1, 28, 10, 0)) == (49 * d + d) + d + tokens * d + 3 * block + 2 * d + d * 10 + 10
    )


def test_seed_alone_fixes_the_weights_and_the_global_state_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a = state_arrays(build("cnn", 1, 8, 10, 3))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    b, c = state_arrays(build("cnn", 1, 8, 10, 3)), state_arrays(build("cnn", 1, 8, 10, 4))
    assert all(a[k].tobytes() == b[k].tobytes() for k in a)
    assert any(a[k].tobytes() != c[k].tobytes() for k in a)


def test_unknown_name_is_answered_with_the_near_one() -> None:
    with pytest.raises(StageError, match="vgg-s"):
        build("vgg_s", 1, 28, 10, 0)


def test_too_small_images_are_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match="at least 32x32"):
        build("vgg16_bn", 1, 28, 10, 0)


@pytest.mark.parametrize("name", ["cnn", "vit-s", "mobilenet-s"])
def test_a_fresh_head_leaves_the_body_as_it_was(name: str) -> None:
    net = build(name, 1, 8, 10, 0)
    before = state_arrays(net)
    replace_head(net, 4, seed=1)
    after = state_arrays(net)
    changed = [k for k in before if not np.array_equal(before[k], after[k])]
    assert head(net).out_features == 4
    assert sorted(before) == sorted(after)
    assert len(changed) == 2
    other = state_arrays(replace_head(build(name, 1, 8, 10, 0), 4, seed=1))
    assert all(np.array_equal(after[k], other[k]) for k in after)


def test_features_restore_training_mode_and_need_no_gradient() -> None:
    net = build("cnn", 1, 8, 10, 0).train()
    out = features(net, torch.randn(5, 1, 8, 8), batch=2)
    assert out.shape == (5, 64)
    assert not out.requires_grad
    assert net.training


def test_weights_round_trip_and_foreign_weights_are_refused() -> None:
    a, b = build("cnn", 1, 8, 10, 0), build("cnn", 1, 8, 10, 1)
    load_arrays(b, state_arrays(a))
    first, second = state_arrays(a), state_arrays(b)
    assert all(np.array_equal(first[k], second[k]) for k in first)
    with pytest.raises(StageError, match="another network"):
        load_arrays(build("cnn", 1, 8, 9, 0), state_arrays(a))
