"""Training of recurrent networks: carried state, clipping, the stop rule, counted costs."""

from itertools import repeat

import numpy as np
import pytest
import torch
from torch import nn

from retrace.metrics.sequence_costs import step_cost
from retrace.nets.memory.base import detach
from retrace.nets.memory.registry import build
from retrace.stage import StageError
from retrace.training import sequences
from retrace.training.sequences import FitSettings, Piece, fit, losses


def net(name="lstm", inputs=3, outputs=2):
    return build(name, inputs, outputs, 6, 4, 3, seed=0)


def piece(steps=5, batch=4, fresh=True, seed=0):
    make = torch.Generator().manual_seed(seed)
    x = torch.randn(steps, batch, 3, generator=make)
    return Piece(x, (torch.randn(2, batch, 2, generator=make) > 0).float(), fresh)


def test_losses_are_in_bits_and_errors_are_shares():
    y = torch.zeros(4, 2, 3)
    wanted = torch.tensor([[[1.0, 0, 0], [1, 1, 1]]])
    bits, errors = losses(y, wanted, "bits")
    assert (bits.item(), errors.item()) == (pytest.approx(1), pytest.approx(4 / 6))
    y = torch.zeros(4, 2, 8)
    y[-1, 0, 5] = 9
    bits, errors = losses(y, torch.tensor([5, 5]), "last")
    assert errors.item() == 0.5
    bits, errors = losses(torch.zeros(4, 2, 8), torch.full((4, 2), 3), "every")
    assert (bits.item(), errors.item()) == (pytest.approx(3), 1)


def test_window_averages_and_the_stop_rule():
    history = fit(net(), repeat(piece(), 10), "bits", FitSettings(window=4), 0)
    assert history.steps == [4, 8, 10]
    assert not history.stopped
    assert history.loss[0] > history.loss[-1]
    history = fit(net(), repeat(piece(), 10), "bits", FitSettings(window=4, stop=1.0), 0)
    assert (history.steps, history.stopped) == ([4], True)


def test_loss_is_of_a_whole_sequence():
    one = fit(net(), [piece()], "bits", FitSettings(window=1), 0)
    bits, _ = losses(net()(piece().x)[0], piece().y, "bits")
    assert one.loss[0] == pytest.approx(4 * bits.item(), rel=1e-6)


def test_a_piece_that_goes_on_starts_from_the_detached_state():
    model, settings = net("armin-soft"), FitSettings(learning_rate=1e-12, window=1)
    first, second = piece(3), piece(3, fresh=False, seed=1)
    history = fit(model, [first, second, piece(3, seed=1)], "bits", settings, 0)
    state = net("armin-soft")(first.x)[1]
    carried, _ = losses(net("armin-soft")(second.x, state)[0], second.y, "bits")
    fresh, _ = losses(net("armin-soft")(second.x)[0], second.y, "bits")
    assert history.loss[1] == pytest.approx(4 * carried.item(), rel=1e-5)
    assert history.loss[2] == pytest.approx(4 * fresh.item(), rel=1e-5)
    assert carried.item() != pytest.approx(fresh.item(), rel=1e-4)


def gradients(model, piece, monkeypatch, **settings):
    """What a training step would add to the parameters."""
    seen = []
    monkeypatch.setattr(
        sequences.Optimiser, "step", lambda self: seen.append([p.grad.clone() for p in self.params])
    )
    fit(model, [piece], "bits", FitSettings(clip_at=1e9, window=1, **settings), 0)
    return seen[0]


@pytest.mark.parametrize("name", ["lstm", "armin-soft", "ntm"])
def test_a_cut_gradient_is_that_of_parts_with_the_state_detached(name, monkeypatch):
    one = piece(7)
    found = gradients(net(name), one, monkeypatch, cut=3)
    model, state, outputs = net(name), None, []
    model.train()
    for begin in (0, 3, 6):
        y, state, _ = model(one.x[begin : begin + 3], state and detach(state))
        outputs.append(y)
    losses(torch.cat(outputs), one.y, "bits")[0].backward()
    wanted = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, wanted, strict=True))
    whole = gradients(net(name), one, monkeypatch)
    assert not all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, whole, strict=True))


@pytest.mark.parametrize("optimiser", ["adam", "rmsprop"])
def test_the_learning_rate_drops_to_a_tenth(optimiser, monkeypatch):
    rates = []
    for kind in (sequences.Optimiser, sequences.Rmsprop):
        monkeypatch.setattr(kind, "step", lambda self: rates.append(self.lr))
    settings = FitSettings(optimiser=optimiser, learning_rate=0.5, drop_at=2)
    fit(net(), repeat(piece(), 4), "bits", settings, 0)
    assert rates == [0.5, 0.5, 0.05, 0.05]


