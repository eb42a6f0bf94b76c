"""SYNTHETIC tables and verdict records of the shared shape, for tests of figures and report only.

Every number here is drawn from a generator or made up; none was measured and none is a paper's.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from retrace.claims.cost import Cost
from retrace.claims.record import ClaimVerdict, PaperVerdict, WouldDecide
from retrace.report.view import Run

GRID = {
    "gauss": (0.05, 0.08, 0.11, 0.14, 0.18),
    "sp": (0.02, 0.04, 0.06, 0.08, 0.10),
    "blur": (0.6, 0.9, 1.2, 1.5, 1.8),
}
INDICES = ("arm", "preindex", "resque")
RIVALS = ("pixel_rmse", "error", "loss", "knn_error", "h_score", "logme", "leep")
COSTS = ("epochs", "grad_norm", "param_change", "energy_kwh", "co2_kg")
TASKS = (
    "same",
    "invert",
    "contrast",
    "rot180",
    "rot90",
    "fliplr",
    "blk14",
    "blk7",
    "blk4",
    "perm",
    "blur",
    "sp",
)


def table(networks=("cnn",), seeds=3, rng=0):
    """Synthetic rows (seed, cell, condition): seeded noise around a made-up trend."""
    draw = np.random.default_rng(rng)
    rows = []
    for seed in range(seeds):
        for n, network in enumerate(networks):
            for t, (kind, intensities) in enumerate(GRID.items()):
                for level, intensity in enumerate(intensities, start=1):
                    hard = (level + 0.5 * t) * (1 + 0.25 * n)
                    row = {
                        "seed": seed,
                        "cell": f"{network}-shift",
                        "dataset": "mnist",
                        "network": network,
                        "condition": f"{kind}:{intensity}",
                        "type": kind,
                        "intensity": intensity,
                    }
                    for column in INDICES:
                        row[column] = 0.05 * hard * (1 + 0.1 * t) + draw.normal(0, 0.015)
                    for column in RIVALS:
                        row[column] = 0.04 * hard + draw.normal(0, 0.04)
                    row["shuffled"] = draw.normal()
                    epochs = 0.3 * hard**1.5 + abs(draw.normal(0, 0.25))
                    row |= {"epochs": min(epochs, 5.0), "censored": epochs >= 5.0}
                    row |= {"grad_norm": 0.4 * hard + draw.normal(0, 0.3), "param_change": 0.01 * hard}
                    row |= {"energy_kwh": epochs * 2e-6, "co2_kg": epochs * 2e-6 * 0.475}
                    rows.append(row)
    return pd.DataFrame(rows)


def tasks(seeds=2, rng=0):
    """Synthetic rows (seed, task) with the column resque_task."""
    draw = np.random.default_rng(rng)
    rows = [
        {
            "seed": s,
            "condition": f"task:{task}",
            "resque_task": 0.2 + 0.05 * k + draw.normal(0, 0.01),
            "epochs": 1 + 0.35 * k + draw.normal(0, 0.3),
        }
        for s in range(seeds)
        for k, task in enumerate(TASKS)
    ]
    return pd.DataFrame(rows)


def tested(**more):
    """A synthetic test."""
    return {"p": 0.01, "p_against": 0.99, "adjusted": 0.03, "se": 0.1, "df": 2.0} | more


def claim(name, verdict, measured, interval, **more):
    """A synthetic verdict on a claim."""
    record = {
        "id": name,
        "says": f"synthetic statement about {name} <b>&</b> what it ranks",
        "where": "abstract",
        "kind": "trend",
        "expect": {"at_least": 0.8},
        "published": None,
        "statistic": "spearman",
        "measured": measured,
        "interval": interval,
        "level": 0.95,
        "seeds": 3,
        "units": 15,
        "random": "seeds",
        "test": tested(),
        "verdict": verdict,
        "reason": f"synthetic reason of {name}",
        "would_decide": None,
        "scope": "reduced scale",
        "control": None,
        "baselines": [],
        "also": [],
        "censored": None,
    }
    return ClaimVerdict.model_validate(record | more)


def paper(name, claims, **more):
    """A synthetic paper with these verdicts."""
    record = {
        "paper": name,
        "title": name.capitalize(),
        "study": "reuse",
        "scale": "laptop",
        "claims": claims,
        "cost": cost(),
        "meters": {},
        "environment": {},
        "figures": [],
    }
    return PaperVerdict(**record | more)


def cost(**more):
    """A synthetic cost."""
    record = {
        "jobs": 12,
        "seconds": 412.5,
        "cpu_seconds": 398.2,
        "overhead_seconds": 0.4,
        "kwh": 1.66e-3,
        "kg_co2e": 7.9e-4,
        "methods": ["constant"],
        "factor_kg_per_kwh": 0.475,
    }
    return Cost(**record | more)


def control(measured, interval, passes=False):
    return {
        "label": "shuffled index",
        "measured": measured,
        "interval": interval,
        "passes": passes,
        "specific": not passes,
    }


def baseline(label, measured, interval=None):
    return {"label": label, "measured": measured, "interval": interval}


def verdicts():
    """Two synthetic papers that hold every verdict, every kind of claim and every gap."""
    first = paper(
        "alpha",
        title="Alpha: a synthetic paper on <reuse> & cost",
        figures=[{"name": "claims", "caption": "claims"}],
        claims=[
            claim(
                "ranks-within-type",
                "supported",
                0.97,
                [0.91, 0.99],
                origin="paper",
                says="one forward pass ranks how much retraining each noise intensity will cost, "
                "for every corruption type taken by itself, before any retraining is done",
                control=control(0.02, [-0.31, 0.35]),
                baselines=[baseline("pixel RMSE", 0.99, [0.95, 1.0]), baseline("noise level", 1.0)],
            ),
            claim(
                "ranks-pooled",
                "refuted",
                0.52,
                [0.31, 0.68],
                control=control(-0.05, [-0.4, 0.3]),
                baselines=[
                    baseline("pixel RMSE", 0.9, [0.82, 0.95]),
                    baseline("kNN error", 0.60, [0.4, 0.75]),
                    baseline("LEEP", 0.41, [0.2, 0.6]),
                ],
            ),
            claim(
                "fewer-epochs",
                "open",
                12.4,
                [8.1, 16.9],
                kind="bound",
                expect={"at_most": 14},
                published={"value": 11.2, "where": "Table 2, row 3"},
                origin="paper",
                reason="not clearly at most 14; about 7 seeds would decide it (24 seeds: 90%)",
                would_decide=WouldDecide(
                    kind="seeds",
                    seeds=7,
                    cpu_seconds=480.0,
                    have=3,
                    units=None,
                    units_at_most=None,
                    most=24,
                    power=0.9,
                ),
                control=control(15.0, [13.5, 17.2]),
                baselines=[baseline("one-epoch extrapolation", 11.9)],
            ),
            claim(
                "same-as-full",
                "supported",
                0.003,
                [-0.011, 0.016],
                kind="equivalence",
                expect={"within": 0.03},
                origin="ours",
                where="the paper does not ask",
                control=control(0.12, [0.08, 0.15]),
            ),
        ],
    )
    second = paper(
        "beta",
        title="Beta: a synthetic paper on privacy",
        study="membership",
        cost=cost(methods=["constant", "rapl"], kwh=float("nan")),
        claims=[
            claim(
                "attack-falls",
                "not-specific",
                0.06,
                [0.02, None],
                kind="order",
                expect={"above": 0.0},
                control=control(0.04, [0.01, 0.07], passes=True),
                baselines=[baseline("early stopping", 0.09)],
            ),
            claim(
                "needs-gpu",
                "not-measurable",
                None,
                None,
                seeds=0,
                scope="surrogate data",
                reason="needs a gated 7B model; run at scale gpu with a licence",
                random=None,
                test=None,
            ),
            claim(
                "not-yet",
                "not-run",
                None,
                None,
                seeds=0,
                reason="no evidence; run snakemake beta",
                expect={},
                test=None,
            ),
            claim("not-a-number", "open", float("nan"), [float("nan"), float("nan")], seeds=1),
        ],
    )
    return [first, second]


def run():
    """What a synthetic page says of its run."""
    return Run(
        title="Retrace: synthetic report",
        date="2000-01-01",
        scale="laptop",
        environment={
            "device": "cpu, 2 cores",
            "python": "3.11",
            "versions": {"numpy": "2.0", "torch": "2.15"},
        },
        commands=("pip install -e .", "snakemake --cores all"),
        methods={
            "constant": "CPU seconds × 15 W; not a measurement",
            "rapl": "RAPL counter of the processor",
        },
    )
