"""Attack every model with the others as shadows, under every method of the cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from retrace.attacks.membership.audit import AttackResult, run_attacks
from retrace.attacks.membership.ensemble import Ensemble, NoisyLabels, Population
from retrace.attacks.roc import auc, roc, tpr_of
from retrace.metrics.norm_disparity import norm_auc, standardised_difference
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output

if TYPE_CHECKING:
    from retrace.studies.membership.params import Attack

CURVE = tuple(float(v) for v in np.logspace(-3.5, 0, 57))
BINS = 30
FLAT = 1e-5  # spread, relative to the size, that is float32 rounding of a norm held constant


def run(params: Attack, inputs: Inputs, seed: int) -> Output:
    """Every attack of the cell on every method.

    Results of each method: `attacks` (AUC, balanced accuracy, TPR; see `retrace.attacks.membership.audit`),
    `unflipped` (AUC of each target and TPR, over the examples whose labels are true), `roc` (of those too:
    TPR of each attack at the false-positive rates `fpr`, scores of all targets pooled), and `norms`
    (disparity and AUC of the representation norm, a number a target, and its histograms pooled over targets).
    """
    sets, outputs = inputs["prepare"].read_scratch(), inputs["measure"].read_scratch()
    true = ~sets["pool.flipped"]
    results: dict[str, Any] = {}
    for name, method in params.methods.items():
        models = _ensemble(sets, outputs, name, method.model_dump_json(), params)
        found = run_attacks(
            models, tuple(params.attacks), fprs=tuple(params.fprs), seed=derive(seed, "attack") % 2**32
        )
        results[name] = {
            "attacks": {attack: result.record() for attack, result in found.items()},
            **_unflipped(found, models.inside[:, true], true, params.fprs),
            "norms": _norms(outputs[f"{name}.norms"], models.inside),
        }
    return Output({"methods": results, "fpr": list(CURVE)})


def _ensemble(
    sets: dict[str, Array], outputs: dict[str, Array], name: str, pipeline: str, params: Attack
) -> Ensemble:
    norms = {of: outputs[f"{name}.{of}"] for of in ("input", "weights") if f"{name}.{of}" in outputs}
    right = outputs.get(f"{name}.right")
    return Ensemble(
        outputs[f"{name}.pool"],
        sets["pool.y"],
        sets["member"],
        [pipeline] * len(sets["member"]),
        Population(outputs[f"{name}.population"], sets["population.y"]),
        gradient_norms=norms,
        noisy_labels=NoisyLabels(right, params.copies, params.sigmas) if right is not None else None,
        ids=sets["pool.id"],
        reserved={part: sets[f"{part}.id"] for part in ("reference", "population", "test")},
    )


def _unflipped(
    found: dict[str, AttackResult], inside: Array, true: Array, fprs: list[float]
) -> dict[str, Any]:
    """What each attack reaches on the examples (N,) that are `true` to their labels; `inside` is of them."""
    figures, curves = {}, {}
    for attack, result in found.items():
        scores = result.scores[:, true]
        curve = roc(scores.ravel(), inside.ravel())
        each = [auc(row, member) for row, member in zip(scores, inside, strict=True)]
        tpr = {f"{fpr:g}": tpr_of(curve, fpr).value for fpr in fprs}
        figures[attack] = {"auc": each, "tpr": tpr}
        at = np.searchsorted(curve.fpr, np.asarray(CURVE) * (1 + 1e-12), side="right") - 1
        curves[attack] = [round(float(v), 5) for v in curve.tpr[at]]
    return {"unflipped": figures, "roc": curves}


def _norms(norms: Array, inside: Array) -> dict[str, Any]:
    values = norms.astype(np.float64)
    if np.ptp(values) < FLAT * np.abs(values).max():
        values = np.full_like(values, values.mean())
    edges = np.linspace(float(np.quantile(values, 0.001)), float(np.quantile(values, 0.999)), BINS + 1)
    if not edges[-1] > edges[0]:
        edges = edges[0] + np.linspace(-0.5, 0.5, BINS + 1)
    clipped = values.clip(edges[0], edges[-1])
    constant = [
        float(np.ptp(n[m])) == 0 or float(np.ptp(n[~m])) == 0 for n, m in zip(values, inside, strict=True)
    ]
    return {
        # a representation on a sphere has no spread to standardise by
        "disparity": [
            0.0 if flat else standardised_difference(n, m)
            for n, m, flat in zip(values, inside, constant, strict=True)
        ],
        "auc": [norm_auc(n, m) for n, m in zip(values, inside, strict=True)],
        "edges": edges.tolist(),
        "members": np.histogram(clipped[inside], edges)[0].tolist(),
        "non_members": np.histogram(clipped[~inside], edges)[0].tolist(),
    }
