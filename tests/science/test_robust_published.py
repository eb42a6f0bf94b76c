"""Robust training as the published code computes it, against references of our own."""

import copy

import pytest
import torch
import torch.nn.functional as F
from robust_nets import data, network
from torch import nn

from retrace.training.robust.intervals import propagate
from retrace.training.robust.layers import Layers
from retrace.training.robust.loop import train_robust
from retrace.training.robust.losses import Example, robust_loss
from retrace.training.robust.settings import RobustSettings


def reference_nrs(net, x, epsilon):
    """The published adversarial path, layer by layer: sum over all neurons over their number."""
    low, high = (x - epsilon).clamp(0, 1), (x + epsilon).clamp(0, 1)
    total, count, gamma = 0.0, 0, None
    for module in net:
        middle, half = (low + high) / 2, (high - low) / 2
        if isinstance(module, nn.ReLU):
            product = low * high if gamma is None else low * high / gamma.view(1, -1, 1, 1) ** 2
            total, count, gamma = total - torch.tanh(1 + product).sum(), count + low.numel(), None
            low, high = low.relu(), high.relu()
        elif isinstance(module, nn.BatchNorm2d):
            gamma = module.weight
            scale = gamma / (module.running_var + module.eps).sqrt()
            shift = module.bias - module.running_mean * scale
            middle, half = (
                middle * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1),
                half * scale.abs().view(1, -1, 1, 1),
            )
            low, high = middle - half, middle + half
        elif isinstance(module, nn.Flatten):
            low, high = low.flatten(1), high.flatten(1)
        else:
            spread = copy.deepcopy(module)
            spread.weight.copy_(module.weight.abs())
            if spread.bias is not None:
                spread.bias.zero_()
            middle, half = module(middle), spread(half)
            low, high = middle - half, middle + half
    return total / count


def test_nrs_weighs_neurons_under_adversarial_training_and_channels_under_certified():
    net, (x, y) = network(), data(20)
    with torch.no_grad():
        for place in (1, 4):
            net[place].weight.uniform_(0.3, 3.0, generator=torch.Generator().manual_seed(place))

        def penalty(**changes):
            values = []
            for weight in (0.0, 1.0):
                settings = RobustSettings(
                    **{
                        "stability": "nrs",
                        "stability_weight": weight,
                        "alignment": 0.0,
                        "epsilon": 0.1,
                        **changes,
                    }
                )
                layers = Layers(net, batch=True, track=settings.mode == "certified")
                example = Example(x, y, 0.05, torch.Generator().manual_seed(0))
                values.append(float(robust_loss(layers, example, settings)))
            return values[1] - values[0]

        state = copy.deepcopy(net.state_dict())
        standard = penalty(mode="standard")
        net.load_state_dict(state)
        # running statistics moved twice on the way, by the clean passes
        for _ in range(2):
            Layers(net, batch=True).forward(x)
        after = float(reference_nrs(net.eval(), x, 0.1))
        assert standard == pytest.approx(after, abs=1e-4)
        layers = Layers(net, batch=True, track=True)
        layers.forward(x)
        relus = [b for b in propagate(layers, x, 0.05).relus if b.norm is not None]
        means = [
            -torch.tanh(1 + b.lower * b.upper / (net[b.norm].weight.view(-1, 1, 1) ** 2 + 1e-8)).mean(
                (0, 2, 3)
            )
            for b in relus
        ]
        assert penalty(mode="certified") == pytest.approx(float(torch.cat(means).mean()), abs=1e-4)


def published_ramp(batch, epochs, steps, largest):
    """The published schedule at a batch counted from 1 over the whole training; epochs counted from 1."""
    (first, length), step = epochs, batch - 1
    begin, end = (first - 1) * steps, (first + length - 1) * steps
    middle = int((end - begin) * 0.4) + begin
    slope = (middle - begin) ** 3
    scale = largest / ((end - middle) * 4 * slope + (middle - begin) * slope)
    at_middle = scale * (middle - begin) ** 4
    if step <= begin:
        return 0.0
    if step < middle:
        return scale * (step - begin) ** 4
    return min(at_middle + (largest - at_middle) * (step - middle) / (end - middle), largest)


def test_training_meets_the_published_ramp_at_every_step(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "retrace.training.robust.loop.robust_loss",
        lambda layers, batch, settings: seen.append(batch.epsilon) or layers.forward(batch.x).sum(),
    )
    x, y = data(70)
    settings = RobustSettings(mode="standard", epochs=6, batch=10, ramp_start=1, ramp_length=4)
    train_robust(network(), x, y, settings, 0)
    assert seen == pytest.approx([published_ramp(n + 1, (2, 4), 7, 0.1) for n in range(42)], abs=1e-12)


def gradient_points(monkeypatch, **changes):
    """Where the attack and GradAlign take their gradients, and what GradAlign compares."""
    points, compared = [], []

    def gradient(layers, point, y, differentiable):
        points.append(point)
        return torch.ones_like(point)

    def cosine(first, second, dim):
        compared.append(second)
        return torch.zeros(len(first))

    monkeypatch.setattr("retrace.training.robust.losses.input_gradient", gradient)
    monkeypatch.setattr(F, "cosine_similarity", cosine)
    (x, y), settings = data(20), RobustSettings(epsilon=0.2, **changes)
    robust_loss(Layers(network(), batch=True), Example(x, y, 0.2, torch.Generator().manual_seed(3)), settings)
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(3)) * 2 - 1
    return x, x + 0.2 * noise, points, compared[0]


def test_grad_align_cuts_the_noisy_image_and_its_gradient(monkeypatch):
    x, noisy, points, compared = gradient_points(monkeypatch)
    beyond = (noisy < 0) | (noisy > 1)
    assert bool(beyond.any())
    assert torch.equal(points[0], x)
    assert torch.equal(points[1], noisy.clamp(0, 1))
    assert torch.equal(compared == 0, beyond.flatten(1))


def test_the_doubled_point_is_double_in_standardised_space(monkeypatch):
    x, noisy, points, _ = gradient_points(monkeypatch, gradient_point="doubled", pixel_mean=[0.286])
    mean, spread = 0.286, 0.315
    for point, moved in zip(points, (x, noisy.clamp(0, 1)), strict=True):
        standardised = (x - mean) / spread + (moved - mean) / spread
        assert torch.allclose(point, standardised * spread + mean, atol=1e-6)
