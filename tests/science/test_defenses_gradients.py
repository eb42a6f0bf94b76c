"""Training sees a loss through its gradient: each defence's is held against one derived by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from shadow_bench import bench

from retrace.defenses.membership import settings as s
from retrace.defenses.membership.advreg import Inference, regularised
from retrace.defenses.membership.distilling.distil import distillation
from retrace.defenses.membership.hamp import soft_label
from retrace.defenses.membership.losses.base import loss_of
from retrace.defenses.membership.losses.relaxloss import relaxloss
from retrace.defenses.membership.rewinding.scores import weight_scores
from retrace.training.fit import Batch

G, B, C = 3, 8, 5
LOGITS = 2 * torch.randn(G, B, C, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.randint(C, (G, B), generator=torch.Generator().manual_seed(1))
# half of the labels are the prediction, so that every form sees right and wrong examples
LABELS[:, ::2] = LOGITS.argmax(-1)[:, ::2]
P = LOGITS.softmax(-1).numpy()
ONE = np.eye(C)[LABELS.numpy()]
OWN = (P * ONE).sum(-1, keepdims=True)  # (G,B,1), the label's probability
ENTROPY = -(P * np.log(P)).sum(-1, keepdims=True)
DOWN = P - ONE  # gradient of the cross-entropy
ENTROPY_SLOPE = -P * (np.log(P) + ENTROPY)


def gradient(loss, epoch=0, **state):
    """Of the sum over models, (G,B,C)."""
    z = LOGITS.clone().requires_grad_(True)
    loss(Batch(z, z, LABELS, epoch, state)).sum().backward()
    return z.grad.numpy()


def flattening(upper):
    """Gradient of the cross-entropy to the soft target q, (1-q)/(C-1), ..., q = min(p_y, upper).

    As for any target whose sum is 1 it is p less the target, and what moving q brings: dq/dz times
    -log p_y + the mean of log p over the other classes.
    """
    q = np.minimum(OWN, upper)
    target = q * ONE + (1 - q) / (C - 1) * (1 - ONE)
    others = (np.log(P) * (1 - ONE)).sum(-1, keepdims=True) / (C - 1)
    moving = np.where(upper > OWN, OWN * (ONE - P), 0.0)
    return P - target + moving * (others - np.log(OWN))


WRONG = (LOGITS.argmax(-1) != LABELS).numpy()[..., None]
PLAIN = -np.log(OWN).mean(1, keepdims=True)  # (G,1,1), cross-entropy of each model
MIDDLE = float(np.sort(PLAIN.ravel())[1]) + 1e-6  # one model above, the others below


def test_the_batch_has_all_cases():
    assert WRONG.any()
    assert (~WRONG).any()
    assert (OWN > 0.3).any()
    assert (OWN[WRONG] < 0.3).any()
    assert sorted((PLAIN > MIDDLE).ravel()) == [False, False, True]


@pytest.mark.parametrize("alpha", [0.01, MIDDLE, 9.0])
@pytest.mark.parametrize("form", ["nonimage", "cifar"])
def test_relaxloss_in_even_epochs_keeps_the_distance_short(form, alpha):
    expected = np.sign(PLAIN - alpha) * DOWN / B
    np.testing.assert_allclose(gradient(relaxloss(alpha, 1.0, form), 2), expected, atol=1e-12)


@pytest.mark.parametrize("upper", [1.0, 0.3])
@pytest.mark.parametrize("alpha", [0.01, MIDDLE, 9.0])
def test_relaxloss_in_odd_epochs_runs_through_its_target(alpha, upper):
    flat = flattening(upper)
    for form, below in (("nonimage", flat), ("cifar", WRONG * flat - DOWN)):
        expected = np.where(alpha < PLAIN, DOWN, below) / B
        np.testing.assert_allclose(gradient(relaxloss(alpha, upper, form), 1), expected, atol=1e-12)


def test_relaxloss_raises_the_label_of_a_flattened_example():
    """With the target cut off from the gradient the label's logit would stand still."""
    mine = gradient(relaxloss(9.0, 1.0), 1)
    assert (np.abs((mine * ONE).sum(-1)) > 1e-4).all()


