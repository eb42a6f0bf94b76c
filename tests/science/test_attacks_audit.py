import json

import numpy as np
import pytest
from attack_ensembles import halves, make_ensemble
from scipy.special import log_softmax

from retrace.attacks.arrays import AttackError
from retrace.attacks.membership.audit import run_attacks, summarise
from retrace.attacks.membership.ensemble import Ensemble, NoisyLabels, Population
from retrace.attacks.membership.likelihoods import log_likelihood
from retrace.attacks.membership.lira import lira
from retrace.attacks.membership.names import ATTACKS, NETWORKS
from retrace.attacks.membership.rmia import rmia_offline, rmia_online
from retrace.attacks.membership.suite import attacks_for, decides_at_zero
from retrace.attacks.roc import auc, tpr_at_fpr

CHEAP = (
    "loss",
    "modified_entropy_per_class",
    "gradient_weights",
    "attack_p",
    "attack_r",
    "difficulty_calibration",
    "lira_online",
    "lira_offline",
    "lira_online_fixed",
    "rmia_online",
    "rmia_offline",
)


@pytest.fixture(scope="module")
def leaking():
    return make_ensemble()


@pytest.fixture(scope="module")
def every(leaking):
    return run_attacks(leaking, fprs=(0.01,))


def test_every_attack_sees_a_memorising_model(leaking, every):
    assert set(every) == {*attacks_for(leaking), *NETWORKS}
    assert len(every) == 35
    for name, result in every.items():
        assert result.auc.low > 0.5, name
        assert result.balanced_accuracy.mean > 0.5, name
        assert result.scores.shape == (8, 600)


def test_attacks_that_know_an_examples_difficulty_beat_the_loss(every):
    for name in ("attack_r", "lira_online", "lira_offline", "rmia_online", "rmia_offline", "quantile"):
        assert every[name].auc.mean > every["loss"].auc.mean + 0.1, name


def test_an_order_that_is_let_out_leaks_though_its_values_are_noise(leaking):
    """HAMP's rewriting: a random draw of values, put in the order of the true ones."""
    rng = np.random.default_rng(4)
    values = np.sort(rng.normal(0, 3, leaking.logits.shape), axis=-1)
    order = leaking.logits.argsort(axis=-1).argsort(axis=-1)
    hidden = make_ensemble(logits=np.take_along_axis(values, order, axis=-1))
    found = run_attacks(hidden, ("lira_online", "lira_rank_online"), fprs=(0.01,))
    assert found["lira_rank_online"].auc.mean > found["lira_online"].auc.mean + 0.02
    np.testing.assert_array_equal(hidden.signals["rank"], leaking.signals["rank"])


def test_more_queries_tell_more(every):
    for name in ("lira_online", "rmia_online", "lira_rank_online"):
        assert every[f"{name}_augmented"].auc.mean > every[name].auc.mean, name
    assert every["label_only_lira"].auc.mean > every["label_only"].auc.mean
    assert every["label_only"].auc.mean > every["correctness"].auc.mean


def test_figures_are_those_of_each_target_and_of_the_pool(leaking, every):
    result = every["lira_online"]
    member = leaking.inside
    areas = [auc(result.scores[k], member[k]) for k in range(8)]
    np.testing.assert_array_equal(result.auc.each, areas)
    assert result.auc.mean == pytest.approx(np.mean(areas))
    assert result.tpr[0.01] == tpr_at_fpr(result.scores.ravel(), member.ravel(), 0.01)
    others = [k for k in range(8) if k not in (0, 1)]  # neither the target nor its partner
    phi = leaking.signals["phi"]
    np.testing.assert_array_equal(result.scores[0], lira(phi[0], phi[others], member[others]))


def test_models_that_leak_nothing_give_one_half():
    results = run_attacks(make_ensemble(gain=0.0, models=12, examples=800), CHEAP, fprs=(0.01,))
    error = np.sqrt(801 / (12 * 400 * 400)) / np.sqrt(12)  # of a mean of 12 AUCs without a difference
    for name, result in results.items():
        assert abs(result.auc.mean - 0.5) < 4 * error, name
        assert abs(result.balanced_accuracy.mean - 0.5) < 0.02, name
        assert result.tpr[0.01].low < 0.01 + 4 * np.sqrt(0.01 / 4800), name


def test_keeping_the_partner_would_tell_membership_by_the_number_of_references():
    # what dropping it prevents: with K-1 references members have one IN model fewer than non-members
    models = make_ensemble(gain=0.0)
    for k in range(8):
        inside = models.inside[models.references(k)]
        assert (inside.sum(axis=0) == 3).all()
    kept = np.delete(models.inside, 0, axis=0).sum(axis=0)
    assert auc(-kept, models.inside[0]) == 1.0


