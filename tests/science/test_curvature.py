"""Curvature, ghost norms and measures of groups: closed forms, slow direct ways, and lines of errors."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from torch import nn

from retrace.data.groups import long_tail, split_groups
from retrace.errors import RetraceError
from retrace.metrics import groups as measures
from retrace.metrics.curvature import Curvature
from retrace.metrics.ghost_norms import sample_gradient_norms
from retrace.stage import StageError


def quadratic(values):
    x = torch.zeros(len(values), requires_grad=True, dtype=torch.float64)
    h = torch.diag(torch.tensor(values, dtype=torch.float64))
    return Curvature((x @ h @ x) / 2 + x.sum(), [x])


def test_a_quadratic_s_curvature_is_its_matrix():
    curvature = quadratic([3.0, -9.0, 1.0, 0.5])
    assert curvature.gradient.tolist() == [1, 1, 1, 1]
    top = curvature.largest(1e-10)
    assert top.value == pytest.approx(3.0)  # not the larger magnitude
    assert top.residual < 1e-6
    assert curvature.traces(3) == [pytest.approx(-4.5)]  # signs leave a diagonal's trace exact


def test_the_largest_eigenvalue_is_that_of_the_whole_hessian():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    x, y = torch.randn(20, 3, dtype=torch.float64), torch.randint(0, 2, (20,))
    names = [name for name, _ in net.named_parameters()]
    sizes = [p.shape for p in net.parameters()]

    def loss(flat):
        parts = torch.split(flat, [s.numel() for s in sizes])
        params = {n: p.view(s) for n, p, s in zip(names, parts, sizes, strict=True)}
        return F.cross_entropy(torch.func.functional_call(net, params, (x,)), y)

    flat = torch.cat([p.detach().flatten() for p in net.parameters()])
    whole = torch.autograd.functional.hessian(loss, flat)
    curvature = Curvature(F.cross_entropy(net(x), y), list(net.parameters()))
    top = curvature.largest(1e-9)
    assert top.value == pytest.approx(float(torch.linalg.eigvalsh(whole)[-1]), rel=1e-8)
    vector = torch.randn(len(flat), dtype=torch.float64)
    assert torch.allclose(curvature.product(vector), whole @ vector)
    assert sum(curvature.traces(4000)) == pytest.approx(float(whole.trace()), rel=0.05)


def test_a_hessian_product_that_is_not_finite_is_named():
    x = torch.zeros(3, requires_grad=True)
    curvature = Curvature((x.abs().sqrt()).sum(), [x], "group 2")
    with pytest.raises(RetraceError, match="group 2: a Hessian product is not finite") as caught:
        curvature.largest()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [5, 12])  # both forms of a convolution's norm are taken
def test_ghost_norms_are_those_of_a_loop(size):
    torch.manual_seed(0)
    body = [nn.Conv2d(2, 5, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(5, 7, 3, 1, 1, bias=False), nn.ReLU()]
    net = nn.Sequential(
        *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 6), nn.Linear(6, 3)
    ).double()
    x, y = torch.randn(7, 2, size, size, dtype=torch.float64), torch.randint(0, 3, (7,))
    wanted = []
    for one, label in zip(x, y, strict=True):
        grads = torch.autograd.grad(F.cross_entropy(net(one[None]), label[None]), list(net.parameters()))
        wanted.append(torch.sqrt(sum(g.square().sum() for g in grads)))
    assert torch.allclose(sample_gradient_norms(net, x, y, batch=3), torch.stack(wanted), rtol=1e-9)


def test_ghost_norms_refuse_layers_they_do_not_know():
    with pytest.raises(ValueError, match="layer 1: gradient norms of a BatchNorm2d are not known here"):
        sample_gradient_norms(
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), torch.ones(1, 1, 4, 4), None
        )


def test_outcomes_by_group():
    logits = np.array([[2.0, 0.0], [0.0, 4.0], [1.0, 0.0], [0.0, 1.0]])
    found = measures.outcomes(logits, np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2)
    assert found["accuracy"] == [0.5, 1.0]
    assert found["loss"][1] == pytest.approx(np.log(1 + np.exp(-1)))
    assert found["variance"] == [pytest.approx((1 + 4) / 2), 0.25]  # over the classes of an example
    assert found["variance_across"] == [pytest.approx((1 + 4) / 2), 0.25]  # of a logit over examples
    assert found["confidence"][1] == pytest.approx(1 / (1 + np.exp(-1)))


def test_a_group_of_one_image_is_refused():
    with pytest.raises(RetraceError, match="group 1 has 1 of the images measured; it takes 2"):
        measures.outcomes(np.zeros((3, 2)), np.zeros(3, int), np.array([0, 0, 1]), 2)


def test_differences_in_treatment_are_those_of_the_rates():
    rng = np.random.default_rng(0)
    y, predicted, g = rng.integers(0, 2, (3, 400))
    found = measures.treatment(y, predicted, g)
    rates = [[predicted[(g == a) & (y == b)].mean() for a in (0, 1)] for b in (0, 1)]
    assert found["odds"] == pytest.approx(max(abs(a - b) for a, b in rates))
    assert found["parity"] == pytest.approx(abs(predicted[g == 0].mean() - predicted[g == 1].mean()))
    given = {"sensitive_features": g}
    assert found["parity"] == pytest.approx(demographic_parity_difference(y, predicted, **given))
    assert found["odds"] == pytest.approx(equalized_odds_difference(y, predicted, **given))


def test_a_group_without_a_label_has_no_such_rate():
    y, g = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])
    assert measures.treatment(y, np.array([0, 1, 1, 1]), g) == {"parity": 0.5, "odds": 1.0}


def test_sizes_of_a_long_tail():
    assert long_tail(3, 100, 100) == [100, 10, 1]
    with pytest.raises(StageError, match="1 groups with ratio 10: take at least 2 groups"):
        long_tail(1, 100, 10)


def test_a_split_has_the_sizes_asked_for_and_shares_no_row():
    groups = np.repeat(np.arange(3), 60)
    split = split_groups(groups, [40, 20, 5], 10, "drawn", np.random.default_rng(0))
    assert sorted(split.sizes, reverse=True) == [40, 20, 5]
    assert np.bincount(groups[split.train]).tolist() == list(split.sizes)
    assert np.bincount(groups[split.test]).tolist() == [10, 10, 10]
    smallest = int(split.rank.argmax())
    assert (groups[split.more] == smallest).all()
    assert len(split.more) == 35  # the smallest becomes as large as the largest
    rows = np.concatenate([split.train, split.test, split.more])
    assert len(np.unique(rows)) == len(rows)


@pytest.mark.parametrize(("sizes", "test"), [([40, 1], 10), ([40, 0], 10), ([40, 20], 1)])
def test_groups_of_one_or_none_are_refused(sizes, test):
    with pytest.raises(StageError, match=r"groups: the smallest has .* it takes 2 of either: lower ratio"):
        split_groups(np.repeat([0, 1], 60), sizes, test, "fixed", np.random.default_rng(0))
    with pytest.raises(StageError, match="group 0 has 60 images; 30 for testing and 40 for training"):
        split_groups(np.repeat([0, 1], 60), [40, 20], 30, "fixed", np.random.default_rng(0))
