"""Theorem 2 on the kept network: bounds on the gradient at every LayerNorm's input, beside the gradient."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from retrace.llm.branches import Layer, layers
from retrace.llm.encoders import Encoder
from retrace.metrics.jacobians import largest_singular_values
from retrace.metrics.norm_gradients import norm_input_gradients
from retrace.nets.layernorms import find
from retrace.stage import Array, Inputs, Output, StageError
from retrace.studies.layernorm.setup import Case, case
from retrace.training.finetune import Named, take

if TYPE_CHECKING:
    from retrace.studies.layernorm.params import Measure


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Arrays `bound` and `measured` (2 layers, R): each layer's LN1 and LN2, test rows of one length.

    Results: `known`, false where the architecture's branches are not known here: then arrays are (0, R).
    Errors: StageError when a product with a Jacobian is not finite.
    """
    shared = case(params, inputs, seed)
    net = shared.network("classes")
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.from_numpy(inputs["train"].read_scratch()[name]))
    net.requires_grad_(False)
    rows = alike(shared, params.bounded)
    taken = take(shared.test, rows)
    length = next(iter(taken.values())).shape[1]
    branches = layers(net.backbone, length)
    if branches is None:
        nothing = np.zeros((0, len(rows)))
        return Output({"known": False, "length": length}, arrays={"bound": nothing, "measured": nothing})
    try:
        bound, measured = _both(
            net, branches, taken, shared.tensor(shared.rows.test_y)[rows], params.iterations
        )
    except ValueError as error:
        raise StageError(f"theorem 2: {error}; lower tuning.rate") from None
    return Output({"known": True, "length": length}, arrays={"bound": bound, "measured": measured})


def alike(shared: Case, count: int) -> Tensor:
    """The first `count` test rows of the commonest length, so that none is padded."""
    if "attention_mask" not in shared.test:
        return torch.arange(count)
    lengths = shared.test["attention_mask"].sum(1).tolist()
    commonest = Counter(lengths).most_common(1)[0][0]
    return torch.tensor([i for i, length in enumerate(lengths) if length == commonest][:count])


def _both(
    net: Encoder, branches: list[Layer], inputs: Named, y: Tensor, iterations: int
) -> tuple[Array, Array]:
    seen: list[Tensor] = []
    first = list(_blocks(net))
    hooks = [
        block.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach())) for block in first
    ]
    inner = [norm.module for norm in find(net.backbone) if norm.layer is not None]
    at_end = _Ending()
    # the last hidden state's own gradient begins the product of factors
    measured, _ = norm_input_gradients(
        net.embedding(),
        [*inner, at_end],
        lambda: nn.functional.cross_entropy(_ended(net, inputs, at_end), y, reduction="none"),
    )
    for hook in hooks:
        hook.remove()
    factor = measured[-1].double()
    if branches[0].norm1 is None:
        outside = [norm.module for norm in find(net.backbone) if norm.layer is None]
        last = seen[-1] + branches[-1].attention(seen[-1])
        factor = factor * _s(outside[-1], last + branches[-1].feed(last), iterations)
    bounds: list[Tensor] = []
    for layer, x in zip(reversed(branches), reversed(seen), strict=True):
        bounds[:0], factor = _through(layer, x, factor, iterations)
    return torch.stack(bounds).cpu().numpy(), measured[:-1].cpu().numpy()


def _through(layer: Layer, x: Tensor, factor: Tensor, iterations: int) -> tuple[list[Tensor], Tensor]:
    """Bounds at the layer's LN1 and LN2 input, and the factor below it, from the factor above it."""
    if layer.norm1 is None or layer.norm2 is None:
        middle = x + layer.attention(x)
        at_second = factor * (1 + _s(layer.feed, middle, iterations))
        at_first = at_second * (1 + _s(layer.attention, x, iterations))
        return [at_first, at_second], at_first
    before = x + layer.attention(x)
    middle = layer.norm1(before)
    at_second = factor * _s(layer.norm2, middle + layer.feed(middle), iterations)
    at_first = at_second * (1 + _s(layer.feed, middle, iterations)) * _s(layer.norm1, before, iterations)
    return [at_first, at_second], at_first * (1 + _s(layer.attention, x, iterations))


def _s(function: object, x: Tensor, iterations: int) -> Tensor:
    return largest_singular_values(function, x, iterations).double()  # type: ignore[arg-type]


class _Ending(nn.Module):
    """Passes hidden states on: a place to look at their gradient."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden


def _ended(net: Encoder, inputs: Named, ending: nn.Module) -> Tensor:
    hidden = ending(net.backbone(**inputs).last_hidden_state)
    return net.logits(net.pooled(hidden, inputs.get("attention_mask")))


def _blocks(net: Encoder) -> list[nn.Module]:
    backbone: Any = net.backbone
    if hasattr(backbone, "encoder"):
        return list(backbone.encoder.layer)
    return list(backbone.layers if hasattr(backbone, "layers") else backbone.h)