def test_partners_are_found_in_any_order():
    rng = np.random.default_rng(0)
    member = halves(6, 40, rng)[[0, 2, 4, 3, 1, 5]]
    models = make_ensemble(models=6, examples=40, member=member)
    assert models.partners.tolist() == [4, 3, 5, 1, 0, 2]
    lonely = make_ensemble(models=6, examples=40, member=rng.random((6, 40)) < 0.5)
    assert lonely.partners.tolist() == [-1] * 6
    assert lonely.references(2).tolist() == [0, 1, 3, 4, 5]


def test_same_seed_same_figures_and_plain_json(leaking, every):
    again = run_attacks(leaking, ("nn", "quantile"), fprs=(0.01,))
    for name, result in again.items():
        np.testing.assert_array_equal(result.scores, every[name].scores)
    assert list(again) == ["nn", "quantile"]
    record = json.loads(json.dumps(again["nn"].record()))
    assert record["targets"] == 8
    assert record["tpr"]["0.01"]["low"] <= record["tpr"]["0.01"]["value"]


def test_thresholds_never_come_from_the_target():
    models = make_ensemble(examples=300)
    scores = np.where(models.inside, 1.0, 0.0)
    scores[0] += 10  # the target alone lives on another scale: the others' threshold admits everyone
    result = summarise(scores, models, fprs=(0.05,))
    assert result.auc.mean == 1.0
    assert result.balanced_accuracy.each[0] == 0.5
    assert (result.balanced_accuracy.each[1:2] == 1.0).all()
    assert summarise(scores, models, fprs=(0.05,), threshold=0.5).balanced_accuracy.each[1] == 1.0
    assert decides_at_zero("loss_per_class")
    assert decides_at_zero("label_only")
    assert not decides_at_zero("lira_online")
    assert not decides_at_zero("label_only_lira")


def test_logits_may_be_half_precision_or_log_probabilities(leaking):
    half = make_ensemble(logits=leaking.logits.astype(np.float16))
    normed = make_ensemble(logits=log_softmax(leaking.logits, axis=-1))
    np.testing.assert_allclose(half.signals["phi"], leaking.signals["phi"], atol=0.03)
    np.testing.assert_allclose(normed.signals["phi"], leaking.signals["phi"], atol=1e-9)


def test_only_attacks_with_their_arrays_run():
    bare = make_ensemble(population=None, gradient_norms={}, features=None, augmented=None, noisy_labels=None)
    assert not {"attack_p", "rmia_online", "quantile", "gradient_weights"} & set(attacks_for(bare))
    assert not {"label_only", "label_only_lira", "lira_online_augmented"} & set(attacks_for(bare))
    with pytest.raises(AttackError, match=r"label_only needs labels of noisy copies \(noisy_labels\)"):
        run_attacks(bare, ("label_only",), fprs=(0.01,))
    with pytest.raises(AttackError, match=r"needs logits of altered copies .* and a population"):
        run_attacks(bare, ("rmia_online_augmented",), fprs=(0.01,))
    with pytest.raises(AttackError, match="attack_p needs a population"):
        run_attacks(bare, ("loss", "attack_p"), fprs=(0.01,))
    with pytest.raises(AttackError, match=r"'lira' is not known \(did you mean"):
        run_attacks(bare, ("lira",), fprs=(0.01,))


def test_a_pool_too_small_for_the_fpr_is_refused_before_attacking(leaking):
    with pytest.raises(AttackError, match=r"FPR 0\.001 needs 10000 non-members, there are 2400"):
        run_attacks(leaking, fprs=(0.01, 0.001))


def test_the_pool_decides_which_fprs_are_reported_unless_asked(leaking):
    assert list(run_attacks(leaking, ("loss",))["loss"].tpr) == [0.01]
    small = make_ensemble(examples=100)  # 400 pooled non-members resolve neither
    result = run_attacks(small, ("loss",))["loss"]
    assert result.tpr == {}
    assert result.auc.mean > 0.5
    assert list(summarise(result.scores, small).tpr) == []


def test_a_wrong_name_is_named_before_anything_else(leaking):
    with pytest.raises(AttackError, match="'lira' is not known"):
        run_attacks(leaking, ("lira",), fprs=(1e-6,))
    with pytest.raises(AttackError, match=r"level: .* as 0\.95; got 95"):
        run_attacks(leaking, ("loss",), level=95)


def test_every_attack_has_the_name_that_a_sheet_may_give(leaking):
    """But for the quantile attack, which needs features that no study gives."""
    norms = dict.fromkeys(("input", "weights"), leaking.gradient_norms["weights"])
    found = {*attacks_for(make_ensemble(gradient_norms=norms)), *NETWORKS}
    assert sorted(ATTACKS) == sorted(found - {"quantile"})


def test_shadows_without_the_defence_are_refused():
    with pytest.raises(AttackError, match=r"model 3 was trained with 'none', model 0 with 'relaxloss 0\.5'"):
        make_ensemble(defences=["relaxloss 0.5"] * 3 + ["none"] * 5)


