"""Soft prompts: each row's gradient, clipping and noise, and that training learns."""

import numpy as np
import pytest
import torch

from retrace.llm import tiny
from retrace.llm.prompts.soft import Training, clipped, fit, gradients, initial, scores

ROWS = [(1, 2, 3), (4, 5), (6, 7, 8, 9), (3, 2, 1)]
Y = np.array([0, 1, 0, 1])
LABELS = (20, 30)


@pytest.fixture(scope="module")
def net():
    return tiny.network().requires_grad_(False)


def direct(net, prompt, row, y):
    """Gradient of one row's loss by a whole pass of its own."""
    vectors = prompt.clone().requires_grad_(True)
    states = torch.cat([vectors, net.model.embed_tokens(torch.tensor(row))])[None]
    log = net(inputs_embeds=states).logits[0, -1, list(LABELS)].log_softmax(0)
    (found,) = torch.autograd.grad(-log[y], vectors)
    return found


def test_each_row_has_its_own_gradient(net):
    prompt = initial(net, (50, 60))
    found = gradients(net, prompt, ROWS, Y, LABELS)
    for row, y, one in zip(ROWS, Y, found, strict=True):
        assert torch.allclose(one, direct(net, prompt, row, y), atol=1e-5)


def test_clipping_bounds_norms_and_leaves_small_gradients_alone():
    each = torch.stack([torch.full((2, 3), 5.0), torch.full((2, 3), 0.01)])
    found = clipped(each, 1.0)
    assert float(found[0].norm()) == pytest.approx(1.0)
    assert torch.equal(found[1], each[1])


def test_one_step_by_hand(net):
    prompt = initial(net, (50, 60))
    every = Training(1, 0.999, 0.5)
    moved = fit(net, prompt, ROWS, Y, LABELS, every, np.random.default_rng(0))
    by_hand = sum(direct(net, prompt, row, y) for row, y in zip(ROWS, Y, strict=True))
    assert torch.allclose(moved, prompt - 0.5 * by_hand / (0.999 * 4), atol=1e-5)


def test_noise_has_the_scale_that_was_asked_for(net):
    """Without a row in the sample the step is noise alone."""
    prompt = torch.zeros(40, 32)
    training = Training(1, 1e-9, 1e-9, clip=0.5, noise=3.0)
    moved = fit(net, prompt, ROWS, Y, LABELS, training, np.random.default_rng(1))
    noise = moved * (1e-9 * 4) / 1e-9
    assert float(noise.std()) == pytest.approx(1.5, rel=0.05)


def test_training_learns_and_scores_are_shares(net):
    prompt = initial(net, (50, 60, 70))
    before = scores(net, prompt, ROWS, LABELS, batch=3)
    assert np.exp(before).sum(1) == pytest.approx(np.ones(4), abs=1e-5)
    rng = np.random.default_rng(2)
    after = scores(net, fit(net, prompt, ROWS, Y, LABELS, Training(60, 0.9, 0.5), rng), ROWS, LABELS)
    loss = [-values[np.arange(4), Y].mean() for values in (before, after)]
    assert loss[1] < 0.7 * loss[0]
