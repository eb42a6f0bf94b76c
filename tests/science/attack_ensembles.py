"""Made-up ensembles: models whose logits give a known advantage to their members."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrace.attacks.membership.ensemble import Ensemble, NoisyLabels, Population


def halves(models: int, examples: int, rng: np.random.Generator) -> np.ndarray:
    """Membership (K,N) in complementary pairs, each a random half."""
    rows = []
    for _ in range(models // 2):
        row = np.zeros(examples, dtype=np.bool_)
        row[rng.permutation(examples)[: examples // 2]] = True
        rows += [row, ~row]
    return np.stack(rows)


def make_ensemble(
    gain: float = 2.0, models: int = 8, examples: int = 600, seed: int = 0, **more: Any
) -> Ensemble:
    """An ensemble whose members gain `gain` on the label's logit over an example's own difficulty."""
    rng = np.random.default_rng(seed)
    member = halves(models, examples, rng)
    labels = rng.integers(0, 4, examples)
    ease = rng.normal(0.5, 2.0, examples)
    logits = rng.normal(0, 0.5, (models, examples, 4))
    logits[:, np.arange(examples), labels] += ease + gain * member
    z_labels = rng.integers(0, 4, 500)
    z_ease = rng.normal(0.5, 2.0, 500)
    z_logits = rng.normal(0, 0.5, (models, 500, 4))
    z_logits[:, np.arange(500), z_labels] += z_ease
    features = np.stack([ease, rng.normal(size=examples)], axis=1)
    z_features = np.stack([z_ease, rng.normal(size=500)], axis=1)
    norms = np.exp(rng.normal(0, 0.5, member.shape) - 0.5 * gain * member)
    # the same advantage at two altered copies, and at noise that turns the answer now and then
    copies = rng.normal(0, 0.5, (models, examples, 2, 4))
    copies[:, np.arange(examples), :, labels] += (ease + gain * member).T[:, :, None]
    margin = (ease + gain * member)[..., None] / np.array([4.0, 8.0])
    right = rng.binomial(20, 1 / (1 + np.exp(-margin)))
    given: dict[str, Any] = {
        "logits": logits,
        "labels": labels,
        "member": member,
        "defences": ["none"] * models,
        "population": Population(z_logits, z_labels, z_features),
        "gradient_norms": {"weights": norms},
        "features": features,
        "augmented": copies,
        "noisy_labels": NoisyLabels(right, 20, (0.5, 1.0)),
    }
    return Ensemble(**{**given, **more})
