"""The attacks an audit can run by name, each a function of an ensemble and a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from retrace.attacks.arrays import AttackError, Floats
from retrace.attacks.membership.ensemble import Ensemble
from retrace.attacks.membership.gradient import gradient_norm_attack
from retrace.attacks.membership.likelihoods import TEMPERATURE, Signal
from retrace.attacks.membership.lira import Variance, lira
from retrace.attacks.membership.names import METRICS, PER_CLASS
from retrace.attacks.membership.nn import nn_attack
from retrace.attacks.membership.population import attack_p
from retrace.attacks.membership.quantile import quantile_attack
from retrace.attacks.membership.reference import attack_r, difficulty_calibration
from retrace.attacks.membership.rmia import rmia_offline, rmia_online
from retrace.attacks.membership.threshold import threshold_attack, threshold_attack_per_class
from retrace.errors import did_you_mean

Attack = Callable[[Ensemble, int], Floats]
PUBLISHED: dict[str, Any] = {"hidden": (128, 64, 64), "epochs": 100, "solver": "sgd"}


def attacks_for(models: Ensemble, names: tuple[str, ...] | None = None) -> dict[str, Attack]:
    """Return the named attacks (None: all that the arrays allow); AttackError on an unknown or unfed one.

    Attacks run with their defaults; call an attack's own function for others. `names.NETWORKS` are not among
    them: one network serves several targets (`nn_scores`).
    """
    known = _table(models)
    if names is None:
        return {name: attack for name, (attack, lacking) in known.items() if not lacking}
    for name in names:
        if name not in known:
            raise AttackError(f"attack {name!r} is not known{did_you_mean(name, known)}")
        if known[name][1]:
            raise AttackError(f"attack {name} needs {known[name][1]}; give it to the ensemble")
    return {name: known[name][0] for name in names}


def decides_at_zero(name: str) -> bool:
    """Whether the attack's score is a signal minus its shadows' threshold, so that >= 0 means "member"."""
    return name.removesuffix(PER_CLASS) in METRICS or name.startswith("gradient_") or name == "label_only"


def nn_scores(models: Ensemble, seed: int = 0, folds: int = 2, name: str = "nn") -> Floats:
    """Return the NN attack's scores (K,N); each fold of models is attacked with what the others taught.

    `name` "nn_published" takes the larger network and longer training of SRCM's code, without its dropout.
    Complementary partners share a fold, so no network has learnt from its target or the target's partner.
    """
    own = np.arange(len(models.inside))
    lead = np.where(models.partners >= 0, np.minimum(own, models.partners), own)
    fold = np.unique(lead, return_inverse=True)[1] % folds
    how = PUBLISHED if name == "nn_published" else {}
    scores = np.empty(models.inside.shape)
    for number in range(folds):
        held = fold == number
        scores[held] = nn_attack(
            models.logits[held], models.logits[~held], models.inside[~held], models.labels, seed=seed, **how
        )
    return scores


def _table(models: Ensemble) -> dict[str, tuple[Attack, str]]:
    """Name -> the attack and what the ensemble lacks for it (empty: nothing)."""
    table: dict[str, tuple[Attack, str]] = {}
    for name in METRICS:
        table[name] = (_metric(name), "")
        table[name + PER_CLASS] = (_metric_per_class(name), "")
    for name in models.gradient_norms:
        table[f"gradient_{name}"] = (_gradient(name, False), "")
        table[f"gradient_{name}{PER_CLASS}"] = (_gradient(name, True), "")
    table["attack_r"] = (_attack_r, "")
    table["difficulty_calibration"] = (_calibration, "")
    for online, side in ((True, "online"), (False, "offline")):
        table[f"lira_{side}"] = (_lira("phi", online, "auto"), "")
        table[f"lira_{side}_fixed"] = (_lira("phi", online), "")
        table[f"lira_rank_{side}"] = (_lira("rank", online), "")
    labels_alone = "" if models.noisy_labels is not None else "labels of noisy copies (noisy_labels)"
    table["label_only"] = (_label_only, labels_alone)
    table["label_only_lira"] = (_label_only_lira, labels_alone)
    population = "" if models.population is not None else "a population of non-members"
    table["attack_p"] = (_attack_p, population)
    for online, side in ((True, "online"), (False, "offline")):
        table[f"rmia_{side}"] = (_rmia(online), population)
        table[f"rmia_{side}_t1"] = (_rmia(online, temperature=1.0), population)
        table[f"rmia_{side}_taylor"] = (_rmia(online, "taylor"), population)
    copies = "" if models.augmented is not None else "logits of altered copies (augmented)"
    for signal, name in (("phi", "lira_online"), ("rank", "lira_rank_online")):
        table[f"{name}_augmented"] = (
            _lira(signal, True, "auto" if signal == "phi" else "fixed", augmented=True),
            copies,
        )
    both = " and ".join(filter(None, (copies, population)))
    table["rmia_online_augmented"] = (_rmia(True, part="augmented"), both)
    described = models.population is not None and models.population.features is not None
    table["quantile"] = (_quantile, "" if described else "features of the pool and of a population")
    return table


def _metric(name: str) -> Attack:
    def attack(models: Ensemble, k: int) -> Floats:
        signal, others = models.signals[name], models.references(k)
        return threshold_attack(signal[k], signal[others], models.inside[others])

    return attack


def _metric_per_class(name: str) -> Attack:
    def attack(models: Ensemble, k: int) -> Floats:
        signal, others = models.signals[name], models.references(k)
        return threshold_attack_per_class(signal[k], signal[others], models.inside[others], models.labels)

    return attack


def _gradient(name: str, per_class: bool) -> Attack:
    def attack(models: Ensemble, k: int) -> Floats:
        norms, others = np.asarray(models.gradient_norms[name]), models.references(k)
        labels = models.labels if per_class else None
        return gradient_norm_attack(norms[k], norms[others], models.inside[others], labels)

    return attack


def _lira(signal: str, online: bool, variance: Variance = "fixed", augmented: bool = False) -> Attack:
    """LiRA on a signal. Models often agree on a rank, which has few values: one variance for all examples."""

    def attack(models: Ensemble, k: int) -> Floats:
        values = (models.augmented_signals if augmented else models.signals)[signal]
        others = models.references(k)
        return lira(values[k], values[others], models.inside[others], online=online, variance=variance)

    return attack


def _label_only(models: Ensemble, k: int) -> Floats:
    distance, others = models.distances.mean(axis=-1), models.references(k)
    return threshold_attack(distance[k], distance[others], models.inside[others])


def _label_only_lira(models: Ensemble, k: int) -> Floats:
    distance, others = models.distances, models.references(k)
    return lira(distance[k], distance[others], models.inside[others], variance="fixed")


def _attack_r(models: Ensemble, k: int) -> Floats:
    log_p, others = models.signals["loss"], models.references(k)
    return attack_r(log_p[k], log_p[others], models.inside[others])


def _calibration(models: Ensemble, k: int) -> Floats:
    log_p, others = models.signals["loss"], models.references(k)
    return difficulty_calibration(log_p[k], log_p[others], models.inside[others])


def _attack_p(models: Ensemble, k: int) -> Floats:
    return attack_p(models.signals["loss"][k], models.population_signals["loss"][k])


def _rmia(
    online: bool, signal: Signal = "softmax", temperature: float = TEMPERATURE, part: str = "pool"
) -> Attack:
    def attack(models: Ensemble, k: int) -> Floats:
        log_p = models.likelihoods[part, signal, temperature]
        log_z, others = models.likelihoods["population", signal, temperature], models.references(k)
        inside, population = models.inside[others], (log_z[k], log_z[others])
        if online:
            return rmia_online(log_p[k], log_p[others], inside, *population)
        return rmia_offline(log_p[k], log_p[others], *population, member=inside)

    return attack


def _quantile(models: Ensemble, k: int) -> Floats:
    population = models.population
    if population is None or population.features is None or models.features is None:
        raise AttackError("attack quantile needs features of the pool and of a population")
    phi, public = models.signals["phi"][k], models.population_signals["phi"][k]
    return quantile_attack(phi, models.features, public, population.features)