@pytest.mark.parametrize(("clip", "limit"), [("norm", 1e-3), ("value", 1e-4)])
def test_gradients_are_clipped(clip, limit, monkeypatch):
    seen = []
    monkeypatch.setattr(
        sequences.Optimiser,
        "step",
        lambda self: seen.append([p.grad.clone() for p in self.params]),
    )
    fit(net(), [piece()], "bits", FitSettings(clip=clip, clip_at=1e9), 0)
    fit(net(), [piece()], "bits", FitSettings(clip=clip, clip_at=limit), 0)
    free, clipped = (torch.cat([g.flatten() for g in grads]) for grads in seen)
    if clip == "norm":
        assert clipped.norm().item() == pytest.approx(limit, rel=1e-3)
        assert torch.allclose(clipped / limit, free / free.norm(), atol=1e-3)
    else:
        assert torch.equal(clipped, free.clamp(-limit, limit))


def test_rmsprop_moves_as_torchs_own():
    ours, theirs = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    mine = sequences.Rmsprop(0.01, [ours])
    other = torch.optim.RMSprop([theirs], lr=0.01, alpha=0.95, momentum=0.9)
    for scale in (1.0, -2.0, 0.5):
        for p in (ours, theirs):
            p.grad = scale * torch.tensor([1.0, 2, 3])
        mine.step()
        other.step()
    assert torch.allclose(ours, theirs)


def test_temperature_grows_in_steps_up_to_its_last():
    settings = FitSettings(kappa=(1.0, 2.0, 10, 4.0))
    assert [settings.kappa_at(step) for step in (0, 9, 10, 19, 20, 900)] == [1, 1, 3, 3, 4, 4]


def test_a_loss_that_is_not_finite_is_one_line_with_its_step():
    model = net()
    with torch.no_grad():
        model.head.bias[1] = torch.nan
    with pytest.raises(StageError, match=r"^training: loss is nan at step 1; lower learning_rate") as caught:
        fit(model, repeat(piece(), 50), "bits", FitSettings(window=5), 0)
    assert "\n" not in str(caught.value)


def test_same_seed_same_history_and_the_global_stream_is_left_alone():
    before = torch.random.get_rng_state()
    first, second = (
        fit(net("armin-hard"), repeat(piece(4), 6), "bits", FitSettings(window=2), seed) for seed in (3, 3)
    )
    assert first.loss == second.loss
    assert torch.equal(before, torch.random.get_rng_state())


def test_counted_costs_of_one_product():
    weight, x = torch.ones(5, 7, requires_grad=True), torch.ones(3, 5)
    cost = step_cost(lambda: (x @ weight).sum(), [weight, x])
    assert cost.multiply_adds == 2 * 3 * 5 * 7  # once forward, once for the weight's gradient
    assert cost.activation_bytes == 0
    assert cost.operations > 2 * cost.multiply_adds
    cost = step_cost(lambda: (x @ weight).tanh().sum(), [weight, x])
    assert cost.activation_bytes == 4 * 3 * 7


@pytest.mark.parametrize("fused", [True, False])
def test_products_in_place_are_counted_too(fused):
    model, x = build("armin-soft", 3, 2, 6, 4, 3, seed=0), torch.randn(5, 4, 3)
    model.fused = fused
    cost = step_cost(lambda: model(x)[0].sum(), [*model.parameters(), x])
    cell = (3 + 9) * 9 + (3 + 9) * 27 + (3 + 6) * (3 + 4)  # gates, update, write and address
    forward = 5 * 4 * (cell + 4 * 3 + 9 * 2)  # and the read of 4 slots, and the head
    assert 2.5 * forward < cost.multiply_adds < 3.1 * forward


def test_counted_products_of_an_lstm_are_those_of_its_equations():
    model, x = net(), torch.randn(5, 4, 3)
    cost = step_cost(lambda: model(x)[0].sum(), [*model.parameters(), x])
    step = 4 * 6 * (3 + 6) * 4  # gates x (inputs + hidden) x batch
    head = 2 * 6 * 4
    forward = 5 * (step + head)
    assert forward * 2 <= cost.multiply_adds <= forward * 3
    assert np.isfinite(cost.activation_bytes)
