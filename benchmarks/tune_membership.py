"""Tune every defence of a cell of the membership study alike: four points each, pilot seeds, one rule.

Run `python benchmarks/tune_membership.py digits-few` (a cell of the laptop sheet; `--methods hamp dpsgd_4`
for some alone): one thread, in memory, no evidence. Prints the table of docs/methods/membership.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from retrace.data import sets
from retrace.sheet import load_cells, load_study, params_model
from retrace.stage import Evidence, EvidenceRow
from retrace.studies.membership.table import table

ROOT = Path(__file__).resolve().parents[1]
STUDY = load_study("membership")
PILOTS = (100, 101)  # never judged
MODELS = 8  # half of the laptop sheet's
ATTACKS = ["loss", "lira_online", "lira_rank_online", "label_only_lira", "rmia_online"]
LOSS = 0.02  # accuracy (of 1) below plain training that a point may have

Point = tuple[str, str, float, float]  # method, settings, accuracy, AUC of the strongest attack


def points() -> dict[str, list[dict[str, Any]]]:
    """The points of every method, the published setting among them where there is one."""
    relax = {"defence": "relaxloss"}
    return {
        "smooth": [{"defence": "label-smoothing", "epsilon": e} for e in (0.1, 0.2, 0.4, 0.6)],
        "penalty": [{"defence": "confidence-penalty", "beta": b} for b in (0.03, 0.1, 0.3, 1.0)],
        "relax": [
            {**relax, "alpha": 0.2},
            {**relax, "alpha": 0.5},
            {**relax, "alpha": 1.0},  # published: CIFAR-10, ResNet20
            {**relax, "alpha": 0.8, "upper": 0.3},  # published: Purchase100
        ],
        "relax_cifar": [{**relax, "form": "cifar", "alpha": a} for a in (0.2, 0.4, 0.7, 1.0)],
        "ccl": [
            {"defence": "ccl", "alpha": 0.5, "beta": 0.05},  # published
            {"defence": "ccl", "alpha": 0.5, "beta": 1.0},
            {"defence": "ccl", "alpha": 0.25, "beta": 1.0},
            {"defence": "ccl", "alpha": 0.1, "beta": 1.0},
        ],
        "hamp": [
            {"defence": "hamp", "gamma": g, "alpha": a, "learning_rate": r}
            # published: Purchase100, CIFAR-10, CIFAR-100; and one between
            for g, a, r in ((0.8, 0.01, 0.5), (0.95, 0.001, 0.5), (0.5, 0.005, 1.0), (0.9, 0.001, 1.0))
        ],
        "advreg": [{"defence": "advreg", "weight": w} for w in (0.25, 0.5, 1.0, 3.0)],  # published: 3
        "dmp": [{"defence": "dmp", "temperature": t} for t in (1.0, 2.0, 4.0, 8.0)],
        "selena": [
            {"defence": "selena", "parts": p, "left_out": o} for p, o in ((5, 1), (5, 2), (5, 3), (10, 4))
        ],
        "srcm": [
            {"defence": "srcm", "ring": "centre", "radius": 15, "width": w, "learning_rate": r}
            for w, r in ((5, 0.05), (5, 0.02), (1, 0.05), (1, 0.02))  # published: width 5 and 1
        ],
        "dpsgd_4": [{"defence": "dpsgd", "epsilon": 4, "learning_rate": r} for r in (0.01, 0.02, 0.03, 0.05)],
        "dpsgd_32": [
            {"defence": "dpsgd", "epsilon": 32, "learning_rate": r} for r in (0.02, 0.03, 0.05, 0.1)
        ],
    }


def choose(found: list[Point], undefended: float) -> Point:
    """The point that leaks least of those at most `LOSS` below plain training's accuracy.

    If there is none, the most accurate. Equal ones: the first.
    """
    good = [point for point in found if point[2] >= undefended - LOSS]
    return min(good, key=lambda point: point[3]) if good else max(found, key=lambda point: point[2])


def run(verb: str, cell: dict[str, Any], inputs: dict[str, Evidence], seed: int) -> Evidence:
    """What a stage of the study leaves, in memory."""
    stage = STUDY.stage(verb)
    given = stage.params.model_validate({name: cell[name] for name in stage.uses})
    output = importlib.import_module(f"retrace.studies.membership.{verb}").run(given, inputs, seed)
    return Evidence(output.results, read_scratch=lambda: output.scratch)


def measured(
    cell: dict[str, Any], inputs: dict[int, dict[str, Evidence]]
) -> Iterator[tuple[str, float, float]]:
    """Method, test accuracy and strongest AUC on unflipped examples, means over targets and seeds."""
    rows = []
    for seed, shared in inputs.items():
        own = dict(shared)
        for verb in ("defend", "measure", "attack"):
            own[verb] = run(verb, cell, own, seed)
        rows.append(EvidenceRow("pilot", seed, params_model("membership").model_validate(cell), own))
    frame = table(rows).frame
    for method in cell["methods"]:
        yield (
            method,
            float(frame[f"accuracy_{method}"].mean()),
            float(frame[f"unflipped_strongest_{method}"].mean()),
        )


def tune(name: str, wanted: list[str] | None) -> dict[tuple[str, str], str]:
    """Method and point -> accuracy / AUC in the cell, the chosen ones bold; printed as they come."""
    cells = {cell.name: cell.params for cell in load_cells(STUDY, "laptop", ROOT)}
    cell = cells[name] | {"models": MODELS, "attacks": ATTACKS, "checkpoints": 0}
    inputs: dict[int, dict[str, Evidence]] = {}
    for seed in PILOTS:
        shared: dict[str, Evidence] = {}
        if cell["dataset"]:
            images = sets.load(ROOT, cell["dataset"], folder="", download=False)
            arrays = {"x": images.x, "y": images.y}
            shared["dataset"] = Evidence({"classes": images.classes}, read_arrays=lambda a=arrays: a)
        for verb in ("prepare", "train"):
            shared[verb] = run(verb, cell, shared, seed)
        inputs[seed] = shared
    ((_, undefended, leak),) = measured(cell | {"methods": {"none": {"defence": "none"}}}, inputs)
    shown = {("none", ""): f"{undefended:.3f} / {leak:.3f}"}
    for method, settings in points().items():
        if wanted and method not in wanted:
            continue
        tried = {f"{method}_p{i}": one for i, one in enumerate(settings)}
        found: list[Point] = []
        for one, accuracy, auc in measured(cell | {"methods": tried}, inputs):
            words = {k: v for k, v in tried[one].items() if k != "defence"}
            found.append((method, json.dumps(words).strip("{}").replace('"', ""), accuracy, auc))
        best = choose(found, undefended)
        for point in found:
            bold = "**" if point is best else ""
            shown[point[:2]] = f"{bold}{point[2]:.3f} / {point[3]:.3f}{bold}"
            print(f"{name}: {method}, {point[1]}: {shown[point[:2]]}", flush=True)
    return shown


def side_by_side(cells: dict[str, dict[tuple[str, str], str]]) -> Iterator[str]:
    """The lines of a table: a row a point, a column a cell."""
    yield "| ".join(["", "method ", "point ", *(f"{name} " for name in cells), ""]).strip()
    yield "|".join(["", *[" --- "] * (2 + len(cells)), ""])
    for row in dict.fromkeys(row for shown in cells.values() for row in shown):
        yield "| " + " | ".join([*row, *(shown.get(row, "") for shown in cells.values())]) + " |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="+")
    parser.add_argument("--methods", nargs="*")
    chosen = parser.parse_args()
    with threadpool_limits(1):
        tuned = {name: tune(name, chosen.methods) for name in chosen.cells}
    print(*side_by_side(tuned), sep="\n")
