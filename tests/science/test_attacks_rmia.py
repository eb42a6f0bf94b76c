import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from retrace.attacks.arrays import AttackError
from retrace.attacks.membership import rmia
from retrace.attacks.membership.rmia import (
    dominated_share,
    ordered_share,
    rmia_offline,
    rmia_online,
    tune_a,
)
from retrace.attacks.roc import auc, tpr_at_fpr


def draw(seed=0, models=6, examples=50, population=70):
    rng = np.random.default_rng(seed)
    member = np.argsort(rng.random((models, examples)), axis=0) < models // 2

    def log_p(*shape):
        return np.log(rng.uniform(1e-6, 1, shape))

    return log_p(examples), log_p(models, examples), member, log_p(population), log_p(models, population)


def slow(target, references, member, population, population_references, online, gamma, a):
    """The ratio of every pair, in probabilities."""
    scores = []
    for n in range(len(target)):
        seen = np.exp(references[member[:, n], n])
        unseen = np.exp(references[~member[:, n], n])
        p_x = (seen.mean() + unseen.mean()) / 2 if online else ((1 + a) * unseen.mean() + 1 - a) / 2
        dominated = 0
        for m in range(len(population)):
            p_z = ((1 + a) * np.exp(population_references[:, m]).mean() + 1 - a) / 2
            dominated += (np.exp(target[n]) / p_x) / (np.exp(population[m]) / p_z) >= gamma
        scores.append(dominated / len(population))
    return np.array(scores)


@pytest.mark.parametrize("gamma", [1.0, 2.0])
@pytest.mark.parametrize("a", [0.0, 0.3, 1.0])
def test_equals_the_slow_direct_form(gamma, a, monkeypatch):
    monkeypatch.setattr(rmia, "BLOCK", 100)  # several blocks
    target, references, member, z, z_references = data = draw()
    online = rmia_online(*data, gamma=gamma, a=a, ties="kept")
    np.testing.assert_allclose(online, slow(*data, True, gamma, a), rtol=0, atol=1e-9)
    offline = rmia_offline(target, references, z, z_references, member=member, gamma=gamma, a=a, ties="kept")
    np.testing.assert_allclose(offline, slow(*data, False, gamma, a), rtol=0, atol=1e-9)
    assert (online != offline).any()


def test_without_membership_every_reference_is_out():
    target, references, member, z, z_references = draw()
    given_none = rmia_offline(target, references, z, z_references)
    none = rmia_offline(target, references, z, z_references, member=np.zeros_like(member))
    np.testing.assert_array_equal(given_none, none)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1.0, 2.0, 4.0]))
def test_share_equals_the_full_matrix(seed, gamma):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=12), rng.normal(size=15)
    np.testing.assert_array_equal(
        dominated_share(x, z, gamma), (x[:, None] - z >= np.log(gamma)).mean(axis=1)
    )
    x, z = np.round(x), np.round(z)  # many ties, exact at gamma 1
    np.testing.assert_array_equal(dominated_share(x, z, 1.0), (x[:, None] >= z).mean(axis=1))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1.0, 2.0]), st.integers(0, 2))
def test_broken_ties_keep_the_order_of_shares_and_follow_the_ratio(seed, gamma, decimals):
    rng = np.random.default_rng(seed)
    x, z = np.round(rng.normal(0, 3, 30), decimals), np.round(rng.normal(size=15), decimals)
    share, ordered = dominated_share(x, z, gamma), ordered_share(x, z, gamma)
    assert ((ordered > 0) & (ordered < 1)).all()
    np.testing.assert_array_equal(np.floor(ordered * 16 + 1e-12), share * 15)
    np.testing.assert_array_equal(np.sign(ordered[:, None] - ordered), np.sign(x[:, None] - x))


def test_a_small_population_leaves_no_ties():
    """Three population examples give four shares; the order of the ratios is still there."""
    target, references, member, z, z_references = draw(examples=400, population=3)
    inside = np.arange(400) < 200
    target = np.where(inside, target / 3, target)
    kept = rmia_online(target, references, member, z, z_references, ties="kept")
    broken = rmia_online(target, references, member, z, z_references)
    assert len(np.unique(kept)) <= 4
    assert len(np.unique(broken)) == 400
    assert auc(broken, inside) > auc(kept, inside) + 0.01
    assert tpr_at_fpr(broken, inside, 0.05).value > 0.05


