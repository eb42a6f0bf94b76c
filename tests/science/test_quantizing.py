"""Quantizers: closed forms, what others compute, and one line for what cannot be."""

import copy

import numpy as np
import pytest
import torch
import torch.ao.quantization as tq
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from retrace.compress.calibrating import calibration_rows
from retrace.compress.quantizing import grids
from retrace.compress.quantizing.layers import (
    LayerBits,
    folded,
    layer_inputs,
    layer_weights,
    layers,
    quantized,
)
from retrace.compress.quantizing.learned import learn_steps, round_by_step
from retrace.compress.quantizing.mixed import allocate, average_bits, sensitivities
from retrace.compress.quantizing.ranges import Range, find_range
from retrace.compress.quantizing.tune import TuneSettings, epoch_rows, group_weights, tune
from retrace.nets.registry import build
from retrace.stage import StageError


def network(seed=0):
    net = build("cnn", 1, 8, 4, seed)
    with torch.no_grad():  # statistics that folding would show if it were wrong
        net.train()(torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(1)))
    return net.eval()


def images(n=40):
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(2))


def rounded(bits, per_channel=True, noise=None, net=None):
    net = net or folded(network())
    plan = {name: LayerBits(bits, bits) for name in layers(net)}
    seen = layer_inputs(net, images())
    ranges = {name: find_range(seen[name], "minmax", bits, name) for name in plan}
    return quantized(net, plan, ranges, per_channel, noise)


@given(bits=st.integers(2, 8), per_channel=st.booleans())
def test_weights_lie_on_few_levels_within_half_a_step(bits, per_channel):
    weight = torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(bits))
    step = grids.weight_step(weight, bits, per_channel)
    found = grids.round_weight(weight, bits, per_channel)
    assert (found - weight).abs().max() <= step.max() / 2 * (1 + 1e-5)
    levels = (found / step).round()
    assert torch.allclose(levels * step, found, atol=1e-6)
    assert levels.abs().max() == 2 ** (bits - 1) - 1  # the largest weight keeps its value
    assert levels.unique().numel() <= 2**bits - 1


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_activations_are_those_of_torch_s_own_fake_quantizer(bits):
    x = torch.randn(4000, generator=torch.Generator().manual_seed(0)) * 2 + 0.5
    low, high = -1.5, 4.0
    step, zero = grids.input_grid(low, high, bits)
    wanted = torch.fake_quantize_per_tensor_affine(x, step, zero, 0, 2**bits - 1)
    assert torch.allclose(grids.round_input(x, low, high, bits), wanted, atol=1e-6)
    assert grids.round_input(torch.zeros(1), low, high, bits) == 0  # padding stays what it is


def test_weights_are_those_of_torch_s_own_fake_quantizer_by_channel():
    weight = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    scale = grids.weight_step(weight, 8).flatten()
    zeros = torch.zeros(6, dtype=torch.int32)
    wanted = torch.fake_quantize_per_channel_affine(weight, scale, zeros, 0, -127, 127)
    assert torch.allclose(grids.round_weight(weight, 8), wanted, atol=1e-6)


def test_eight_bits_are_those_of_torchao():
    primitives = pytest.importorskip("torchao.quantization.quant_primitives")
    weight = torch.randn(6, 45, generator=torch.Generator().manual_seed(0))
    scale, zero = primitives.choose_qparams_affine(
        weight, primitives.MappingType.SYMMETRIC, (1, 45), torch.int8, -127, 127, scale_dtype=torch.float32
    )
    ours = grids.weight_step(weight, 8).flatten()
    assert torch.allclose(scale.flatten(), ours, rtol=5e-3)  # torchao's range is 127.5 steps wide
    codes = primitives.quantize_affine(weight, (1, 45), ours, zero, torch.int8, -127, 127)
    wanted = primitives.dequantize_affine(codes, (1, 45), ours, zero, torch.int8, -127, 127)
    assert torch.allclose(grids.round_weight(weight, 8), wanted, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*quantiz.*:UserWarning")
@torch.no_grad()
def test_eight_bits_are_those_of_torch_s_integer_network(monkeypatch):
    """The same network, folded, calibrated and computed with 8-bit integers by PyTorch's own workflow."""
    # the default engine's sums overflow 16 bits on processors without VNNI; this one's have 32 anywhere
    monkeypatch.setattr(torch.backends.quantized, "engine", "qnnpack")
    torch.manual_seed(0)
    body = [nn.Conv2d(1, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU()]
    body += [nn.Conv2d(6, 8, 3, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 4)]
    net = nn.Sequential(*body)
    net.train()(torch.randn(64, 1, 8, 8))
    net.eval()
    theirs = nn.Sequential(tq.QuantStub(), *copy.deepcopy(body), tq.DeQuantStub()).eval()
    theirs = tq.fuse_modules(theirs, [["1", "2", "3"], ["4", "5"]])
    weights = {"dtype": torch.qint8, "quant_min": -127, "quant_max": 127}
    theirs.qconfig = tq.QConfig(
        activation=tq.MinMaxObserver.with_args(dtype=torch.quint8),
        weight=tq.PerChannelMinMaxObserver.with_args(qscheme=torch.per_channel_symmetric, **weights),
    )
    tq.prepare(theirs, inplace=True)(images())
    wanted = tq.convert(theirs)(images())
    found = rounded(8, net=folded(net))(images())
    step = float(wanted.unique().diff().min())  # theirs rounds the logits, too
    assert float((found - wanted).abs().max()) < 1.5 * step
    few = rounded(4, net=folded(net))(images())
    assert float((few - wanted).abs().max()) > 5 * step


def test_gradients_pass_straight_but_where_inputs_are_clipped():
    x = torch.tensor([-3.0, 0.2, 0.9, 5.0], requires_grad=True)
    grids.round_input(x, -1.0, 2.0, 3).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0]
    weight = torch.randn(3, 4, requires_grad=True)
    grids.round_weight(weight, 2).sum().backward()
    assert weight.grad.eq(1).all()


def test_the_expected_shift_is_that_of_uniform_errors():
    weight = torch.rand(1, 100_000, generator=torch.Generator().manual_seed(0)) * 2 - 1
    error = (grids.round_weight(weight, 4) - weight).square().sum()
    assert float(error) == pytest.approx(grids.expected_shift(weight, 4), rel=0.02)


@pytest.mark.parametrize("bits", [1, 0, 17])
def test_bits_out_of_range_are_refused(bits):
    with pytest.raises(ValueError, match=rf"bits {bits}: must be 2 to 16, or null"):
        grids.round_weight(torch.ones(2, 2), bits)


def test_constant_activations_are_refused_by_the_layer_s_name():
    with pytest.raises(StageError, match=r"layer conv: .* are constant \(3\); take more or other images"):
        find_range(torch.full((10,), 3.0), "minmax", 4, "conv")
    with pytest.raises(StageError, match=r"layer conv: .* are not numbers"):
        find_range(torch.full((10,), torch.nan), "minmax", 4, "conv")


def test_rules_of_ranges():
    values = torch.cat([torch.linspace(0, 1, 10_000), torch.tensor([100.0])])
    assert find_range(values, "minmax", 4, "x") == Range(0.0, 100.0)
    assert find_range(values, "percentile", 4, "x").high == pytest.approx(0.999, abs=2e-3)
    least = find_range(values, "mse", 4, "x")
    errors = {
        r: float((grids.round_input(values, 0.0, r, 4) - values).square().sum()) for r in (least.high, 100.0)
    }
    assert errors[least.high] <= errors[100.0]


def test_folding_changes_no_output():
    net = network()
    twin = folded(net)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in twin.modules())
    assert torch.allclose(twin(images()), net(images()), atol=1e-5)


def test_many_bits_change_next_to_nothing_and_few_a_lot():
    net = folded(network()).requires_grad_(False)
    plain = net(images())
    errors = [float((rounded(b, net=net)(images()) - plain).norm() / plain.norm()) for b in (16, 8, 4, 2)]
    assert errors[0] < 1e-3
    assert errors == sorted(errors)


def test_noise_has_the_norms_of_the_rounding_errors():
    net = folded(network())
    near, noisy = (
        layer_weights(rounded(3, net=net, noise=n)) for n in (None, torch.Generator().manual_seed(0))
    )
    for name, weight in layer_weights(net).items():
        assert float((noisy[name] - weight).norm()) == pytest.approx(
            float((near[name] - weight).norm()), rel=1e-4
        )
        assert not torch.allclose(noisy[name], near[name])


def test_learned_steps_begin_as_calibrated_and_have_the_gradient_of_the_paper():
    net = rounded(3)
    before = net(images())
    learn_steps(net)
    assert torch.allclose(net(images()), before, atol=1e-5)
    values, step = torch.tensor([0.3, 0.7, 9.0]), torch.tensor(0.5, requires_grad=True)
    round_by_step(values, step, -3, 3, 0.25).sum().backward()
    # equation 3: round(v/s) - v/s within the grid, its end beyond; times the scale
    assert float(step.grad) == pytest.approx(0.25 * ((1 - 0.6) + (1 - 1.4) + 3), abs=1e-6)


def test_bits_go_where_they_save_most():
    costs = {"a": {2: 10.0, 4: 1.0}, "b": {2: 3.0, 4: 0.5}}
    assert allocate(costs, {"a": 10, "b": 10}, 3.0) == {"a": 4, "b": 2}
    assert allocate(costs, {"a": 10, "b": 10}, 4.0) == {"a": 4, "b": 4}
    # the small layer first, by bits saved, and the large one could not be widened any more
    costs = {"large": {2: 100.0, 3: 60.0}, "small": {2: 35.0, 8: 0.0}}
    chosen = allocate(costs, {"large": 90, "small": 10}, 3.0)
    assert chosen["large"] == 3
    assert average_bits(chosen, {"large": 90, "small": 10}) <= 3.0
    with pytest.raises(StageError, match=r"mixed bits: 2 everywhere exceed the budget of 1.5 a weight"):
        allocate(costs, {"large": 90, "small": 10}, 1.5)


def test_a_layer_without_curvature_costs_nothing():
    weights = {"a": torch.randn(4, 4), "b": torch.randn(4, 4)}
    costs = sensitivities(weights, {"a": -1.0, "b": 2.0}, (2, 4), True)
    assert costs["a"] == {2: 0.0, 4: 0.0}
    assert costs["b"][2] > costs["b"][4] > 0


def test_weights_of_groups_have_mean_one_over_examples():
    counts = torch.tensor([90, 10])
    for kind in ("none", "inverse", "effective"):
        weights = group_weights(counts, kind)
        assert float((weights * counts).sum() / counts.sum()) == pytest.approx(1, abs=1e-5)
    assert group_weights(counts, "inverse").tolist() == pytest.approx([100 / 180, 100 / 20])


@pytest.mark.parametrize("sampling", ["over", "under", "balanced"])
def test_samplers_draw_every_group_alike(sampling):
    groups = torch.tensor([0] * 900 + [1] * 100)
    rows = epoch_rows(groups, sampling, 20, torch.Generator().manual_seed(0))
    share = float((groups[rows] == 1).float().mean())
    assert share == pytest.approx(0.5, abs=0.05)
    if sampling == "under":
        assert len(rows) == 200
        assert rows.unique().numel() == 200
    if sampling == "balanced":
        assert all(int((groups[part] == 1).sum()) == 10 for part in torch.split(rows, 20)[:-1])


def test_tuning_lowers_the_loss_of_a_rounding_network_and_keeps_masks():
    net, x = rounded(3), images()
    y = (x.flatten(1).mean(1) > 0).long()
    groups = torch.tensor([0] * 30 + [1] * 10)
    loss = lambda: float(nn.functional.cross_entropy(net(x), y).detach())  # noqa: E731
    before = loss()
    steps = tune(net, x, y, groups, TuneSettings(epochs=5, batch=20, learning_rate=0.05), seed=0)
    assert steps == 10
    assert loss() < before
    plain = folded(network())
    masks = {"0.weight": torch.zeros_like(layers(plain)["0"].weight, dtype=torch.bool)}
    tune(plain, x, y, groups, TuneSettings(epochs=1, batch=20), 0, masks)
    assert layers(plain)["0"].weight.count_nonzero() == 0


def test_balanced_calibration_takes_all_of_a_small_group():
    groups = np.array([0] * 100 + [1] * 3 + [2] * 50)
    rows = calibration_rows(groups, 30, "balanced", np.random.default_rng(0))
    assert np.bincount(groups[rows], minlength=3).tolist() in ([14, 3, 13], [13, 3, 14])
    assert len(np.unique(rows)) == 30
    with pytest.raises(StageError, match="calibration: 0 of 153 images"):
        calibration_rows(groups, 0, "random", np.random.default_rng(0))
