"""Robust training: bounds that hold, losses that are what they say, masks that stay."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from robust_nets import data, network
from torch import nn

from retrace.compress.pruning.importance import magnitude
from retrace.compress.pruning.masks import full_masks, keep_best
from retrace.nets.conv_block_names import SHAPES
from retrace.nets.conv_blocks import conv_blocks, interval_aware
from retrace.stage import StageError
from retrace.training.robust.augment import augmented
from retrace.training.robust.crown import crown_lower, fused_loss
from retrace.training.robust.intervals import Bounds, margin_rows, margins, propagate
from retrace.training.robust.layers import Layers
from retrace.training.robust.loop import train_robust
from retrace.training.robust.losses import Example, fgsm, input_gradient, robust_loss
from retrace.training.robust.ramp import Ramp
from retrace.training.robust.settings import RobustSettings
from retrace.training.robust.stability import stability_loss
from retrace.verify.bounds import crown as engine_crown
from retrace.verify.bounds import interval as engine_interval
from retrace.verify.domain import ball
from retrace.verify.fold import fold


def others(values, y):
    """Values (N, classes) without the label's, in rising order of class."""
    return values[~F.one_hot(y, 10).bool()].view(len(y), -1)


@pytest.mark.parametrize("epsilon", [0.0, 0.03, 0.1])
def test_bounds_equal_the_verifiers_and_its_formulas(epsilon):
    net, (x, y) = network(), data(20)
    layers, reference = Layers(net), fold(net, (1, 8, 8))
    with torch.no_grad():
        interval = propagate(layers, x, epsilon)
        region = ball(x, epsilon)
        for own, (low, high) in zip(
            interval.relus, engine_interval.preactivations(reference, region), strict=True
        ):
            assert torch.allclose(own.lower.flatten(1), low.flatten(1), atol=1e-5)
            assert torch.allclose(own.upper.flatten(1), high.flatten(1), atol=1e-5)
        tight = crown_lower(layers, interval, margin_rows(layers, y), x, epsilon)
        expected = engine_crown.margins(reference, region, y, intermediate="interval")
        loose = engine_interval.margins(reference, region, y)
        assert torch.allclose(others(margins(layers, interval, y), y), loose, atol=1e-4)
        # the verifier gives the larger of both
        assert torch.allclose(torch.maximum(others(tight, y), loose), expected, atol=1e-4)
        assert epsilon == 0 or bool((others(tight, y) > loose).any())


@given(st.integers(0, 10_000), st.floats(0.0, 0.3))
@settings(max_examples=20, deadline=None)
def test_no_point_of_the_ball_leaves_the_bounds(seed, epsilon):
    net, (x, y) = network(seed % 5), data(8, seed)
    layers = Layers(net)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        interval = propagate(layers, x, epsilon)
        tight = crown_lower(layers, interval, margin_rows(layers, y), x, epsilon)
        bounds = [margins(layers, interval, y), tight]
        losses = [float(fused_loss(layers, interval, x, y, epsilon, share)) for share in (0.0, 0.5, 1.0)]
        for _ in range(10):
            noise = (torch.rand(x.shape, generator=generator) * 2 - 1).sign() * epsilon
            logits = net((x + noise).clamp(0, 1))
            reached = logits.gather(1, y[:, None]) - logits
            assert all(bool((reached >= b - 1e-4).all()) for b in bounds)
            assert min(losses) >= float(F.cross_entropy(logits, y)) - 1e-4


def test_the_fused_loss_is_the_intervals_at_share_0_and_exact_for_a_linear_network():
    net, (x, y) = network(), data(20)
    layers = Layers(net)
    with torch.no_grad():
        interval = propagate(layers, x, 0.03)
        worst = F.cross_entropy(-margins(layers, interval, y), y)
        assert torch.isclose(fused_loss(layers, interval, x, y, 0.03, 0.0), worst, rtol=1e-5)
        assert fused_loss(layers, interval, x, y, 0.03, 1.0) < worst - 0.1
        torch.manual_seed(0)
        flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
        y, layers = y % 3, Layers(flat)
        found = fused_loss(layers, propagate(layers, x, 0.03), x, y, 0.03, 1.0)
        expected = []
        for image, label in zip(x, y, strict=True):
            # a sum of exponentials below their chords, at most where each weight's sign sends its pixel
            low, high = ((image + sign * 0.03).clamp(0, 1).flatten() for sign in (-1, 1))
            w, b = flat[1].weight - flat[1].weight[label], flat[1].bias - flat[1].bias[label]
            ends = [w.clamp(min=0) @ p + w.clamp(max=0) @ q + b for p, q in ((low, high), (high, low))]
            slope = torch.where(ends[1] > ends[0], (ends[1].exp() - ends[0].exp()) / (ends[1] - ends[0]), 0)
            row, constant = slope @ w, (ends[0].exp() - slope * ends[0] + slope * b).sum()
            expected.append((torch.where(row > 0, high, low) @ row + constant).log())
        assert torch.isclose(found, torch.stack(expected).mean(), rtol=1e-4)


