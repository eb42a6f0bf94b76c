"""The parts of the bench by name: what each runs, for how long at most, and whether alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from device import cells
from device.stages import run_cells

METHODS = ("dense", "imp", "imp_rs", "struct_lth", "snip", "taylor", "hydra", "hydra_nrs", "slim", "reinit")
METHODS += ("unretrained", "random", "narrow_refilled", "decay", "long", "doubled")
CERTIFIED = ("dense", "imp", "imp_nrs", "slim", "long")
MEASURED = ("dense", "imp", "slim")


@dataclass(frozen=True)
class Part:
    """One process: `run` is given its name; or a command line of a benchmark beside this one."""

    run: Callable[[str], None] | tuple[str, ...]
    limit: int  # seconds
    alone: bool = False


def _machine(part: str) -> None:
    from device import gauges

    gauges.describe(part)


def _energy(part: str) -> None:
    from device import gauges

    gauges.energy(part)


def _reuse(part: str) -> None:
    few = ["gauss:0.15", "blur:1.25"]
    chosen = cells.reuse("cifar10-resnet", {"conditions": few})
    run_cells(part, "reuse", [("cifar10-resnet", chosen)], again=("train", "defend", "measure"))


def _reuse_networks(part: str) -> None:
    nets = ("cifar10-vgg", "cifar10-mobilenet", "cifar10-googlenet", "cifar10-vit")
    one = {"conditions": ["gauss:0.15"], "epochs": 1, "drop_at": 0}
    run_cells(part, "reuse", [(name, cells.reuse(name, one)) for name in nets])
    task = {"conditions": ["task:invert", "task:blocks8", "task:other"], "other_reserve": 20}
    run_cells(part, "reuse", [("cifar10-task", cells.reuse("cifar10-task", task))])


def _membership(part: str) -> None:
    run_cells(part, "membership", [("cifar10-resnet18", cells.membership({}))], again=("train",))


def _certification(part: str) -> None:
    few = cells.certification("fashion-adversarial", MEASURED)
    run_cells(part, "certification", [("fashion-adversarial", few)], again=("train", "measure"))


def _certification_methods(part: str) -> None:
    for name, only in (("fashion-adversarial", METHODS), ("fashion-certified", CERTIFIED)):
        chosen = [(name, cells.certification(name, only))]
        run_cells(part, "certification", chosen, ("prepare", "train"))


def _memory(part: str) -> None:
    run_cells(part, "memory", [("copy", cells.memory("copy", {}))], again=("train",))


def _memory_tasks(part: str) -> None:
    rest = [(name, cells.memory(name, {"steps": 3})) for name in ("repeat", "recall", "sort")]
    run_cells(part, "memory", rest)


def _memory_images(part: str) -> None:
    task = {"kind": "pixels", "epochs": 1, "test": 0.142857}
    run_cells(part, "memory", [("digits", cells.memory("digits", {"task": task}))])


def _safety(
    layers: int,
    start: int,
    verbs: tuple[str, ...] = (),
    again: tuple[str, ...] = (),
    model: str = "mistral",
    freezes: tuple[str, ...] = (),
) -> Callable[[str], None]:
    def run(part: str) -> None:
        from device.language import stand_in

        stand_in(layers, os.environ["RETRACE_DEVICE"] == "cpu", model)
        chosen = cells.safety({"start": start})
        chosen["freezes"]["lower"] = {"kind": "lower", "layers": (layers - start) // 2}
        chosen["freezes"] = {name: chosen["freezes"][name] for name in freezes or chosen["freezes"]}
        run_cells(part, "safety", [("mistral-public", chosen)], verbs, again)

    return run


def _smoke(study: str) -> Callable[[str], None]:
    def run(part: str) -> None:
        run_cells(part, study, cells.smoke(study))

    return run


# the largest model of the paper scale, with as many trained layers
_PAPER = _safety(32, 12, ("prepare", "train", "attack"), model="llama3", freezes=("free", "safety", "lower"))
STUDIES = ("certification", "memory", "membership", "safety", "reuse")
# by value: what is cut off at the end is missed least
PARTS: dict[str, Part] = {
    "machine": Part(_machine, 40, alone=True),
    "certification": Part(_certification, 130),
    "safety": Part(_safety(4, 2, again=("train", "attack")), 120),
    "membership": Part(_membership, 140),
    "memory": Part(_memory, 170),
    "reuse": Part(_reuse, 90),
    "safety-paper": Part(_PAPER, 130, alone=True),
    "bounds": Part(("bench_verify_gpu.py",), 70, alone=True),
    "energy": Part(_energy, 40, alone=True),
    "safety-whole": Part(_safety(32, 24), 140, alone=True),
    "scans": Part(("bench_memory_gpu.py", "--networks", "lstm", "armin-soft", "ntm", "dnc"), 45, alone=True),
    "scores": Part(("bench_llm_gpu.py", "--rows", "64", "--tokens", "256"), 40, alone=True),
    "certification-methods": Part(_certification_methods, 120),
    "memory-tasks": Part(_memory_tasks, 130),
    "memory-images": Part(_memory_images, 100),
    "reuse-networks": Part(_reuse_networks, 130),
    **{f"smoke-{study}": Part(_smoke(study), 100) for study in STUDIES},
}
