"""Fine-tune whole rows or columns of weights: only what trains has gradients, moments and copies.

The same result as `tune` on structured masks, at less cost: the trained rows or columns are leaves of their
own, so frozen entries are never written, gradients are freed as soon as they are used, and the matrices can
compute in bfloat16 while leaves, moments and all else stay as they were (mixed precision, Micikevicius et al.
2018, without loss scaling). A weight that trains whole is its own leaf, and changes from the first step on;
one that trains in part lies on the host meanwhile. On an accelerator the backward pass computes every layer
again (Chen et al. 2016, arXiv 1604.06174), so that of the forward pass only the layers' inputs are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from retrace.llm.kernels.nll import answer_states
from retrace.llm.load import layer_of
from retrace.llm.rows import Row
from retrace.llm.training.steps import Settings, schedule
from retrace.llm.training.tune import set_rate

BLOCK = 64  # rows of logits held at once: larger blocks leave the allocator's heap and cost page faults


@dataclass(frozen=True)
class Slice:
    """Rows (`axis` 0) or columns (1) of a weight by number; None: all of it."""

    axis: int = 0
    index: Tensor | None = None

    @property
    def empty(self) -> bool:
        """Whether there is no entry in it."""
        return self.index is not None and not len(self.index)

    def of(self, weight: Tensor) -> Tensor:
        """These entries: a copy, or, where it is all of them, the weight itself, so that it is held once."""
        return weight.detach() if self.index is None else weight.index_select(self.axis, self.index)

    def write(self, weight: Tensor, values: Tensor) -> None:
        """Put these entries into a weight, in its dtype."""
        if self.index is None:
            weight.copy_(values)  # nothing is moved where the values are the weight itself
        else:
            weight.index_copy_(self.axis, self.index, values.to(weight.dtype))


def slice_of(mask: Tensor | None) -> Slice:
    """The slice that a mask (out,in) marks; ValueError when it marks neither whole rows nor columns."""
    if mask is None:
        return Slice()
    for axis in (0, 1):
        whole = mask.all(1 - axis)
        if torch.equal(whole, mask.any(1 - axis)):
            return Slice(axis, whole.nonzero()[:, 0])
    raise ValueError("a mask of single entries has no rows or columns to train: use `tune`")


def tune_slices(
    net: Any,
    rows: Sequence[Row],
    settings: Settings,
    trainable: Mapping[str, Tensor | None],
    seed: int,
    kept: Sequence[Tensor] | None = None,
    start: int = 0,
    compute: torch.dtype | None = None,
) -> list[float]:
    """`tune`, where every mask marks whole rows or columns of a linear weight; losses of every step.

    `trainable`, `kept`, `start` as in `tune`: every other entry ends bit for bit as it began, and has neither
    gradient nor optimiser state. `compute` is the dtype of matrix products (the network's own when None).
    Errors: ValueError for what is no linear weight, lies below `start`, or is not whole rows or columns.
    """
    modules = {f"{name}.weight": part for name, part in net.named_modules() if isinstance(part, nn.Linear)}
    if unknown := sorted(set(trainable) - set(modules)):
        raise ValueError(f"no linear weight {unknown[0]}")
    if outside := sorted(name for name in trainable if not start <= layer_of(name) < len(net.model.layers)):
        raise ValueError(f"{outside[0]} is not in a layer from {start} on, where training starts")
    slices = {name: part for name, mask in trainable.items() if not (part := slice_of(mask)).empty}
    if not slices:
        raise ValueError("nothing may be trained: every entry is frozen")
    leaves = {name: part.of(modules[name].weight).requires_grad_() for name, part in slices.items()}
    optimizers = {
        name: torch.optim.AdamW([leaf], lr=settings.rate, weight_decay=settings.decay, fused=True)
        for name, leaf in leaves.items()
    }
    losses = []
    dtype = compute or net.model.embed_tokens.weight.dtype
    head = net.lm_head.weight.detach().to(dtype)
    in_part = [modules[name].weight for name, part in slices.items() if part.index is not None]
    with (
        _stood_in(net, start, slices, leaves, dtype) as stand_ins,
        _on_the_host(in_part),
        _stepping(leaves, optimizers, stand_ins),
    ):
        for rate, batch in schedule(len(rows), settings, seed):
            for optimizer in optimizers.values():
                set_rate(optimizer, rate)
            chosen = [rows[i] for i in batch]
            some = None if kept is None else [kept[i] for i in batch]
            states, targets = answer_states(net, chosen, some, start, again=head.is_cuda)
            loss: Tensor = _Surprise.apply(net.model.norm(states), head, targets)
            torch.autograd.backward(loss)
            losses.append(loss.detach())
        optimizers.clear()  # the moments, before the weights come back
    with torch.no_grad():
        for name, part in slices.items():
            part.write(modules[name].weight, leaves[name])
    return list(map(float, torch.stack(losses).tolist()))


@contextmanager
def _on_the_host(weights: Sequence[Tensor]) -> Iterator[None]:
    """Meanwhile these weights take no memory of the device; nothing reads them."""
    device = weights[0].device if weights else None
    for weight in weights:
        weight.data = weight.data.to("cpu")
    try:
        yield
    finally:
        for weight in weights:
            weight.data = weight.data.to(device)


@contextmanager
def _stepping(
    leaves: Mapping[str, Tensor],
    optimizers: Mapping[str, torch.optim.Optimizer],
    stand_ins: Mapping[str, _StandIn],
) -> Iterator[None]:
    """Every leaf takes its step as soon as its gradient is there, which is then freed: few exist at once."""

    def step(name: str) -> Callable[[Tensor], None]:
        def taken(leaf: Tensor) -> None:
            optimizers[name].step()
            leaf.grad = None
            stand_ins[name].refresh()

        return taken

    handles = [
        leaf.register_post_accumulate_grad_hook(step(name))  # type: ignore[no-untyped-call]
        for name, leaf in leaves.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Product(torch.autograd.Function):
    """x W', in the dtype of W, with the gradient of the leaf's rows or columns of W only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, leaf: Tensor | None, matrix: Tensor, part: Slice) -> Tensor:
        narrow = x.to(matrix.dtype)  # (...,in)
        ctx.matrix, ctx.part, ctx.dtypes = matrix, part, (x.dtype, None if leaf is None else leaf.dtype)
        ctx.save_for_backward(narrow if leaf is not None else None)
        return linear(narrow, matrix)  # (...,out)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        narrow = gradients[0]  # (...,out)
        below = (narrow @ ctx.matrix).to(ctx.dtypes[0]) if ctx.needs_input_grad[0] else None  # (...,in)
        own = None
        if ctx.needs_input_grad[1]:
            sides = [narrow.flatten(0, -2), ctx.saved_tensors[0].flatten(0, -2)]  # (K,out), (K,in)
            if ctx.part.index is not None:
                sides[ctx.part.axis] = sides[ctx.part.axis].index_select(1, ctx.part.index)  # (K,s)
            own = (sides[0].T @ sides[1]).to(ctx.dtypes[1])  # (s,in) or (out,s), as the leaf
        return below, own, None, None


