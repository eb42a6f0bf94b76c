"""Shadow training of one's own pipeline: K models on random halves of a pool, in complementary pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, as_labels
from retrace.attacks.membership.ensemble import LEAST_MODELS, Ensemble, Population

Array = npt.NDArray[Any]
Ask = Callable[[Array], npt.ArrayLike]  # inputs (n,...) -> logits (n,C)
Train = Callable[[Array, Array, int], Ask]  # inputs (n,...), labels (n,), seed -> the trained model


def shadow_ensemble(
    train: Train,
    inputs: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    models: int = 8,
    seed: int = 0,
    population: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    pipeline: str = "as trained by the caller",
) -> Ensemble:
    """Train `models` by `train` on random halves of a pool and return their answers, ready for `run_attacks`.

    `inputs` (N,...) and `labels` (N,): the pool, whose halves are the training sets: model 2i has one, model
    2i + 1 the rest. `train(inputs, labels, seed)` is the whole pipeline, defence included, and returns what
    answers inputs with logits; `torch_trainer` makes one of a network. `population`: inputs and labels that
    no model is trained on, for RMIA and Attack-P. The same seed gives the same halves and seeds of `train`.
    AttackError for fewer than six models, an odd number, or answers of another shape.
    """
    x = np.asarray(inputs)
    y = as_labels(labels, "labels", len(x))
    if models < LEAST_MODELS or models % 2:
        raise AttackError(f"models: an even number from {LEAST_MODELS}, since they are pairs; got {models}")
    if len(x) < 4:
        raise AttackError(f"inputs: a pool to halve, four examples or more; got {len(x)}")
    random = np.random.default_rng(seed)
    halves = np.stack([random.permutation(len(x)) < len(x) // 2 for _ in range(models // 2)])
    member = np.repeat(halves, 2, axis=0)
    member[1::2] = ~member[::2]
    asked = {"the pool": x} if population is None else {"the pool": x, "the population": population[0]}
    answers: dict[str, list[Array]] = {name: [] for name in asked}
    for inside in member:
        ask = train(x[inside], y[inside], int(random.integers(2**31)))
        for name, given in asked.items():
            answers[name].append(_answer(ask, np.asarray(given), name))
    return Ensemble(
        np.stack(answers["the pool"]),
        y,
        member,
        [pipeline] * models,
        population=None
        if population is None
        else Population(np.stack(answers["the population"]), np.asarray(population[1])),
    )


def _answer(ask: Ask, given: Array, name: str) -> Array:
    logits = np.asarray(ask(given))
    if logits.ndim != 2 or len(logits) != len(given):
        raise AttackError(
            f"train's model answered {len(given)} inputs of {name} with shape {logits.shape}; "
            "it must return logits (n, classes)"
        )
    return logits