def test_overlapping_sets_are_refused():
    ids = np.arange(600)
    make_ensemble(ids=ids, reserved={"reference": np.arange(600, 700)})
    with pytest.raises(AttackError, match=r"the reference set shares 2 examples .*the first is 598"):
        make_ensemble(ids=ids, reserved={"test": [900], "reference": np.arange(598, 700)})
    with pytest.raises(AttackError, match="without ids"):
        make_ensemble(reserved={"reference": ids})
    with pytest.raises(AttackError, match="600 different ones"):
        make_ensemble(ids=ids // 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"member": np.ones((7, 600), dtype=bool)}, "member: the shape must be 8 x 600; got 7 x 600"),
        ({"member": np.ones((8, 600), dtype=bool)}, "model 0 has only members"),
        ({"labels": np.full(600, 4)}, "labels: labels run from 0 to 3"),
        ({"labels": np.zeros(599, dtype=int)}, "labels: the shape must be 600"),
        ({"logits": np.zeros((8, 600))}, "models x examples x classes"),
        ({"defences": ["none"]}, "one for each of 8 models; got 1"),
        ({"gradient_norms": {"x": np.ones((8, 5))}}, r"gradient_norms\[x\]: the shape must be 8 x 600"),
        ({"features": np.ones((5, 2))}, "features: the shape must be 600 x any"),
        ({"population": Population(np.zeros((7, 9, 4)), np.zeros(9, dtype=int))}, "must be 8 x any x 4"),
        ({"population": Population(np.zeros((8, 9, 4)), np.zeros(8, dtype=int))}, "population labels"),
        ({"features": None}, "the pool has none"),
        ({"augmented": np.zeros((8, 600, 4))}, "augmented: the shape must be 8 x 600 x queries x 4"),
        ({"augmented": np.zeros((8, 600, 0, 4))}, "augmented: the shape must be"),
        (
            {"noisy_labels": NoisyLabels(np.zeros((8, 600, 3), dtype=int), 9, (1.0,))},
            "noisy_labels: 8 x 600 counts at each of 1 sigmas",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(change, says):
    with pytest.raises(AttackError, match=says):
        make_ensemble(**change)


@pytest.mark.parametrize("models", [2, 4])
def test_two_pairs_are_too_few(models):
    """They leave one reference a side, about whose mean there is no spread."""
    member = halves(models, 20, np.random.default_rng(0))
    with pytest.raises(AttackError, match=f"6 models or more .*; got {models}; train more pairs"):
        Ensemble(np.zeros((models, 20, 3)), np.zeros(20, dtype=int), member, ["none"] * models)


def test_every_attack_runs_on_the_fewest_models_allowed():
    few = make_ensemble(models=6, examples=60)
    assert all(np.isfinite(result.scores).all() for result in run_attacks(few).values())


def test_lists_do_and_broken_logits_name_their_model():
    logits, labels, member = np.zeros((6, 8, 3)), [0] * 8, halves(6, 8, np.random.default_rng(0))
    given = Ensemble(logits.tolist(), labels, member.tolist(), ["none"] * 6)
    assert given.signals["loss"].shape == (6, 8)
    logits[4, 2, 1] = np.nan
    with pytest.raises(AttackError, match="logits of model 4: 1 values are not finite"):
        Ensemble(logits, labels, member, ["none"] * 6)
    with pytest.raises(AttackError, match="population logits of model 4"):
        Ensemble(np.zeros((6, 8, 3)), labels, member, ["none"] * 6, Population(logits, labels))
    with pytest.raises(AttackError, match="augmented of model 4"):
        Ensemble(np.zeros((6, 8, 3)), labels, member, ["none"] * 6, augmented=logits[:, :, None])
    with pytest.raises(AttackError, match="none of them 0; got \\(6, 0, 3\\)"):
        Ensemble(np.zeros((6, 0, 3)), [], np.zeros((6, 0)), ["none"] * 6)
    with pytest.raises(AttackError, match="logits: no array of numbers"):
        Ensemble([[1.0], [1.0, 2.0]], labels, member, ["none"] * 6)


def test_rmia_takes_its_temperature_and_signal(leaking):
    found = run_attacks(leaking, ("rmia_online", "rmia_online_t1", "rmia_offline_taylor"), fprs=(0.01,))
    others = leaking.references(0)
    for name, online, how in (
        ("rmia_online", True, {}),
        ("rmia_online_t1", True, {"temperature": 1.0}),
        ("rmia_offline_taylor", False, {"signal": "taylor"}),
    ):
        x = log_likelihood(leaking.logits, leaking.labels, **how)
        z = log_likelihood(leaking.population.logits, leaking.population.labels, **how)
        inside = leaking.inside[others]
        if online:
            expected = rmia_online(x[0], x[others], inside, z[0], z[others])
        else:
            expected = rmia_offline(x[0], x[others], z[0], z[others], member=inside)
        np.testing.assert_array_equal(found[name].scores[0], expected)
