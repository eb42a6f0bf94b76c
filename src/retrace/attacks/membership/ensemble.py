"""The arrays of an audit: K models trained by one pipeline on halves of one pool, each target once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Bools, Floats, Ints, as_array, as_bools, as_floats, as_labels
from retrace.attacks.membership.label_only import noise_distance
from retrace.attacks.membership.likelihoods import Signal, log_likelihood
from retrace.attacks.membership.signals import SIGNALS, member_high

Array = npt.NDArray[Any]
LEAST_MODELS = 6


@dataclass(frozen=True)
class Population:
    """Non-members of every model: logits (K,Z,C), labels (Z,), optional features (Z,D)."""

    logits: Array
    labels: Array
    features: Array | None = None


@dataclass(frozen=True)
class NoisyLabels:
    """What models answer to noisy copies of the pool when they give labels alone (`label_only`).

    `right` (K,N,L): how many of `copies` queries at each of L noise levels `sigmas` (L,) got the right label.
    """

    right: Array
    copies: int
    sigmas: Sequence[float]


@dataclass(frozen=True)
class Ensemble:
    """K models on a pool of N examples with C classes; construction checks everything (AttackError).

    `logits` (K,N,C), any float type, may be a memory map; `labels` (N,); `member` (K,N) bool; `defences`
    (K,): each model's training pipeline in words, which must be one and the same: an attacker knows the
    defence and trains the shadows with it. `gradient_norms`: name -> (K,N). `features` (N,D) describe the
    examples without any model. `augmented` (K,N,Q,C): logits at Q altered copies of each example, the example
    itself among them if it is to count (`queries`); `noisy_labels`: the same for labels alone. `ids` (N,)
    name the pool's examples and `reserved` those of other sets (a defence's reference set, the population,
    the test set), which must not overlap the pool.
    """

    logits: Array
    labels: Array
    member: Array
    defences: Sequence[str]
    population: Population | None = None
    gradient_norms: Mapping[str, Array] = field(default_factory=dict)
    features: Array | None = None
    augmented: Array | None = None
    noisy_labels: NoisyLabels | None = None
    ids: Array | None = None
    reserved: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # lists become arrays once; the class is frozen for its users
        object.__setattr__(self, "logits", as_array(self.logits, "logits"))
        object.__setattr__(self, "labels", as_array(self.labels, "labels"))
        if np.ndim(self.logits) != 3 or 0 in np.shape(self.logits):
            raise AttackError(
                f"logits: the shape must be models x examples x classes, none of them 0; "
                f"got {np.shape(self.logits)}"
            )
        models, examples, classes = self.logits.shape
        inside = as_bools(self.member, "member", (models, examples))
        as_labels(self.labels, "labels", examples, classes)
        if models < LEAST_MODELS:
            raise AttackError(
                f"an audit needs {LEAST_MODELS} models or more (three complementary pairs: a target leaves "
                f"two references a side); got {models}; train more pairs"
            )
        odd = np.flatnonzero(inside.all(axis=1) | ~inside.any(axis=1))
        if len(odd):
            raise AttackError(f"member: model {odd[0]} has only members or only non-members in the pool")
        self._check_defences(models)
        self._check_sets(examples)
        for name, norms in self.gradient_norms.items():
            as_floats(norms, f"gradient_norms[{name}]", (models, examples))
        if self.features is not None:
            as_floats(self.features, "features", (examples, None))
        if self.population is not None:
            self._check_population(self.population)
        self._check_queries()
        _check_finite(self.logits, "logits")

    def _check_defences(self, models: int) -> None:
        if len(self.defences) != models:
            raise AttackError(f"defences: one for each of {models} models; got {len(self.defences)}")
        for number, defence in enumerate(self.defences):
            if defence != self.defences[0]:
                raise AttackError(
                    f"model {number} was trained with {defence!r}, model 0 with {self.defences[0]!r}: "
                    "train the shadows with the target's defence"
                )

    def _check_sets(self, examples: int) -> None:
        if self.reserved and self.ids is None:
            raise AttackError(
                "reserved sets are given without ids of the pool; give ids to check the overlap"
            )
        if self.ids is None:
            return
        if np.shape(self.ids) != (examples,) or len(np.unique(self.ids)) != examples:
            raise AttackError(
                f"ids: {examples} different ones, one an example; got shape {np.shape(self.ids)}"
            )
        for name, ids in self.reserved.items():
            shared = np.intersect1d(ids, self.ids)
            if len(shared):
                raise AttackError(
                    f"the {name} set shares {len(shared)} examples with the audited pool "
                    f"(the first is {shared[0]}); draw it from outside the pool"
                )

    def _check_population(self, population: Population) -> None:
        shape = np.shape(population.logits)
        models, _, classes = self.logits.shape
        if len(shape) != 3 or (shape[0], shape[2]) != (models, classes) or not shape[1]:
            raise AttackError(f"population logits: the shape must be {models} x any x {classes}; got {shape}")
        as_labels(population.labels, "population labels", shape[1], classes)
        _check_finite(population.logits, "population logits")
        if population.features is not None:
            if self.features is None:
                raise AttackError("the population has features and the pool has none; give both or neither")
            as_floats(population.features, "population features", (shape[1], self.features.shape[1]))

    def _check_queries(self) -> None:
        models, examples, classes = self.logits.shape
        if self.augmented is not None:
            shape = np.shape(self.augmented)
            if len(shape) != 4 or (*shape[:2], shape[3]) != (models, examples, classes) or not shape[2]:
                raise AttackError(
                    f"augmented: the shape must be {models} x {examples} x queries x {classes}; got {shape}"
                )
            _check_finite(self.augmented, "augmented")
        if self.noisy_labels is not None:
            shape, levels = np.shape(self.noisy_labels.right), len(self.noisy_labels.sigmas)
            if shape != (models, examples, levels) or not levels:
                raise AttackError(
                    f"noisy_labels: {models} x {examples} counts at each of {levels} sigmas; got {shape}"
                )

    @cached_property
    def inside(self) -> Bools:
        """Membership (K,N)."""
        return as_bools(self.member, "member", self.logits.shape[:2])

    @cached_property
    def partners(self) -> Ints:
        """The model trained on each one's complement, (K,); -1 where there is none."""
        found = np.full(len(self.inside), -1, dtype=np.int64)
        waiting: dict[bytes, list[int]] = {}
        for number, row in enumerate(self.inside):
            twin = waiting.get((~row).tobytes())
            if twin:
                other = twin.pop()
                found[number], found[other] = other, number
            else:
                waiting.setdefault(row.tobytes(), []).append(number)
        return found

    def references(self, target: int) -> Ints:
        """The models that serve as references of a target: all but itself and its partner.

        With the partner gone every example has as many IN and OUT references whether the target saw it or
        not; with it kept, those counts would tell the answer.
        """
        models: Ints = np.arange(len(self.inside))
        kept: Ints = models[(models != target) & (models != self.partners[target])]
        return kept

    @cached_property
    def signals(self) -> dict[str, Floats]:
        """Every signal with members high, name -> (K,N) float64."""
        return {name: _signal(name, self.logits, self.labels) for name in SIGNALS}

    @cached_property
    def augmented_signals(self) -> dict[str, Floats]:
        """Phi and the rank at the altered copies, name -> (K,N,Q); empty without them."""
        if self.augmented is None:
            return {}
        labels = np.asarray(self.labels)[:, None]
        return {name: _signal(name, self.augmented, labels) for name in ("phi", "rank")}

    @cached_property
    def distances(self) -> Floats:
        """Each example's distance from the boundary by its noisy copies (K,N,L); AttackError without them."""
        if self.noisy_labels is None:
            raise AttackError("label-only attacks need labels of noisy copies; give them to the ensemble")
        return noise_distance(self.noisy_labels.right, self.noisy_labels.copies, self.noisy_labels.sigmas)

    @cached_property
    def population_signals(self) -> dict[str, Floats]:
        """The log-probability (as "loss") and phi of the population, name -> (K,Z); empty without one."""
        if self.population is None:
            return {}
        return {
            name: _signal(name, self.population.logits, self.population.labels) for name in ("loss", "phi")
        }

    @cached_property
    def likelihoods(self) -> Likelihoods:
        """Log-likelihoods of RMIA, (K,N), (K,Z) or (K,N,Q), each made when first asked for."""
        parts = {"pool": (self.logits, self.labels)}
        if self.population is not None:
            parts["population"] = (self.population.logits, self.population.labels)
        if self.augmented is not None:
            parts["augmented"] = (self.augmented, np.asarray(self.labels)[:, None])
        return Likelihoods(parts)


class Likelihoods(dict[tuple[str, Signal, float], Floats]):
    """(part, signal, temperature) -> log-likelihoods of every model."""

    def __init__(self, parts: Mapping[str, tuple[Array, Array]]) -> None:
        super().__init__()
        self.parts = parts

    def __missing__(self, key: tuple[str, Signal, float]) -> Floats:
        """Make and keep those of the key."""
        part, signal, temperature = key
        logits, labels = self.parts[part]
        made = [log_likelihood(one, labels, signal=signal, temperature=temperature) for one in logits]
        self[key] = np.stack(made)
        return self[key]


def _check_finite(logits: Array, name: str) -> None:
    for number, one in enumerate(logits):  # model by model: the array may be a memory map
        wrong = int((~np.isfinite(one)).sum())
        if wrong:
            raise AttackError(
                f"{name} of model {number}: {wrong} values are not finite; store them in float32 or clip them"
            )


def _signal(name: str, logits: Array, labels: Array) -> Floats:
    # model by model: float64 copies of one model's logits at a time
    return np.stack([member_high(name, one, labels) for one in logits])
