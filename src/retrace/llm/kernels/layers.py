"""A Llama network taken apart: embedding, some of the layers, and the head only where it is needed.

Rows are padded on the right: under causal attention no real token sees the padding, so no mask is needed.
Or they lie end to end (`run_rows`), and only attention pads them: all else computes real tokens alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from retrace.llm.kernels.cache import KeyValues

HEAD_ROWS = 64  # rows of logits held at once: larger blocks leave the allocator's heap and cost page faults
Switch = Callable[[Sequence[int]], None]  # told which of the caller's rows the next batch holds


def no_switch(rows: Sequence[int]) -> None:
    """For networks that treat all rows alike."""


def pad(sequences: Sequence[Sequence[int]], device: torch.device, left: bool = False) -> Tensor:
    """Token rows as one int64 tensor (B,T), filled with 0."""
    width = max(map(len, sequences))
    filled = [[*[0] * (width - len(s)), *s] if left else [*s, *[0] * (width - len(s))] for s in sequences]
    return torch.tensor(filled, dtype=torch.int64, device=device)


def pad_hidden(states: Sequence[Tensor]) -> Tensor:
    """Ragged hidden states (T_i,D) as one tensor (B,T,D), filled with 0 on the right."""
    return nn.utils.rnn.pad_sequence(list(states), batch_first=True)


def embed(net: Any, ids: Tensor) -> Tensor:
    """Token embeddings (B,T,D) of `ids` (B,T)."""
    states: Tensor = net.model.embed_tokens(ids)
    return states


def run(
    net: Any,
    states: Tensor,
    start: int = 0,
    stop: int | None = None,
    positions: Tensor | None = None,
    mask: Tensor | None = None,
    cache: KeyValues | None = None,
) -> Tensor:
    """Hidden states (B,T,D) carried from before layer `start` to before layer `stop` (all by default).

    `positions` (B,T) are 0..T-1 by default; `mask` (B,1,T,S) is true where a query may look, causal when
    None; `cache` keeps keys and values for later calls.
    """
    if positions is None:
        positions = torch.arange(states.shape[1], device=states.device)[None]
    rotary = net.model.rotary_emb(states, position_ids=positions)
    for layer in net.model.layers[start:stop]:
        states = layer(
            states,
            attention_mask=mask,
            position_embeddings=rotary,
            past_key_values=cache,
            position_ids=positions,
        )
    return states


def run_rows(net: Any, states: Tensor, lengths: Sequence[int], start: int = 0, again: bool = False) -> Tensor:
    """`run` from before layer `start` to the end for rows end to end, (N,D) with N the sum of `lengths`.

    `again`: a backward pass computes every layer again instead of holding what it needs; the same numbers.
    """
    width, device = max(lengths), states.device
    own = torch.cat([torch.arange(length, device=device) for length in lengths])  # (N,) positions in rows
    row = torch.repeat_interleave(torch.tensor(lengths, device=device))  # (N,)
    rotary = net.model.rotary_emb(states[None], position_ids=own[None])
    given = {"position_embeddings": rotary, "places": row * width + own, "rows": (len(lengths), width)}

    def carried(layer: nn.Module, states: Tensor) -> Tensor:
        with _attention(net.config, _END_TO_END):
            found: Tensor = layer(states, **given)
        return found

    states = states[None]
    for layer in net.model.layers[start:]:
        if again:
            states = checkpoint(carried, layer, states, use_reentrant=False, preserve_rng_state=False)
        else:
            states = carried(layer, states)
    return states[0]


@contextmanager
def _attention(config: Any, name: str) -> Iterator[None]:
    """transformers' attention by name, for the time of a block."""
    before = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = before


def _end_to_end(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: None,
    places: Tensor,
    rows: tuple[int, int],
    **given: Any,
) -> tuple[Tensor, None]:
    """transformers' causal attention within rows end to end: of heads (1,H,N,d), out (1,N,H,d).

    `places` (N,) are flat positions in the padded rows, `rows` their number and width.
    """

    def padded(flat: Tensor) -> Tensor:
        heads, _, depth = flat.shape[1:]
        filled = flat.new_zeros(rows[0] * rows[1], heads, depth).index_copy(
            0, places, flat[0].transpose(0, 1)
        )
        return filled.view(*rows, heads, depth).transpose(1, 2)  # (B,H,T,d)

    made, _ = sdpa_attention_forward(module, padded(query), padded(key), padded(value), mask, **given)
    return made.flatten(0, 1)[places][None], None


_END_TO_END = "end to end"
AttentionInterface.register(_END_TO_END, _end_to_end)


def logits(net: Any, states: Tensor) -> Tensor:
    """Logits (N,V), in float32 at least, of final hidden states (N,D): norm, then head."""
    values: Tensor = net.lm_head(net.model.norm(states))
    return values.to(torch.promote_types(values.dtype, torch.float32))


def log_probabilities(net: Any, states: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """log P(token `target[k]` | hidden state `source[k]`) (K,) of `states` (N,D), in float32 at least.

    Every state passes the head once, however many targets it predicts.
    """
    parts = []
    order = torch.argsort(source, stable=True)
    source, target = source[order], target[order]
    for first in range(0, len(states), HEAD_ROWS):
        block = net.lm_head(net.model.norm(states[first : first + HEAD_ROWS]))  # (n,V), n states
        block = block.log_softmax(1, dtype=torch.promote_types(block.dtype, torch.float32))
        low, high = torch.searchsorted(
            source, torch.tensor([first, first + len(block)], device=source.device)
        )
        rows = source[low:high] - first
        parts.append(block[rows, target[low:high]])  # targets of these states
    return torch.cat(parts)[torch.argsort(order)]


@contextmanager
def hooked(places: Sequence[tuple[nn.Module, Callable[..., Any]]], before: bool = True) -> Iterator[None]:
    """Hooks on modules for the time of a block: before a module computes, or after it."""
    handles = [
        module.register_forward_pre_hook(hook) if before else module.register_forward_hook(hook)
        for module, hook in places
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