def test_the_batchs_moments_give_the_networks_own_training_pass():
    net, (x, y) = network(), data()
    layers = Layers(net, batch=True, track=True)
    clean = layers.forward(x)
    still = propagate(layers, x, 0.0)
    logits = clean.gather(1, y[:, None]) - clean
    assert torch.allclose(margins(layers, still, y), logits, atol=1e-4)
    assert torch.allclose(clean, net.train()(x), atol=1e-5)


def test_stability_losses_are_their_formulas():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([0.5, 2.0]))
    low = torch.tensor([-1.0, -0.3]).view(1, 2, 1, 1).requires_grad_(True)
    high = torch.tensor([0.4, 2.0]).view(1, 2, 1, 1)
    bounds = [Bounds(2, low, high, 1)]
    products = torch.tensor([-0.4, -0.6])
    rs = -torch.tanh(1 + products).mean()
    nrs = -torch.tanh(1 + products / torch.tensor([0.25, 4.0])).mean()
    assert torch.isclose(stability_loss(Layers(net), bounds, False, "channels"), rs)
    value = stability_loss(Layers(net), bounds, True, "channels")
    assert torch.isclose(value, nrs)
    value.backward()
    assert net[1].weight.grad is None
    assert low.grad is not None


@given(st.integers(0, 50), st.integers(3, 200))
@settings(max_examples=30, deadline=None)
def test_the_ramp_rises_smoothly_from_zero_to_the_radius(start, length):
    ramp = Ramp(0.1, start, length)
    values = [ramp.at(start + length * n / 400) for n in range(-20, 441)]
    steps = [b - a for a, b in pairwise(values)]
    assert values[20] == 0.0
    assert values[-1] == pytest.approx(0.1)
    assert min(steps) >= -1e-15
    assert ramp.at(start + length) == 0.1
    assert ramp.at(start + length - 1e-9) == pytest.approx(0.1, rel=1e-6)
    middle = start + int(0.4 * length)
    before, after = (ramp.at(middle) - ramp.at(middle - 1e-4)), (ramp.at(middle + 1e-4) - ramp.at(middle))
    assert before == pytest.approx(after, rel=1e-2)


def test_fgsm_steps_to_the_edge_of_the_ball_and_no_further():
    x = torch.tensor([[0.5, 0.02, 0.99, 0.5]])
    moved = fgsm(x, torch.tensor([[1.0, -2.0, 3.0, 0.0]]), 0.1)
    assert torch.allclose(moved, torch.tensor([[0.6, 0.0, 1.0, 0.5]]))


def test_the_gradient_point_defect_changes_the_attack_and_only_then():
    net, (x, y) = network(), data()

    def loss(**changes):
        settings = RobustSettings(**{"alignment": 0.0, "epsilon": 0.1, **changes})
        layers = Layers(net, batch=True)
        example = Example(x, y, 0.1, torch.Generator().manual_seed(0))
        return float(robust_loss(layers, example, settings).detach())

    assert loss() > loss(gradient_point="doubled") > loss(mode="standard")


@pytest.mark.parametrize("differentiable", [False, True])
def test_the_image_gradient_is_autograds_and_so_are_its_own_gradients(differentiable):
    net, (x, y) = network(), data(12)
    at = x.clone().requires_grad_(True)
    plain = F.cross_entropy(net(at), y, reduction="sum")
    (expected,) = torch.autograd.grad(plain, at, create_graph=True)
    found = input_gradient(Layers(net), x, y, differentiable)
    assert torch.allclose(found, expected, atol=1e-5)
    if differentiable:
        named = dict(net.named_parameters())
        params = [named[name] for name in ("0.weight", "3.weight", "7.weight", "1.weight")]
        one, other = (torch.autograd.grad(g.square().sum(), params) for g in (found, expected))
        assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(one, other, strict=True))


