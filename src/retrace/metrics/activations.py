"""Forward passes that hand out activations layer by layer, reduced inside the hook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Family = Literal["cnn", "vit"]
VitAxis = Literal["channel", "token"]
Values = npt.NDArray[np.floating[Any]]
OnLayer = Callable[[str, Tensor, slice], None]
SHORTCUTS = {"downsample", "shortcut"}
_OnCall = Callable[[str, nn.Module, Tensor, Tensor], None]


def family(net: nn.Module) -> Family:
    """Tell a transformer ("vit": it holds an attention module) from a CNN."""
    return "vit" if any(_is_attention(module) for module in net.modules()) else "cnn"


def width(module: nn.Module) -> int | None:
    """Return `out_channels` or `out_features` of a module without children, None where it has neither.

    Containers that also carry a width (torchvision's `Conv2dNormActivation`) do not count: they return
    values after batch norm and activation.
    """
    if next(module.children(), None) is not None:
        return None
    found = getattr(module, "out_channels", getattr(module, "out_features", None))
    return found if isinstance(found, int) else None


def channel_means(output: Tensor) -> Tensor:
    """Average an output over space or tokens: (n,C,...) -> (n,C); tokens (n,T,D) -> (n,D); (n,C) as it is."""
    if output.dim() == 3:
        return output.mean(dim=1)
    return output.flatten(2).mean(dim=2) if output.dim() > 2 else output


def vectors(output: Tensor, kind: Family) -> Tensor:
    """Return the vector an image leaves in a layer, (n,V): channel means (CNN) or all values (ViT).

    Source: PreIndex (AIES 2024), released code of the activation distances.
    """
    return channel_means(output) if kind == "cnn" and output.dim() != 3 else output.flatten(1)


@contextmanager
def tapped(net: nn.Module, on_call: _OnCall) -> Iterator[torch.device]:
    """Call `on_call(name, module, input, output)` for every named module that runs.

    In eval mode and without gradients. Yields the network's device; hooks and training flags are put back
    on leaving. A module that runs twice in one pass reports twice; one that does not run (auxiliary heads,
    the inner projection of `nn.MultiheadAttention`) does not report.
    """
    flags = {module: module.training for module in net.modules()}

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def report(module: nn.Module, inputs: Any, output: Any) -> None:
            first = inputs[0] if inputs else None
            if isinstance(output, Tensor) and isinstance(first, Tensor):
                on_call(name, module, first, output)

        return report

    handles = [module.register_forward_hook(hook(name)) for name, module in net.named_modules() if name]
    net.eval()
    try:
        with torch.no_grad():
            yield device_of(net)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in flags.items():
            module.training = training


def device_of(net: nn.Module) -> torch.device:
    """Return the device of a network's first parameter (CPU if it has none)."""
    first = next(net.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def last_conv(net: nn.Module, example: Tensor) -> str:
    """Name the default layer of the indices: the last convolution to run, or a ViT's last block.

    `example`: a few images (n,C,H,W). The order is that of execution, so auxiliary heads do not count, nor
    do convolutions on a shortcut (a module named downsample or shortcut). A network with neither gives its
    last linear layer before the head. Raises ValueError if it has none.
    """
    inside = {name for name, module in net.named_modules() if _is_attention(module)}
    listed = {
        f"{name}.{child}" if name else child
        for name, module in net.named_modules()
        if isinstance(module, nn.Sequential | nn.ModuleList)
        for child, _ in module.named_children()
    }
    convs: list[str] = []
    blocks: list[str] = []
    linears: list[str] = []

    def on_call(name: str, module: nn.Module, _input: Tensor, _output: Tensor) -> None:
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and not SHORTCUTS & set(name.split(".")):
            convs.append(name)
        if isinstance(module, nn.Linear):
            linears.append(name)
        if any(other.startswith(f"{name}.") for other in inside):
            blocks.append(name)

    with tapped(net, on_call) as device:
        net(example.to(device))
    named = [name for name in blocks if name in listed] or blocks or convs or linears[:-1]
    if not named:
        raise ValueError("the network runs no layer before its head; name the layer yourself")
    return named[-1]


def kept_layers(net: nn.Module, example: Tensor, classes: int, kind: Family | None = None) -> list[str]:
    """Name the layers PreIndex keeps, in order of execution.

    A layer counts if its module has `out_channels` or `out_features` and its vector is strictly longer
    than the number of classes; its raw output counts (before batch norm). Source: PreIndex released code.
    """
    kind = kind or family(net)
    names: list[str] = []

    def on_call(name: str, module: nn.Module, _input: Tensor, output: Tensor) -> None:
        if width(module) is not None and vectors(output, kind).shape[1] > classes:
            names.append(name)

    with tapped(net, on_call) as device:
        net(example[:1].to(device))
    return names


@dataclass(frozen=True)
class Pass:
    """What one forward pass over N images leaves.

    logits (N,K); features (N,D): input of the last linear layer; embedding (N,E): flattened output of
    the named layer, whose shape for one image is `shape`. All float32 on the CPU.
    """

    logits: Values
    features: Values
    embedding: Values
    shape: tuple[int, ...]

    def pooled(self, vit_axis: VitAxis = "channel") -> Values:
        """Return the named layer averaged over space or tokens, (N,C), float64 (see `pooled_output`)."""
        whole = torch.from_numpy(self.embedding).reshape(len(self.embedding), *self.shape)
        return pooled_output(whole, vit_axis).numpy()


def pooled_output(output: Tensor, vit_axis: VitAxis = "channel") -> Tensor:
    """Average a layer's output (n,C,H,W), (n,T,D) or (n,C) to one float64 vector an image.

    `vit_axis`: "channel" averages the tokens of (n,T,D) and keeps D values; "token" averages the
    channels and keeps T values, as RESQUE's released code does.
    """
    if output.dim() == 3 and vit_axis == "token":
        return output.double().mean(dim=2)
    return channel_means(output.double())


@dataclass(frozen=True)
class Batch:
    """What a network gives for the images `rows`: logits (n,K), features (n,D), the named layer's output."""

    rows: slice
    logits: Tensor
    features: Tensor
    output: Tensor


def stream(
    net: nn.Module,
    images: Tensor,
    layer: str,
    on_batch: Callable[[Batch], None],
    on_layer: OnLayer | None = None,
    batch: int = 128,
) -> None:
    """Run images (N,C,H,W) through a network once, in eval mode, and hand out each batch; nothing is kept.

    `on_layer(name, output, rows)` sees the raw output of every module that has a width, batch by batch;
    it must reduce what it keeps, for later layers may overwrite it. Features are the input of the last
    linear layer, or the named layer's channel means without one. Raises ValueError if `layer` is unknown.
    """
    if layer not in dict(net.named_modules()):
        raise ValueError(
            f"layer {layer!r} is not in the network; use a name from named_modules() or last_conv"
        )
    rows = slice(0, 0)
    seen: dict[str, Tensor] = {}

    def on_call(name: str, module: nn.Module, given: Tensor, output: Tensor) -> None:
        if isinstance(module, nn.Linear):
            seen["features"] = given
        if name == layer:
            seen["output"] = output.clone()
        if on_layer is not None and width(module) is not None:
            on_layer(name, output, rows)

    with tapped(net, on_call) as device:
        for start in range(0, len(images), batch):
            chunk = images[start : start + batch]
            rows = slice(start, start + len(chunk))
            seen.clear()
            logits = net(chunk.to(device))
            if "output" not in seen:
                raise ValueError(f"layer {layer!r} did not run or does not return one tensor; name another")
            output = seen["output"]
            on_batch(Batch(rows, logits, seen.get("features", channel_means(output)).flatten(1), output))


def forward(
    net: nn.Module, images: Tensor, layer: str, on_layer: OnLayer | None = None, batch: int = 128
) -> Pass:
    """Run images (N,C,H,W) through a network once and keep logits, features, embedding; see `stream`."""
    parts: list[tuple[Values, ...]] = []
    shape: list[int] = []

    def keep(found: Batch) -> None:
        shape[:] = found.output.shape[1:]
        wanted = (found.logits, found.features, found.output)
        parts.append(tuple(each.flatten(1).float().cpu().numpy().copy() for each in wanted))

    stream(net, images, layer, keep, on_layer, batch)
    logits, features, embedding = (np.concatenate(chunks) for chunks in zip(*parts, strict=True))
    return Pass(logits, features, embedding, tuple(shape))


def _is_attention(module: nn.Module) -> bool:
    return "attention" in type(module).__name__.lower()
