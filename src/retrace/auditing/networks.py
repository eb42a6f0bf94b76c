"""Logits of a torch network, files that hold one, and a trainer for shadow models of one's own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from retrace.auditing.shadows import Array, Ask, Train
from retrace.errors import RetraceError

if TYPE_CHECKING:
    from torch import nn


def logits_of(
    model: Callable[[Any], Any], inputs: npt.ArrayLike, *, batch: int = 256, device: str | None = None
) -> Array:
    """What a network answers to inputs (N,...): logits (N,C), in batches, in evaluation mode.

    `model`: a torch module, or any callable of a batch (float32, unless inputs are whole numbers other than
    uint8: then int64) that returns logits, or an object with `logits`. `device`: where the module is, if not
    told. The module's mode is put back. RetraceError, one line, for another shape or an error of the model.
    """
    torch = _torch()
    x = np.asarray(inputs)
    if not len(x) or batch < 1:
        raise RetraceError(f"logits: one input or more, in batches from 1; got {len(x)} and {batch}")
    where = device or _device(model)
    whole = np.issubdtype(x.dtype, np.integer) and x.dtype != np.uint8
    answered = []
    with torch.no_grad(), _evaluating(model):
        for start in range(0, len(x), batch):
            part = torch.as_tensor(x[start : start + batch]).to(where)
            try:
                out = model(part.long() if whole else part.float())
            except Exception as error:  # whatever a user's network raises
                fixed = " (export it with a dynamic batch)" if "Guard failed" in str(error) else ""
                raise RetraceError(
                    f"the model fails on inputs of shape {tuple(part.shape)}: {_first(error)}{fixed}"
                ) from error
            out = getattr(out, "logits", out)
            if not torch.is_tensor(out) or out.ndim != 2 or len(out) != len(part):
                got = tuple(out.shape) if torch.is_tensor(out) else type(out).__name__
                raise RetraceError(f"the model must return logits ({len(part)}, classes); it returned {got}")
            answered.append(out.float().cpu().numpy())
    return np.concatenate(answered)


def read_network(path: Path) -> Callable[[Any], Any]:
    """A network from a file of torch.export (.pt2) or TorchScript (others); RetraceError, one line.

    Weights alone, or a pickled module, cannot be run without the code of the class: export it first.
    """
    torch = _torch()
    if not path.is_file():
        raise RetraceError(f"{path}: no such file")
    try:
        if path.suffix == ".pt2":
            return torch.export.load(path).module()  # type: ignore[no-any-return]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # that torch.export is the newer way
            return torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-any-return]
    except Exception:  # torch raises what its readers raise, and says nothing that helps here
        raise RetraceError(
            f"{path}: neither a file of torch.export.save (.pt2) nor of torch.jit.save; weights alone or a "
            "pickled module cannot be run: export the network first"
        ) from None


def torch_trainer(
    build: Callable[[], nn.Module],
    *,
    epochs: int = 20,
    rate: float = 1e-3,
    batch: int = 64,
    weight_decay: float = 0.0,
    device: str = "cpu",
) -> Train:
    """A `train` for `shadow_ensemble`: fresh networks of `build`, Adam on the cross-entropy.

    torch's seed is set before `build` is called, so that a seed gives the same network; the global random
    state is left as it was. RetraceError for settings that are not positive.
    """
    if epochs < 1 or batch < 1 or not rate > 0:
        raise RetraceError(
            f"torch_trainer: epochs and batch from 1, rate above 0; got {epochs}, {batch}, {rate:g}"
        )

    def train(inputs: Array, labels: Array, seed: int) -> Ask:
        torch = _torch()
        x = torch.as_tensor(inputs).float().to(device)
        y = torch.as_tensor(labels).to(device)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = build().to(device).train()
            adam = torch.optim.Adam(network.parameters(), lr=rate, weight_decay=weight_decay)
            for _ in range(epochs):
                for rows in torch.randperm(len(x), device=device).split(batch):
                    adam.zero_grad()
                    torch.nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
                    adam.step()
        return lambda given: logits_of(network, given, device=device)

    return train


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Evaluation mode for a module that is in training; exported programs have no mode to change."""
    training = bool(getattr(model, "training", False))
    try:
        if training:
            model.eval()
    except NotImplementedError:
        training = False
    try:
        yield
    finally:
        if training:
            model.train()


def _device(model: Any) -> Any:
    parameters = getattr(model, "parameters", None)
    first = next(iter(parameters()), None) if parameters else None
    return "cpu" if first is None else first.device


def _first(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def _torch() -> ModuleType:
    try:
        import torch
    except ImportError:
        raise RetraceError("networks need torch: pip install 'retrace[torch]'") from None
    return torch
