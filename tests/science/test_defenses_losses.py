import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from shadow_bench import bench

from retrace.defenses.membership.distilling.distil import distillation
from retrace.defenses.membership.hamp import hamp_loss, rewrite, soft_label
from retrace.defenses.membership.losses.ccl import convex_concave
from retrace.defenses.membership.losses.penalty import confidence_penalty
from retrace.defenses.membership.losses.relaxloss import relaxloss
from retrace.defenses.membership.losses.smoothing import label_smoothing
from retrace.training.fit import Batch

LOGITS = torch.randn(3, 8, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.randint(5, (3, 8), generator=torch.Generator().manual_seed(1))


def batch(epoch=0, logits=LOGITS, **state):
    return Batch(logits, logits, LABELS, epoch, state)


def plain(k):
    return F.cross_entropy(LOGITS[k], LABELS[k])


def test_label_smoothing_is_that_of_torch():
    ours = label_smoothing(0.2)(batch())
    for k in range(3):
        assert torch.isclose(ours[k], F.cross_entropy(LOGITS[k], LABELS[k], label_smoothing=0.2))


def test_confidence_penalty_rewards_entropy():
    p = LOGITS.softmax(-1)
    entropy = -(p * p.log()).sum(-1).mean(1)
    ours = confidence_penalty(0.3)(batch())
    assert torch.allclose(ours, torch.stack([plain(k) for k in range(3)]) - 0.3 * entropy)


@pytest.mark.parametrize("form", ["exponential", "quadratic"])
def test_convex_concave_loss_by_hand(form):
    p = LOGITS.softmax(-1).gather(-1, LABELS[..., None])[..., 0]
    concave = p.exp() if form == "exponential" else p + p**2 / 2
    expected = (0.05 * (0.4 * -p.log() - 0.6 * concave)).mean(1)
    assert torch.allclose(convex_concave(0.4, 0.05, form)(batch()), expected)


def test_relaxloss_descends_above_its_target_and_ascends_below():
    low = float(plain(0)) - 0.1
    assert torch.isclose(relaxloss(low, 1.0)(batch(0))[0], torch.tensor(0.1, dtype=torch.float64))
    assert torch.isclose(relaxloss(low, 1.0)(batch(1))[0], plain(0))
    high = float(plain(0)) + 0.1
    assert torch.isclose(relaxloss(high, 1.0)(batch(0))[0], torch.tensor(0.1, dtype=torch.float64))
    sign = LOGITS.clone().requires_grad_(True)
    relaxloss(high, 1.0)(batch(0, sign))[0].backward()
    other = LOGITS.clone().requires_grad_(True)
    relaxloss(low, 1.0)(batch(0, other))[0].backward()
    assert torch.allclose(sign.grad, -other.grad)


@pytest.mark.parametrize("upper", [1.0, 0.2])
def test_relaxloss_flattens_the_other_classes_below_its_target(upper):
    p = LOGITS[0].softmax(-1)
    own = p[torch.arange(8), LABELS[0]].clamp(max=upper)
    target = ((1 - own) / 4)[:, None].repeat(1, 5)
    target[torch.arange(8), LABELS[0]] = own
    expected = -(target * p.log()).sum(-1).mean()
    assert torch.isclose(relaxloss(9.0, upper)(batch(1))[0], expected)


@given(st.floats(0.1, 0.95), st.integers(2, 50))
def test_hamp_lowers_the_label_just_enough(gamma, classes):
    def entropy(top):
        rest = (1 - top) / (classes - 1)
        return -sum(n * p * math.log(p) for n, p in ((1, top), (classes - 1, rest)) if p > 0)

    top = soft_label(gamma, classes)
    assert entropy(top) >= gamma * math.log(classes) - 1e-9 or top == 1 / classes
    assert top > 0.985 or entropy(top + 0.01) < gamma * math.log(classes)


def test_hamp_loss_is_least_at_its_soft_label():
    top = soft_label(0.8, 5)
    best = torch.full_like(LOGITS, math.log((1 - top) / 4)).scatter(-1, LABELS[..., None], math.log(top))
    loss = hamp_loss(0.8, 0.0, 5)
    assert torch.allclose(loss(batch(logits=best)), torch.zeros(3, dtype=torch.float64), atol=1e-9)
    assert (loss(batch()) > 0.01).all()


def test_hamp_lets_out_the_order_alone():
    made = bench()
    logits, _ = made.trained.predict(made.x)
    out = rewrite(made.trained, logits, (1, 4, 4), (-1.0, 1.0), 0)
    again = rewrite(made.trained, 3 * logits + 1, (1, 4, 4), (-1.0, 1.0), 0)
    assert torch.equal(out.argsort(-1), logits.argsort(-1))
    assert torch.equal(out, again)
    assert torch.allclose(out.exp().sum(-1), torch.ones(4, 80), atol=1e-5)


def test_distillation_is_zero_for_a_student_like_its_teacher():
    teacher = (LOGITS / 3).softmax(-1)
    assert torch.allclose(
        distillation(3.0)(batch(teacher=teacher)), torch.zeros(3, dtype=torch.float64), atol=1e-9
    )
    assert (distillation(3.0)(batch(teacher=teacher.roll(1, -1))) > 0.01).all()