class _Surprise(torch.autograd.Function):
    """Mean NLL of `targets` (K,) by a frozen head, from states (K,D) after the last norm.

    The gradient (softmax - target) W is taken while the logits are there: none of them is kept.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        total, slopes = torch.zeros((), device=states.device), []
        for block, wanted in zip(torch.split(states, BLOCK), torch.split(targets, BLOCK), strict=True):
            made = linear(block.to(head.dtype), head)  # (n,V), n of the K states
            logs = made.log_softmax(1, dtype=torch.promote_types(made.dtype, torch.float32))  # (n,V)
            places = torch.arange(len(block), device=block.device), wanted
            total = total - logs[places].sum()
            logs = logs.exp_()
            logs[places] -= 1
            slopes.append((logs.to(head.dtype) @ head).to(states.dtype))  # (n,D)
        ctx.slope = torch.cat(slopes) / len(states)  # (K,D)
        return total / len(states)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.slope * gradients[0], None, None


class _StandIn(nn.Module):
    """A linear layer whose matrix has the dtype of computing and follows its leaf.

    Queries, keys and values keep the input's dtype, since rotary positions would widen two of the three.
    """

    def __init__(
        self, name: str, layer: nn.Linear, part: Slice, leaf: Tensor | None, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self._widens = name.endswith(("q_proj", "k_proj", "v_proj"))
        self._matrix = layer.weight.detach().to(dtype, copy=leaf is not None)
        self._bias, self._part, self._leaf = layer.bias, part, leaf

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = _Product.apply(x, self._leaf, self._matrix, self._part)
        made = made if self._bias is None else made + self._bias.to(made.dtype)
        return made.to(x.dtype) if self._widens else made

    @torch.no_grad()
    def refresh(self) -> None:
        if self._leaf is not None:
            self._part.write(self._matrix, self._leaf)


@contextmanager
def _stood_in(
    net: Any, start: int, slices: Mapping[str, Slice], leaves: Mapping[str, Tensor], dtype: torch.dtype
) -> Iterator[dict[str, _StandIn]]:
    """Stand-ins for the linear layers from `start` on by weight, for the time of a block."""
    before = {
        name: part
        for name, part in net.named_modules()
        if isinstance(part, nn.Linear) and start <= layer_of(f"{name}.weight") < len(net.model.layers)
    }
    made = {}
    try:
        for name, layer in before.items():
            weight = f"{name}.weight"
            made[weight] = _StandIn(name, layer, slices.get(weight, Slice()), leaves.get(weight), dtype)
            net.set_submodule(name, made[weight])
        yield made
    finally:
        for name, layer in before.items():
            net.set_submodule(name, layer)
