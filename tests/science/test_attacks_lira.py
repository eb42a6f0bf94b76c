import numpy as np
import pytest
import torch
from scipy.stats import norm

from retrace.attacks.arrays import AttackError
from retrace.attacks.membership.lira import lira
from retrace.attacks.roc import auc


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    member = np.argsort(rng.random((10, 40)), axis=0) < 4
    return rng.normal(1, 2, (40, 3)), rng.normal(0, 2, (10, 40, 3)), member


def slow(target, references, member, online, fixed):
    """One example, one query at a time, with scipy's densities."""
    examples, queries = target.shape
    pooled = {}
    for side in (True, False):
        for q in range(queries):
            apart = [
                references[k, n, q] - references[member[:, n] == side, n, q].mean()
                for n in range(examples)
                for k in np.flatnonzero(member[:, n] == side)
            ]
            pooled[side, q] = np.sqrt(np.mean(np.square(apart)))
    scores = []
    for n in range(examples):
        total = []
        for q in range(queries):
            sides = {}
            for side in (True, False):
                seen = references[member[:, n] == side, n, q]
                sides[side] = norm(seen.mean(), pooled[side, q] if fixed else seen.std())
            out = sides[False]
            phi = target[n, q]
            total.append(sides[True].logpdf(phi) - out.logpdf(phi) if online else -out.logsf(phi))
        scores.append(np.mean(total))
    return np.array(scores)


@pytest.mark.parametrize("variance", ["fixed", "per-example"])
@pytest.mark.parametrize("online", [True, False])
def test_equals_the_slow_direct_form(arrays, online, variance):
    found = lira(*arrays, online=online, variance=variance)
    np.testing.assert_allclose(found, slow(*arrays, online, variance == "fixed"), rtol=1e-9, atol=1e-9)


def test_one_query_without_its_axis_is_the_same(arrays):
    target, references, member = arrays
    np.testing.assert_array_equal(
        lira(target[:, 0], references[:, :, 0], member), lira(target[:, :1], references[:, :, :1], member)
    )


def test_auto_takes_the_fixed_variance_when_models_are_few(arrays):
    np.testing.assert_array_equal(lira(*arrays), lira(*arrays, variance="fixed"))
    rng = np.random.default_rng(1)
    many = rng.normal(size=5), rng.normal(size=(64, 5)), np.arange(64)[:, None].repeat(5, 1) < 32
    np.testing.assert_array_equal(lira(*many), lira(*many, variance="per-example"))


@pytest.mark.parametrize("online", [True, False])
def test_known_advantage_has_its_closed_form_auc(online):
    rng = np.random.default_rng(2)
    examples, models, gain = 4000, 100, 1.0
    hard = rng.normal(0, 3, examples)
    member = np.arange(models)[:, None] < np.full(examples, models // 2)
    references = hard + gain * member + rng.normal(size=member.shape)
    inside = np.arange(examples) < examples // 2
    target = hard + gain * inside + rng.normal(size=examples)
    area = auc(lira(target, references, member, online=online, variance="fixed"), inside)
    assert area == pytest.approx(norm.cdf(gain / np.sqrt(2)), abs=0.03)
    assert auc(target, inside) < area - 0.05  # the plain signal does not know how hard an example is


def test_offline_does_not_saturate_far_above():
    references, member = np.array([[-1.0, -1.0], [1.0, 1.0]]), np.zeros((2, 2), dtype=bool)
    near, far = lira(np.array([50.0, 60.0]), references, member, online=False)
    assert far > near > 1000


def test_agreeing_models_stay_finite():
    references, member = np.ones((4, 3)), np.arange(4)[:, None].repeat(3, 1) < 2
    for online in (True, False):
        assert np.isfinite(lira(np.array([1.0, 2.0, -2.0]), references, member, online=online)).all()


@pytest.mark.parametrize(
    ("inside", "options", "says"),
    [
        (0, {}, "one has 0"),
        (1, {"variance": "per-example"}, "one has 1"),
        (1, {}, r"2 reference models with and without each example \(on average\); one has 1"),
        (3, {}, "one has 1"),
        (np.array([2, 2, 3]), {}, "one has 1"),
        (3, {"online": False}, "2 reference models without each .* or use difficulty_calibration"),
        (4, {"online": False}, "offline, fixed .* without each"),
        (2, {"variance": "own"}, "choose auto"),
    ],
)
def test_too_few_models_are_refused(inside, options, says):
    member = np.arange(4)[:, None].repeat(3, 1) < inside
    with pytest.raises(AttackError, match=says):
        lira(np.zeros(3), np.zeros((4, 3)), member, **options)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(AttackError, match="references: the shape must be any x 3; got 4 x 2"):
        lira(np.zeros(3), np.zeros((4, 2)), np.zeros((4, 2), dtype=bool))
    with pytest.raises(AttackError, match="references: the shape must be any x 3 x 2"):
        lira(np.zeros((3, 2)), np.zeros((4, 3)), np.zeros((4, 3), dtype=bool))
    with pytest.raises(AttackError, match=r"references: there is nothing in it \(0 x 3\)"):
        lira(np.zeros(3), np.zeros((0, 3)), np.zeros((0, 3), dtype=bool))
    with pytest.raises(AttackError, match=r"target: there is nothing in it \(0\)"):
        lira(np.zeros(0), np.zeros((4, 0)), np.zeros((4, 0), dtype=bool))
    with pytest.raises(AttackError, match="target: no array of numbers"):
        lira([[1.0, 2.0], [3.0]], np.zeros((4, 2)), np.zeros((4, 2), dtype=bool))
    with pytest.raises(AttackError, match=r"target: no array of numbers: .*requires grad"):
        lira(torch.zeros(3, requires_grad=True), np.zeros((4, 3)), np.zeros((4, 3), dtype=bool))
    with pytest.raises(AttackError, match="1 values are not finite"):
        lira(np.array([np.nan, 0, 0]), np.zeros((4, 3)), np.zeros((4, 3), dtype=bool))
