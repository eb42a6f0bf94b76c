"""Ways into a network: its head, the features before it, a fresh head, its weights as arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from retrace.stage import Array, StageError


def head_name(net: nn.Module) -> str:
    """Dotted name of the network's last linear layer."""
    names: list[str] = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    if not names:
        raise ValueError(f"network {type(net).__name__} has no linear layer to serve as its head")
    return names[-1]


def head(net: nn.Module) -> nn.Linear:
    """The network's last linear layer."""
    module = net.get_submodule(head_name(net))
    assert isinstance(module, nn.Linear)
    return module


@torch.no_grad()
def features(net: nn.Module, x: Tensor, batch: int = 1000) -> Tensor:
    """Input of the head in evaluation mode: (N, C, H, W) images to (N, D) features, no gradient."""
    kept: list[Tensor] = []
    hook = head(net).register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    training = net.training
    net.eval()
    try:
        for part in torch.split(x, batch):
            net(part)
    finally:
        hook.remove()
        net.train(training)
    return torch.cat(kept)


def replace_head(net: nn.Module, classes: int, seed: int) -> nn.Module:
    """Put a fresh head for `classes` classes, drawn from `seed`, on the network; returns the network."""
    name = head_name(net)
    old = head(net)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        new = nn.Linear(old.in_features, classes, bias=old.bias is not None)
    owner, _, attribute = name.rpartition(".")
    setattr(net.get_submodule(owner), attribute, new.to(old.weight.device, old.weight.dtype))
    return net


def state_arrays(net: nn.Module) -> dict[str, Array]:
    """The network's parameters and buffers as C-contiguous arrays by name."""
    return {name: np.asarray(t.detach().cpu().numpy(), order="C") for name, t in net.state_dict().items()}


def load_arrays(net: nn.Module, arrays: Mapping[str, Array]) -> nn.Module:
    """Copy arrays made by `state_arrays` into the network; StageError where names or shapes differ."""
    expected = {name: tuple(t.shape) for name, t in net.state_dict().items()}
    for name in sorted(expected.keys() | arrays.keys()):
        found = tuple(arrays[name].shape) if name in arrays else None
        if found != expected.get(name):
            raise StageError(
                f"weights {name}: shape {found}, the network expects {expected.get(name)}; "
                "they belong to another network, run its training stage again"
            )
    net.load_state_dict({name: torch.from_numpy(np.asarray(a).copy()) for name, a in arrays.items()})
    return net