def test_queries_average_the_logarithm_of_the_ratio():
    target, references, member, z, z_references = draw()
    one = rmia_online(target, references, member, z, z_references)
    np.testing.assert_array_equal(
        rmia_online(target[:, None], references[..., None], member, z[:, None], z_references[..., None]), one
    )
    rng = np.random.default_rng(5)
    low = np.log(rng.uniform(0.1, 1, 50))
    # a query that all models find harder by the same factor says nothing new online
    more = [np.stack([part, part + low], axis=-1) for part in (target, references)]
    np.testing.assert_allclose(rmia_online(*more, member, z, z_references), one, atol=1e-9)
    two = [np.log(rng.uniform(1e-3, 1, part.shape)) for part in more]
    ratios = []
    for q in range(2):
        p = np.exp(two[1][..., q])
        means = [np.array([p[side[:, n], n].mean() for n in range(50)]) for side in (member, ~member)]
        ratios.append(two[0][..., q] - np.log((means[0] + means[1]) / 2))
    p_z = (1.3 * np.exp(z_references).mean(axis=0) + 0.7) / 2
    expected = dominated_share(np.mean(ratios, axis=0), z - np.log(p_z), 2.0)
    found = rmia_online(*two, member, z, z_references, ties="kept")
    np.testing.assert_array_equal(found, expected)


def test_tiny_probabilities_do_not_underflow():
    target, references, member, z, z_references = draw()
    low = 2000.0
    down = target - low, references - low, member, z - low, z_references - low
    here = target, references, member, z, z_references
    np.testing.assert_array_equal(
        rmia_online(*down, a=1.0, ties="kept"), rmia_online(*here, a=1.0, ties="kept")
    )
    np.testing.assert_allclose(rmia_online(*down, a=1.0), rmia_online(*here, a=1.0), atol=1e-9)


def test_a_memorising_target_scores_its_members_higher():
    rng = np.random.default_rng(3)
    inside = np.arange(2000) < 1000
    hard = rng.normal(0, 2, 2000)

    def log_p(phi):
        return -np.logaddexp(0, -phi)

    references = log_p(hard + rng.normal(size=(4, 2000)))
    z_hard = rng.normal(0, 2, 1000)
    z, z_references = log_p(z_hard + rng.normal(size=1000)), log_p(z_hard + rng.normal(size=(4, 1000)))
    for gain, area in ((0.0, 0.5), (1.5, norm.cdf(1.5 / np.sqrt(2)))):
        target = log_p(hard + gain * inside + rng.normal(size=2000))
        scores = rmia_offline(target, references, z, z_references, gamma=1.0)
        error = np.sqrt(2001 / (12 * 1000 * 1000))
        if gain:
            assert auc(target, inside) + 0.05 < auc(scores, inside) < area  # the best attack's closed form
        else:
            assert abs(auc(scores, inside) - area) < 4 * error


def test_tuning_finds_the_a_that_attacks_the_references_best():
    _, references, member, _, z_references = draw(models=4, examples=200)
    references = np.where(member, references / 3, references)
    found = tune_a(references, member, z_references, offsets=(0.0, 0.5, 1.0))
    areas = {}
    for a in (0.0, 0.5, 1.0):
        each = []
        for k in range(4):
            o = [j for j in range(4) if j != k]
            scores = rmia_offline(
                references[k], references[o], z_references[k], z_references[o], member=member[o], a=a
            )
            each.append(auc(scores, member[k]))
        areas[a] = np.mean(each)
    assert areas[found] == max(areas.values())


def test_bad_input_is_refused():
    target, references, member, z, z_references = draw()
    with pytest.raises(AttackError, match=r"log-probabilities, at most 0; got 1"):
        rmia_offline(np.ones(50), references, z, z_references)
    with pytest.raises(AttackError, match="gamma must be positive"):
        rmia_offline(target, references, z, z_references, gamma=0)
    with pytest.raises(AttackError, match=r"lies in \[0, 1\]; got 1.5"):
        rmia_offline(target, references, z, z_references, a=1.5)
    with pytest.raises(AttackError, match="50 examples have no reference that saw them"):
        rmia_online(target, references, np.zeros_like(member), z, z_references)
    with pytest.raises(AttackError, match="50 examples have no reference that left them out"):
        rmia_online(target, references, np.ones_like(member), z, z_references)
    with pytest.raises(AttackError, match="population_references: the shape must be 6 x 70"):
        rmia_offline(target, references, z, z_references[:5])
    with pytest.raises(AttackError, match="needs a population"):
        dominated_share([0.0], [], 1.0)
    with pytest.raises(AttackError, match="at least two references"):
        tune_a(references[:1], member[:1], z_references[:1])
    with pytest.raises(AttackError, match="values of a to try; got no offsets"):
        tune_a(references, member, z_references, offsets=())
    with pytest.raises(AttackError, match="choose broken or kept"):
        rmia_offline(target, references, z, z_references, ties="half")
    with pytest.raises(AttackError, match=r"references: there is nothing in it \(0 x 50\)"):
        rmia_offline(target, references[:0], z, z_references[:0])
