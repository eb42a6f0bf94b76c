"""The gpu scale's cells, cut to seconds: real networks, batches and methods; few images, epochs and steps."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from retrace.data import sets
from retrace.data.external_names import EXTERNAL
from retrace.files import write_atomic
from retrace.stage import Evidence

ROOT = Path(__file__).resolve().parents[2]
PER_CLASS = 300  # synthetic images
# a CPU only tries the code, on smaller networks
ON_CPU: dict[str, dict[str, Any]] = {
    "reuse": {"network": "cnn", "conditions": ["gauss:0.15"]},
    "membership": {"network": "mlp-relu-32-32"},
    "certification": {"network": "conv2"},
    "memory": {"steps": 2},
}

Chosen = dict[str, Any]
VERIFICATION = {
    "crown_images": 4,
    "complete_images": 2,
    "alpha_iterations": 3,
    "pgd_steps": 10,
    "pgd_restarts": 2,
    "domains": 40,
    "iterations": 3,
    "first": 5,
    "refine": 1,
}
ROWS = {"harmful": 24, "benign": 48, "lookalike": 16, "calibration": 16, "attack": 24}
TESTS = 16  # items of a kind
ONE = {"epochs": 1, "batch": 24, "rate": 2.0e-5}


def sheet(study: str) -> dict[str, Any]:
    """A study's sheet as it is written."""
    read: dict[str, Any] = yaml.safe_load((ROOT / f"config/studies/{study}.yaml").read_text())
    return read


def cell(study: str, name: str, changes: Chosen, scale: str = "gpu") -> Chosen:
    """A cell's parameters as the sheet has them, some replaced."""
    whole = sheet(study)
    rows = whole["scales"][scale]
    small = ON_CPU.get(study, {}) if os.environ["RETRACE_DEVICE"] == "cpu" and scale == "gpu" else {}
    if changes.get("shift", rows["cells"][name].get("shift")) == "task":
        small = {"network": "cnn"} if small else {}
    return {**whole.get("base", {}), **rows.get("base", {}), **rows["cells"][name], **changes, **small}


def reuse(name: str, changes: Chosen) -> Chosen:
    few: Chosen = {
        "reserve": 20,
        "test": 20,
        "epochs": 2,
        "drop_at": 1,
        "eval_every": 10,
        "max_epochs": 1,
        "index_images": 300,
    }
    return cell("reuse", name, few | changes)


def membership(changes: Chosen) -> Chosen:
    whole = cell("membership", "cifar10-resnet18", {})
    methods = {
        key: {**method, "epochs": 1} if method["defence"] == "early-stopping" else method
        for key, method in whole["methods"].items()
    }
    few = {"pool": 1000, "reference": 256, "population": 256, "test": 256, "epochs": 2, "checkpoints": 1}
    return {**whole, **few, "fprs": [0.01], "methods": methods} | changes


def certification(name: str, only: tuple[str, ...]) -> Chosen:
    """The cell with these methods and two kept shares; the catalogue's images of clothes stand for all."""
    whole = cell("certification", name, {})
    training = whole["training"] | {"epochs": 2, "drops": [1], "ramp_start": 0, "ramp_length": 1}
    methods = {key: _method(whole["methods"][key]) for key in only}
    few = {"dataset": "fashion", "train_images": 2000, "validation_images": 100, "test_images": 200}
    return {**whole, **few, "training": training, "methods": methods, "verification": VERIFICATION}


def _method(method: Chosen) -> Chosen:
    made = dict(method)
    if "kept" in made:
        made["kept"] = sorted({0.5, 0.2}, reverse=True) if len(made["kept"]) > 1 else [0.2]
    if "score_epochs" in made:
        made["score_epochs"] = 1
    if "epochs" in made.get("training", {}):
        made["training"] = made["training"] | {"epochs": 3, "drops": [2], "ramp_length": 2}
    return made


def memory(name: str, changes: Chosen) -> Chosen:
    return cell("memory", name, {"steps": 5, "window": 2, "levels": [0.03, 0.02, 0.01], "tests": 2} | changes)


def safety(changes: Chosen) -> Chosen:
    whole = cell("safety", "mistral-public", {})
    few = {
        "rows": ROWS,
        "tests": {kind: min(count, TESTS) for kind, count in whole["tests"].items()},
        "probe": {"prompts": 8, "tokens": [2, 4, 8]},
        "alignment": ONE,
        "tuning": {**ONE, "decay": 0.1},
    }
    return {**whole, **few} | changes


def smoke(study: str) -> list[tuple[str, Chosen]]:
    """All cells of the smoke scale, whole."""
    return [(name, cell(study, name, {}, "smoke")) for name in sheet(study)["scales"]["smoke"]["cells"]]


def data(name: str) -> Evidence:
    """A data set by name: the catalogue's, or random images of a larger one's shape and classes."""
    if name not in EXTERNAL:
        images = sets.load(ROOT, name, "", False)
        return Evidence(
            {"name": name, "classes": images.classes}, read_arrays=lambda: {"x": images.x, "y": images.y}
        )
    known = EXTERNAL[name]
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(known.classes), PER_CLASS)).astype(np.int64)
    paint = rng.integers(0, 256, (known.classes, *known.shape))  # a class can be learned
    x = (paint[y] / 2 + rng.integers(0, 128, (len(y), *known.shape))).astype(np.uint8)
    return Evidence({"name": name, "classes": known.classes}, read_arrays=lambda: {"x": x, "y": y})


def bring_data() -> None:
    """Put missing data files into `data/raw` out of the repository's own store, for want of DVC."""

    def stored(md5: str) -> bytes:
        content = (ROOT / "dvcstore/files/md5" / md5[:2] / md5[2:]).read_bytes()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5.removesuffix(".dir"):
            raise SystemExit(f"dvcstore: {md5} is damaged")
        return content

    out = yaml.safe_load((ROOT / "data.dvc").read_text())["outs"][0]
    for entry in json.loads(stored(out["md5"])):
        path = ROOT / out["path"] / entry["relpath"]
        if not path.is_file():
            write_atomic(path, stored(entry["md5"]))
