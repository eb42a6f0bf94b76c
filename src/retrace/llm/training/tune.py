"""Fine-tune chosen entries of a network's weights; all other entries keep their bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from retrace.llm.kernels.nll import answer_nll
from retrace.llm.load import layer_of
from retrace.llm.rows import Row
from retrace.llm.training.steps import Settings, schedule

LINEARS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


def linears(net: Any, start: int = 0) -> dict[str, Tensor | None]:
    """Every linear weight of the layers from `start` on, all of its entries trainable (None)."""
    return {
        f"model.layers.{number}.{name}.weight": None
        for number in range(start, len(net.model.layers))
        for name in LINEARS
    }


def unit_entries(net: Any, mlp: Tensor, heads: Tensor, start: int = 0) -> dict[str, Tensor]:
    """Which entries of the linear weights from layer `start` on belong to the units that are true.

    `mlp` (L,I), `heads` (L,H). A neuron owns its rows of gate_proj and up_proj and its column of down_proj, a
    head its rows of q_proj and columns of o_proj; k_proj and v_proj rows belong to a unit when all query
    heads of their group are chosen.
    """
    found = {}
    for number in range(start, len(net.model.layers)):
        layer, at = net.model.layers[number], f"model.layers.{number}"
        width = layer.self_attn.o_proj.in_features // heads.shape[1]
        wide = heads[number].repeat_interleave(width)
        groups = layer.self_attn.k_proj.out_features // width
        whole = heads[number].view(groups, -1).all(1).repeat_interleave(width)
        rows = {
            "self_attn.q_proj": wide,
            "self_attn.k_proj": whole,
            "self_attn.v_proj": whole,
            "mlp.gate_proj": mlp[number],
            "mlp.up_proj": mlp[number],
        }
        for name in LINEARS:
            weight = layer.get_submodule(name).weight
            if name in rows:
                chosen = rows[name][:, None]
            else:
                chosen = (mlp[number] if name == "mlp.down_proj" else wide)[None]
            found[f"{at}.{name}.weight"] = chosen.expand(weight.shape).to(weight.device)
    return found


def complement(entries: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """The entries that are not chosen: what trains when the chosen ones are frozen."""
    return {name: _inverse(chosen) for name, chosen in entries.items()}


def _inverse(mask: Tensor) -> Tensor:
    """~mask; what is one value along an axis stays so in memory: masks of 7 billion weights are large."""
    core = mask
    for axis in (0, 1):
        core = core.narrow(axis, 0, 1) if mask.stride(axis) == 0 else core
    return (~core).expand_as(mask)


def tune(
    net: Any,
    rows: Sequence[Row],
    settings: Settings,
    trainable: Mapping[str, Tensor | None],
    seed: int,
    kept: Sequence[Tensor] | None = None,
    start: int = 0,
) -> list[float]:
    """Minimise the mean NLL of answer tokens over the `trainable` entries, in place; the loss of every step.

    `trainable` maps parameters to boolean masks of their entries (None: all). Every other entry ends bit for
    bit as it began, weight decay included. `kept` are hidden states before layer `start`, below which nothing
    may be trainable. Weights should be float32: small updates vanish in bfloat16.
    Errors: ValueError for an unknown parameter or one below `start`.
    """
    parameters = dict(net.named_parameters())
    if unknown := sorted(set(trainable) - set(parameters)):
        raise ValueError(f"no parameter {unknown[0]}")
    if kept is not None and any(layer_of(name) < start for name in trainable):
        raise ValueError(f"a parameter below layer {start} cannot be trained from hidden states kept there")
    chosen = [parameters[name] for name in trainable]
    before = [None if mask is None else parameters[name].detach().clone() for name, mask in trainable.items()]
    optimizer = torch.optim.AdamW(chosen, lr=settings.rate, weight_decay=settings.decay)
    losses = []
    for parameter in chosen:
        parameter.requires_grad_(True)
    try:
        for rate, batch in schedule(len(rows), settings, seed):
            set_rate(optimizer, rate)
            some = None if kept is None else [kept[i] for i in batch]
            loss = _mean(net, [rows[i] for i in batch], some, start)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            for parameter, mask in zip(chosen, trainable.values(), strict=True):
                if mask is not None and parameter.grad is not None:
                    parameter.grad *= mask
            optimizer.step()
            with torch.no_grad():
                for parameter, mask, old in zip(chosen, trainable.values(), before, strict=True):
                    if mask is not None and old is not None:
                        parameter.copy_(torch.where(mask, parameter, old))
            losses.append(float(loss.detach()))
    finally:
        for parameter in chosen:
            parameter.requires_grad_(False)
            parameter.grad = None
    return losses


def _mean(net: Any, rows: Sequence[Row], kept: Sequence[Tensor] | None, start: int) -> Tensor:
    return answer_nll(net, rows, kept, start).sum() / sum(len(row.answer) for row in rows)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of an optimiser's next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate
