"""Pruning: masks, channels, and networks that are smaller but the same function."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from retrace.compress.pruning.channels import cut, slim, struct_lth
from retrace.compress.pruning.hydra import hydra, initial_scores
from retrace.compress.pruning.importance import drawn, magnitude, sensitivity, taylor
from retrace.compress.pruning.masks import (
    LayerLostError,
    full_masks,
    keep_as_many,
    keep_best,
    kept_share,
    prunable,
)
from retrace.compress.pruning.names import check_pruner, check_share
from retrace.compress.pruning.narrow import narrow, refilled
from retrace.compress.pruning.physical import compressed
from retrace.nets.conv_block_names import SHAPES
from retrace.nets.conv_blocks import conv_blocks, interval_aware, shape_of
from retrace.stage import StageError
from retrace.training.robust.loop import apply_masks

FRAME = (1, 8, 10)


def network(seed=0, trained=True):
    net = conv_blocks(SHAPES["conv2"], *FRAME, seed)
    if trained:  # statistics and norms as after training, all different
        generator = torch.Generator().manual_seed(seed)
        for module in net:
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.running_mean, module.weight.data, module.bias.data):
                    tensor.copy_(torch.randn(tensor.shape, generator=generator))
                module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
    return net.eval()


def images(count=40):
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@given(st.floats(0.05, 1.0), st.floats(0.05, 1.0))
@settings(max_examples=15, deadline=None)
def test_masks_keep_the_share_asked_for_and_only_shrink(first, second):
    net = network()
    once = keep_best(magnitude(net), full_masks(net), max(first, second))
    twice = keep_best(drawn(once, 3), once, min(first, second))
    total = sum(m.numel() for m in once.values())
    assert kept_share(once) == pytest.approx(max(first, second), abs=0.5 / total + 1e-9)
    assert kept_share(twice) == pytest.approx(min(first, second), abs=0.5 / total + 1e-9)
    assert all(bool((once[name] >= twice[name]).all()) for name in once)


def test_masks_by_lot_keep_as_many_weights_of_each_layer_and_lie_within_denser_ones():
    net = network()
    wide = keep_best(magnitude(net), full_masks(net), 0.4)
    narrow_ = keep_best(magnitude(net), wide, 0.1)
    scores = drawn(wide, 5)
    made = [keep_as_many(scores, masks) for masks in (wide, narrow_)]
    for own, like in zip(made, (wide, narrow_), strict=True):
        assert {n: int(m.sum()) for n, m in own.items()} == {n: int(m.sum()) for n, m in like.items()}
        assert not all(torch.equal(own[n], like[n]) for n in own)
    assert all(bool((made[0][n] >= made[1][n]).all()) for n in wide)


def test_magnitude_keeps_the_largest_weights_of_all_layers():
    net = network()
    masks = keep_best(magnitude(net), full_masks(net), 0.3)
    weights = torch.cat([w.abs().flatten() for w in prunable(net).values()])
    chosen = torch.cat([m.flatten() for m in masks.values()])
    assert weights[chosen].min() >= weights[~chosen].max()


def test_sensitivity_is_the_slope_of_a_mask_and_taylor_orders_alike():
    net, x = network(), images(8)
    name = "3.weight"

    def loss(n):
        return n(x).square().mean()

    scores = sensitivity(net, loss)[name]
    weight = dict(net.named_parameters())[name]
    place, step = (5, 2, 1, 3), 1e-2
    with torch.no_grad():
        values = []
        for sign in (1, -1):
            twin = copy.deepcopy(net)
            dict(twin.named_parameters())[name][place] *= 1 + sign * step
            values.append(float(loss(twin)))
    assert weight.shape == scores.shape
    assert float(scores[place]) == pytest.approx(abs(values[0] - values[1]) / (2 * step), rel=0.02, abs=1e-5)
    assert torch.allclose(taylor(net, loss)[name], scores.square())
    # so SNIP at the trained weights, as the published code has it, keeps what Taylor keeps
    kept = [keep_best(score(net, loss), full_masks(net), 0.2) for score in (sensitivity, taylor)]
    assert all(torch.equal(kept[0][n], kept[1][n]) for n in kept[0])


@pytest.mark.parametrize("share", [0.5, 0.1, 0.04])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_compressed_network_equals_the_masked_one(share, seed):
    net, x = network(seed), images()
    apply_masks(net, keep_best(magnitude(net), full_masks(net), share))
    with torch.no_grad():
        net[3].weight[:, :5] = 0  # channels that nobody reads
        net[3].weight[7] = 0  # a constant before the linear layer
        net[1].weight[6], net[1].bias[6] = 0, 2.0  # a constant before a padded convolution: must stay
        net[4].weight[9], net[4].bias[9] = 0, 3.0  # scale 0, shift not: moves into the next bias
        net[0].weight[8] = 0
        net[1].bias[8] = -50.0  # constant zero
    small = compressed(net, 1, 8)
    before, after = shape_of(net).blocks, shape_of(small).blocks
    assert after[0][0] <= before[0][0] - 6
    assert after[1][0] <= before[1][0] - 2
    assert small[0].weight.shape[0] == small[3].weight.shape[1]
    with torch.no_grad():
        assert (small(x) - net(x)).abs().max() < 1e-5 * net(x).abs().max()


def test_constants_before_a_convolution_without_padding_move_into_its_bias():
    net = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.Conv2d(4, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(4 * 16, 8), nn.ReLU(), nn.Linear(8, 10)),
    ).eval()
    with torch.no_grad():
        net[0].weight[2] = 0
        net[1].bias[2] = 1.5
    small = compressed(net, 1, 8)
    assert small[0].out_channels == 3
    assert small[3].bias is not None
    with torch.no_grad():
        assert torch.allclose(small(images()), net(images()), atol=1e-5)


def test_a_layer_without_channels_is_one_clear_line():
    net = network()
    with torch.no_grad():
        net[3].weight.zero_()
    with pytest.raises(LayerLostError, match="layer 3 has lost all its channels"):
        compressed(net, 1, 8)
    with pytest.raises(LayerLostError, match=r"layer \d would lose all its channels; keep a larger share"):
        slim(network(), 0.01)
    with pytest.raises(LayerLostError, match="would lose all its channels"):
        keep_best(magnitude(interval_aware(network(), 0)), full_masks(net), 0.0002)


@pytest.mark.parametrize("rank", [slim, struct_lth])
def test_cutting_channels_equals_silencing_them(rank):
    net, x = network(), images()
    channels = rank(net, 0.4)
    assert sum(map(len, channels)) == round(0.4 * 48)
    quiet = copy.deepcopy(net)
    for norm, rows in zip((quiet[1], quiet[4]), channels, strict=True):
        gone = torch.ones(norm.num_features, dtype=torch.bool)
        gone[rows] = False
        with torch.no_grad():
            norm.weight[gone] = 0
            norm.bias[gone] = 0
    with torch.no_grad():
        assert torch.allclose(cut(net, channels, *FRAME)(x), quiet(x), atol=1e-4)


def test_slim_keeps_the_largest_scales():
    net = network()
    chosen = zip((net[1], net[4]), slim(net, 0.5), strict=True)
    kept = torch.cat([norm.weight.detach().abs()[rows] for norm, rows in chosen])
    scales = torch.cat([net[1].weight, net[4].weight]).detach().abs()
    assert torch.equal(kept.sort().values, scales.topk(24).values.sort().values)


def test_struct_lth_ranks_by_the_mean_over_all_entries():
    net = network()
    weights = [net[0].weight, net[3].weight]
    with torch.no_grad():
        for w in weights:  # entries of one size, so that magnitude pruning takes small ones only
            w.copy_(torch.where(w.abs() < w.abs().flatten().quantile(0.5), 1e-6 * w, w))
    every = torch.cat([w.detach().abs().flatten() for w in weights])
    border = every.sort().values[round(0.2 * len(every))]
    means = [torch.where(w.abs() >= border, w.abs(), 0.0).flatten(1).sum(1) / w[0].numel() for w in weights]
    wanted = torch.cat(means).topk(round(0.75 * 48)).indices
    rows = struct_lth(net, 0.75)
    assert set(torch.cat([rows[0], rows[1] + 16]).tolist()) == set(wanted.tolist())


def test_hydra_finds_the_weights_that_the_loss_needs():
    net = network()
    wanted = {name: (torch.rand(w.shape) < 0.5) for name, w in prunable(net).items()}
    target = {name: w * wanted[name] for name, w in prunable(net).items()}

    def loss(weights, _):
        return sum(((weights[n] - target[n]) ** 2).sum() for n in weights)

    masks = hydra(net, loss, iter([[0] * 40] * 5), 5, full_masks(net), 0.25, 0.05)
    before = {n: s.abs() for n, s in initial_scores(prunable(net)).items()}
    for name, mask in masks.items():
        assert int(mask.sum()) == round(0.25 * mask.numel())
        chance = before[name].flatten().topk(int(mask.sum())).indices
        found = wanted[name][mask].float().mean()
        assert found > wanted[name].flatten()[chance].float().mean() + 0.2
    with pytest.raises(StageError, match="hydra: loss is nan in epoch 1"):
        hydra(net, lambda w, _: w["0.weight"].sum() * torch.nan, iter([[0]]), 1, full_masks(net), 0.5, 0.1)


@given(st.floats(0.01, 1.0))
@settings(max_examples=25, deadline=None)
def test_narrow_networks_have_no_more_weights_than_the_pruned_ones(share):
    full = SHAPES["conv2"]
    thin = narrow(full, 1, share)
    assert thin.conv_weights(1) <= max(share * full.conv_weights(1), 32)
    wide = refilled(thin, full, 1, share, 28, 10)
    total = share * full.conv_weights(1) + full.head_weights(28, 10)
    count = wide.conv_weights(1) + wide.head_weights(28, 10)
    assert total - (49 * wide.blocks[1][0] + 11) < count <= max(total, count if wide == thin else 0)
    if share == 1:
        assert thin == full


def test_misspelt_pruners_and_impossible_shares_are_refused():
    with pytest.raises(ValueError, match="unknown pruner 'inp' \\(did you mean 'imp'"):
        check_pruner("inp")
    for share in (0.0, -0.1, 1.2):
        with pytest.raises(ValueError, match="must be above 0 and at most 1"):
            check_share(share)
