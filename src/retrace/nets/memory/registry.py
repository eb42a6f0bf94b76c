"""Memory networks by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from retrace.errors import unknown
from retrace.nets.memory.armin import Armin
from retrace.nets.memory.base import MemoryNet
from retrace.nets.memory.dnc import Dnc
from retrace.nets.memory.lstm import Lstm
from retrace.nets.memory.ntm import Ntm
from retrace.nets.memory.sam import Sam
from retrace.nets.memory.tardis import Awta, Tardis
from retrace.stage import StageError

BUILDERS: dict[str, Callable[..., MemoryNet]] = {
    "armin-soft": partial(Armin, read="soft"),
    "armin-hard": partial(Armin, read="hard"),
    "armin-pixels": partial(Armin, read="hard", pixels=True),
    "random-address": partial(Armin, read="random"),
    "awta": Awta,
    "tardis": Tardis,
    "lstm": Lstm,
    "ntm": Ntm,
    "dnc": Dnc,
    "sam": Sam,
}


def build(
    name: str,
    inputs: int,
    outputs: int,
    hidden: int,
    slots: int,
    width: int,
    seed: int | None = None,
    **more: Any,
) -> MemoryNet:
    """The network `name`; its weights are drawn from `seed` alone when one is given.

    hidden: size of the hidden state or of the controller; slots x width: size of the memory. `more` are the
    class's own switches. The global random state stays as it was if a seed is given. StageError if no network
    has that name, ValueError for impossible sizes.
    """
    if name not in BUILDERS:
        raise StageError(unknown("memory network", name, BUILDERS))
    if seed is None:
        return BUILDERS[name](inputs, outputs, hidden, slots, width, **more)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BUILDERS[name](inputs, outputs, hidden, slots, width, **more)
