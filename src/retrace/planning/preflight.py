"""Refusals before the first job: what a scale needs and the machine lacks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from retrace.config import Config
from retrace.errors import RetraceError


def check_folders(root: Path) -> None:
    """Refuse (RetraceError) a checkout in which a run may not leave what it makes."""
    for name in ("", ".snakemake", ".snakemake/metadata", "evidence", "results", "logs"):
        place = root / name
        if place.exists() and not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            raise RetraceError(
                f"{place}: you may not write there; run in a clone of your own "
                "(retrace verdicts, index and audit work here)"
            )


def check_scale_runs(config: Config, params: Iterable[dict[str, Any]], root: Path, here: bool = True) -> None:
    """Refuse a gpu or paper run on a machine without an accelerator or without the data sets.

    Jobs that run elsewhere than `here` look for an accelerator where they start: a login node has none.
    Raises RetraceError with what is missing and the remedy; smoke and laptop need neither.
    """
    if config.scale in ("smoke", "laptop"):
        return
    if here and config.device != "cpu" and not has_accelerator():
        raise RetraceError(
            f"scale {config.scale} needs an accelerator and none was found; run on a machine with one, plan "
            "only with -n, or insist with --config device=cpu (days)"
        )
    from retrace.data.external import missing, remedy
    from retrace.data.external_names import EXTERNAL

    wanted = {p.get(key) for p in params for key in ("dataset", "other_dataset")}
    names = sorted(name for name in wanted if name in EXTERNAL)
    absent = [name for name in names if missing(name, root / config.datasets)]
    for name in absent:
        if EXTERNAL[name].by_hand:
            how = remedy(name, config.download)
            raise RetraceError(f"scale {config.scale} needs {name} in {config.datasets}; {how} there")
    if absent and not config.download:
        raise RetraceError(
            f"scale {config.scale} needs {', '.join(absent)} in {config.datasets}; let torchvision fetch "
            "them with --config download=true (network), or put them there"
        )


def device_of_jobs(config: Config, networks: bool) -> str:
    """What a job is told to compute on: at scales that need an accelerator, never a CPU for want of one."""
    if not networks:
        return "cpu"
    return "cuda" if config.device == "auto" and config.scale in ("gpu", "paper") else config.device


def has_accelerator() -> bool:
    """Whether this machine has a GPU that PyTorch could use."""
    # the device file answers without two seconds of importing torch
    return any(Path("/dev").glob("nvidia[0-9]*"))