CCL = {"defence": "ccl", "alpha": 0.4, "beta": 0.05}
BY_HAND = {
    "plain": (s.Undefended(), DOWN / B),
    "label smoothing": (
        s.LabelSmoothing(defence="label-smoothing", epsilon=0.2),
        (P - 0.8 * ONE - 0.2 / C) / B,
    ),
    "confidence penalty": (
        s.ConfidencePenalty(defence="confidence-penalty", beta=0.3),
        (DOWN - 0.3 * ENTROPY_SLOPE) / B,
    ),
    "ccl": (s.Ccl(**CCL), 0.05 * (0.4 + 0.6 * np.exp(OWN) * OWN) * DOWN / B),
    "ccl quadratic": (s.Ccl(**CCL, form="quadratic"), 0.05 * (0.4 + 0.6 * (1 + OWN) * OWN) * DOWN / B),
    "relaxloss": (s.RelaxLoss(defence="relaxloss", alpha=0.01), np.sign(PLAIN - 0.01) * DOWN / B),
    "hamp": (
        s.Hamp(defence="hamp", gamma=0.8, alpha=0.02),
        (P - (soft_label(0.8, C) * ONE + (1 - soft_label(0.8, C)) / (C - 1) * (1 - ONE))) / (B * C)
        - 0.02 * ENTROPY_SLOPE / B,
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_losses_have_the_gradients_derived_by_hand(name):
    settings, expected = BY_HAND[name]
    np.testing.assert_allclose(gradient(loss_of(settings, C)), expected, atol=1e-12)


def test_a_sheet_chooses_relaxlosss_form():
    made = {f: loss_of(s.RelaxLoss(defence="relaxloss", alpha=9.0, form=f), C) for f in ("nonimage", "cifar")}
    assert not np.allclose(gradient(made["nonimage"], 1), gradient(made["cifar"], 1))
    assert s.RelaxLoss(defence="relaxloss").form == "nonimage"


def test_distillation_pulls_the_student_alone():
    teacher = LOGITS.roll(1, -1).softmax(-1)
    expected = 3.0 * ((LOGITS / 3.0).softmax(-1) - teacher).numpy() / B
    np.testing.assert_allclose(gradient(distillation(3.0), teacher=teacher), expected, atol=1e-12)


def test_adversarial_regularisation_runs_through_the_inference_network():
    spy = Inference((0, 1, 2), C, 1e-3, 0, torch.device("cpu"))
    spy.layers = [(w.double(), b.double()) for w, b in spy.layers]
    mine = gradient(lambda batch: regularised(batch, spy, 0.7))

    def value(z):
        total = 0.0
        for g in range(G):
            h = np.concatenate([np.exp(z[g]) / np.exp(z[g]).sum(-1, keepdims=True), ONE[g]], -1)
            for n, (w, b) in enumerate(spy.layers):
                h = h @ w[g].detach().numpy() + b[g].detach().numpy()
                h = np.maximum(h, 0) if n < 2 else h
            plain = np.log(np.exp(z[g]).sum(-1)) - (z[g] * ONE[g]).sum(-1)
            total += (plain - 0.7 * np.log1p(np.exp(-h[:, 0]))).mean()
        return total

    z, step = LOGITS.numpy(), 1e-6
    for at in np.ndindex(G, B, C):
        move = np.zeros_like(z)
        move[at] = step
        assert mine[at] == pytest.approx((value(z + move) - value(z - move)) / (2 * step), abs=1e-8)


@pytest.mark.parametrize("direction", ["initial-current", "current-initial"])
def test_vulnerability_takes_the_gradient_of_both_its_parts(direction):
    made = bench(models=4, epochs=1)
    made = type(made)(**{**vars(made), "schedule": type(made.schedule)(epochs=1, batch=40)})  # one step
    found = weight_scores(made, made.trained, 0.3, 0.01, 1, direction)

    def forward(net, x):
        h = x.flatten(1)
        for layer in ("body.1", "body.3"):
            h = torch.relu(F.linear(h, net[f"{layer}.weight"], net[f"{layer}.bias"]))
        return F.linear(h, net["head.weight"], net["head.bias"])

    net = {n: p[1].detach().clone().requires_grad_(True) for n, p in made.trained.params.items()}
    old = {n: p[1].detach() for n, p in made.start.params.items()}
    now = torch.distributions.Categorical(logits=forward(net, made.reference_x))
    before = torch.distributions.Categorical(logits=forward(old, made.reference_x))
    pair = (before, now) if direction == "initial-current" else (now, before)
    rows = made.rows[1]
    loss = 0.7 * F.cross_entropy(forward(net, made.x[rows]), made.y[rows])
    loss = loss + 0.3 * torch.distributions.kl_divergence(*pair).mean()
    for (name, p), g in zip(net.items(), torch.autograd.grad(loss, list(net.values())), strict=True):
        assert torch.allclose(found[name][1], (p * g).abs(), atol=1e-6), name