def test_grad_align_vanishes_where_the_network_is_linear():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))
    x, y = data(10)
    x, y = 0.4 + 0.2 * x, y % 2  # no noise leaves [0, 1], where the gradient is cut

    def penalty():
        losses = []
        for weight in (0.0, 1.0):
            settings = RobustSettings(alignment=weight, epsilon=0.4)
            example = Example(x, y, 0.4, torch.Generator().manual_seed(0))
            losses.append(float(robust_loss(Layers(net), example, settings).detach()))
        return losses[1] - losses[0]

    assert penalty() > 0.01
    with torch.no_grad():
        net[1].bias.fill_(9.0)  # every ReLU stays on; with two classes all gradients are parallel
        net[3].bias.copy_(-net[3].weight.sum(1) * 9)
    assert abs(penalty()) < 1e-4


@pytest.mark.parametrize("mode", ["standard", "adversarial", "certified"])
def test_pruned_weights_stay_zero_and_the_same_seed_gives_the_same_weights(mode):
    x, y = data(100)
    states = []
    for _ in range(2):
        net = conv_blocks(SHAPES["conv2"], 1, 8, 10, 3)
        masks = keep_best(magnitude(net), full_masks(net), 0.2)
        settings = RobustSettings(
            mode=mode, epochs=2, batch=25, ramp_length=1, stability="nrs", weight_decay=1e-3, crown=True
        )
        losses = train_robust(net, x, y, settings, 7, masks)
        assert len(losses) == 2
        assert all(bool((dict(net.named_parameters())[n][~m] == 0).all()) for n, m in masks.items())
        states.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    assert torch.equal(*states)


def test_certified_training_certifies_what_standard_training_does_not():
    x = torch.zeros(80, 1, 8, 8)
    y = torch.arange(80) % 2
    x[y == 1] = 0.6
    found = {}
    for mode in ("standard", "certified"):
        net = interval_aware(conv_blocks(SHAPES["conv2"], 1, 8, 10, 0), 0)
        train_robust(net, x, y, RobustSettings(mode=mode, epochs=12, batch=20, ramp_length=6), 0)
        with torch.no_grad():
            layers = Layers(net)
            bounds = others(margins(layers, propagate(layers, x, 0.1), y), y).amin(1)
        found[mode] = float((bounds > 0).float().mean())
    assert found["certified"] == 1.0
    assert found["standard"] < 0.5


def test_crops_and_mirrors_keep_the_pixels_values():
    x = torch.rand(30, 1, 8, 8)
    moved = augmented(x, "crop-flip", torch.Generator().manual_seed(0))
    assert moved.shape == x.shape
    for before, after in zip(x, moved, strict=True):
        assert set(after.flatten().tolist()) <= {0.0, *before.flatten().tolist()}
    assert not torch.equal(moved, x)
    assert torch.equal(augmented(x, "none", torch.Generator()), x)


def test_bad_input_gets_one_clear_line():
    with pytest.raises(ValidationError, match="epsilon"):
        RobustSettings(epsilon=-0.1)
    with pytest.raises(ValueError, match="a radius cannot be negative"):
        Ramp(-0.1, 0, 1)
    with pytest.raises(ValueError, match="a radius cannot be negative"):
        propagate(Layers(network()), data(2)[0], -0.1)
    with pytest.raises(ValidationError, match="mode"):
        RobustSettings(mode="adversary")
    with pytest.raises(ValidationError, match="shorten the ramp"):
        RobustSettings(epochs=3, ramp_start=1, ramp_length=4)
    x, y = data(50)
    x[0, 0, 0, 0] = torch.nan
    with pytest.raises(StageError, match="loss is nan at epoch 1, step"):
        train_robust(network(), x, y, RobustSettings(mode="standard", epochs=1, batch=10), 0)
    with pytest.raises(StageError, match="Tanh is unknown to robust training"):
        Layers(nn.Sequential(nn.Flatten(), nn.Tanh())).still(data(2)[0])
