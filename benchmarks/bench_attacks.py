"""Compare the attack kernels with their direct forms on the same input: values and CPU time.

Run `python benchmarks/bench_attacks.py`: one thread, CPU seconds; ours: median of 5 runs. The RMIA row loop
runs over a subset of rows, spread evenly, and is scaled to all of them (said in its line).
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import norm
from threadpoolctl import threadpool_limits
from timing import cpu_seconds

from retrace.attacks.membership.lira import lira
from retrace.attacks.membership.rmia import dominated_share
from retrace.attacks.roc import balanced_accuracy, best_threshold, best_threshold_per_class

Line = tuple[str, float, float, float, float, str]


def bench_rmia(examples: int, rows: int, rng: np.random.Generator) -> Line:
    x, z = rng.normal(size=examples), rng.normal(size=examples)
    some = np.linspace(0, examples - 1, rows).astype(int)
    limit = np.log(2.0)
    slow, direct = cpu_seconds(lambda: np.array([(x[row] - z >= limit).mean() for row in some]))
    fast, ours = cpu_seconds(lambda: dominated_share(x, z, 2.0), 5)
    gap = float(np.abs(ours[some] - direct).max())
    name = f"RMIA {examples} x {examples} against a row loop"
    return name, slow * examples / rows, fast, gap, 100, f"loop timed on {rows} rows, scaled to {examples}"


def per_point_lira(target: np.ndarray, references: np.ndarray, member: np.ndarray) -> np.ndarray:
    scores = []
    for n in range(len(target)):
        inside, outside = references[member[:, n], n], references[~member[:, n], n]
        with_it = norm.logpdf(target[n], inside.mean(), inside.std())
        scores.append(with_it - norm.logpdf(target[n], outside.mean(), outside.std()))
    return np.array(scores)


def bench_lira(models: int, examples: int, rng: np.random.Generator) -> Line:
    member = np.argsort(rng.random((models, examples)), axis=0) < models // 2
    references = rng.normal(size=member.shape) + member
    target = rng.normal(size=examples)
    slow, direct = cpu_seconds(lambda: per_point_lira(target, references, member))
    fast, ours = cpu_seconds(lambda: lira(target, references, member, variance="per-example"), 5)
    gap = float(np.abs(ours - direct).max())
    return f"LiRA {models} x {examples} against scipy per point", slow, fast, gap, 30, "all points"


def quadratic_threshold(scores: np.ndarray, member: np.ndarray) -> float:
    inside, outside = scores[member], scores[~member]
    reached = [((inside >= t).mean() + (outside < t).mean()) / 2 for t in scores]
    return float(scores[int(np.argmax(reached))])


def bench_threshold(examples: int, rng: np.random.Generator) -> Line:
    member = rng.random(examples) < 0.5
    scores = rng.normal(size=examples) + member
    slow, direct = cpu_seconds(lambda: quadratic_threshold(scores, member))
    fast, ours = cpu_seconds(lambda: best_threshold(scores, member), 5)
    gap = abs(balanced_accuracy(scores, member, ours) - balanced_accuracy(scores, member, direct))
    return f"best threshold, {examples} scores, against all pairs", slow, fast, gap, 300, "balanced accuracy"


def bench_threshold_per_class(examples: int, classes: int, rng: np.random.Generator) -> Line:
    member, labels = rng.random(examples) < 0.5, rng.integers(0, classes, examples)
    scores = rng.normal(size=examples) + member

    def direct() -> np.ndarray:
        return np.array(
            [quadratic_threshold(scores[labels == c], member[labels == c]) for c in range(classes)]
        )

    slow, theirs = cpu_seconds(direct)
    fast, ours = cpu_seconds(lambda: best_threshold_per_class(scores, member, labels, classes), 5)
    rows = [
        labels == c for c in range(classes)
    ]  # equally good thresholds may differ: compare what they reach
    reached = [
        [balanced_accuracy(scores[at], member[at], t) for at, t in zip(rows, found, strict=True)]
        for found in (ours, theirs)
    ]
    gap = float(np.abs(np.subtract(*reached)).max())
    return (
        f"the same per class, {classes} classes",
        slow,
        fast,
        gap,
        0,
        "balanced accuracy; no ratio promised",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000, help="rows of the RMIA loop that are timed")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    with threadpool_limits(1):
        lines = [
            bench_rmia(20_000, given.rows, rng),
            bench_lira(64, 5_000, rng),
            bench_threshold(10_000, rng),
            bench_threshold_per_class(10_000, 10, rng),
        ]
    short = 0
    for name, slow, fast, gap, promised, note in lines:
        ratio = slow / fast
        verdict = (
            "" if not promised else f" (promised {promised:g}x: {'kept' if ratio >= promised else 'MISSED'})"
        )
        print(f"{name}: {slow:.3f} s -> {fast:.5f} s, {ratio:.0f}x{verdict}")
        print(f"    largest difference {gap:.1e} [{note}]")
        short += ratio < promised or gap > 1e-9
    return int(short > 0)


if __name__ == "__main__":
    raise SystemExit(main())
