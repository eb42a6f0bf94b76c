"""The membership study's table from hand-made evidence: strongest attacks, unflipped examples, excess."""

from types import SimpleNamespace

import numpy as np
import pytest

from retrace.privacy.empirical import epsilon_lower_bound
from retrace.stage import Evidence, EvidenceRow
from retrace.studies.membership.table import table

TARGETS = 4


def method(accuracy, areas, unflipped=None):
    """A method's figures: its accuracy, and the AUC of each attack (the same for all targets)."""
    return {"accuracy": accuracy, "areas": areas, "unflipped": unflipped or areas}


def row(seed, methods):
    """The evidence of one cell in which these methods were attacked."""
    rest = ("train_accuracy", "test_loss", "train_loss")
    measured = {
        name: {"accuracy": [m["accuracy"]] * TARGETS, **{of: [0.0] * TARGETS for of in rest}}
        for name, m in methods.items()
    }
    attacked = {
        name: {
            "attacks": {a: {"auc": {"each": [v] * TARGETS}, "tpr": {}} for a, v in m["areas"].items()},
            "unflipped": {
                a: {"auc": [v] * TARGETS, "tpr": {"0.01": v / 10}} for a, v in m["unflipped"].items()
            },
            "norms": {"auc": [0.5] * TARGETS, "disparity": [0.0] * TARGETS},
        }
        for name, m in methods.items()
    }
    evidence = {
        "train": Evidence({"checkpoints": []}),
        "defend": Evidence({"pictures": {}, "notes": {name: {} for name in methods}}),
        "measure": Evidence({"methods": measured}),
        "attack": Evidence({"methods": attacked, "fpr": []}),
    }
    about = SimpleNamespace(setting="s", dataset="digits", network="mlp", models=TARGETS)
    return EvidenceRow("cell", seed, about, evidence)


def columns(*rows):
    """The table's first row of each seed."""
    frame = table(rows).frame
    return [frame[frame["seed"] == seed].iloc[0] for seed in sorted(frame["seed"].unique())]


def test_a_method_more_accurate_than_every_stop_is_compared_with_the_most_accurate_one():
    plain = {"none": method(0.84, {"loss": 0.8}), "stop_4": method(0.88, {"loss": 0.7})}
    (found,) = columns(
        row(
            0,
            plain
            | {"better": method(0.93, {"loss": 0.58}), "equal": method(0.876, {"loss": 0.7})}
            | {"worse": method(0.8, {"loss": 0.5})},
        )
    )
    assert found["excess_better"] == pytest.approx(0.58 - 0.7)
    assert found["excess_equal"] == pytest.approx(0)
    assert np.isnan(found["excess_worse"])  # training could be stopped earlier still


def test_the_strongest_attack_is_one_for_all_seeds():
    first = {"none": method(0.8, {"loss": 0.71, "lira_online": 0.7})}
    second = {"none": method(0.8, {"loss": 0.6, "lira_online": 0.7})}
    assert [found["strongest_none"] for found in columns(row(0, first), row(1, second))] == [0.7, 0.7]


def test_the_strongest_attack_sees_answers_alone():
    (found,) = columns(row(0, {"none": method(0.8, {"loss": 0.6, "gradient_weights": 0.9})}))
    assert found["strongest_none"] == 0.6
    assert found["auc_gradient_weights_none"] == 0.9


def test_the_strongest_attack_is_one_of_those_that_ran_on_every_method():
    methods = {
        "none": method(0.8, {"loss": 0.6, "lira_online": 0.7}),
        "own": method(0.8, {"loss": 0.6, "lira_online": 0.65, "nn": 0.8}),
    }
    (found,) = columns(row(0, methods))
    assert found["strongest_own"] == 0.65


def test_unflipped_examples_have_columns_and_a_strongest_attack_of_their_own():
    methods = {
        "none": method(0.8, {"loss": 0.8, "lira_online": 0.9}, {"loss": 0.7, "lira_online": 0.6}),
        "stop_4": method(0.7, {"loss": 0.6, "lira_online": 0.6}, {"loss": 0.65, "lira_online": 0.6}),
    }
    tabled = table([row(0, methods)])
    found = tabled.frame.iloc[0]
    assert (found["strongest_none"], found["unflipped_strongest_none"]) == (0.9, 0.7)
    assert found["unflipped_auc_lira_online_none"] == 0.6
    assert found["unflipped_tpr_lira_online_none"] == pytest.approx(0.06)
    assert found["unflipped_excess_stop_4"] == pytest.approx(0)
    assert tabled.pictures.strongest == {("s", "none"): "loss", ("s", "stop_4"): "loss"}


def test_beside_a_spent_epsilon_stands_the_one_that_attacks_prove():
    private = {"none": method(0.8, {"loss": 0.7, "nn": 0.7}), "dpsgd": method(0.7, {"loss": 0.6, "nn": 0.6})}
    one = row(0, private)
    one.params.pool = 1000  # 2,000 members of all targets
    one.evidence["defend"].results["notes"]["dpsgd"] = {
        "epsilon": [4.0] * TARGETS,
        "delta": [0.001] * TARGETS,
    }
    for attack, tpr in (("loss", 0.0304), ("nn", 0.08)):
        of = one.evidence["attack"].results["methods"]["dpsgd"]["attacks"][attack]
        of["tpr"] = {"0.01": {"value": tpr}}
    (found,) = columns(one)
    assert found["epsilon_dpsgd"] == 4
    assert found["proved_dpsgd"] == epsilon_lower_bound(160, 2000, 20, 2000, 0.001, level=0.975)
    assert 1 < found["proved_dpsgd"] < np.log(8)
    assert "proved_none" not in found.index
