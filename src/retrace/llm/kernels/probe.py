"""Which way an answer goes: hidden states after a forced opening against those without one.

Li and Kim (SSAH, ICLR 2026), section 3: a request alone, with the start of a refusal, and with the start of
compliance; greedy answers; distance 1 - cos of the last token's states by layer and number of tokens. The
last token (rather than a mean) and what becomes of answers that end early are our reconstruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from retrace.llm.kernels.cache import KeyValues
from retrace.llm.kernels.layers import embed, hooked, logits, pad, run
from retrace.llm.rows import batches, halves

Tokens = Sequence[int]


@torch.no_grad()
def directions(
    net: Any,
    prompts: Sequence[Tokens],
    openings: Sequence[Tokens],
    after: Tokens,
    ends: int,
    budget: int = 2048,
) -> Tensor:
    """1 - cos (O,N,T,L) between the states of prompt n with opening o and those of the prompt alone.

    Both answer greedily; states are those of the last of `after[t]` generated tokens, after each of the L
    layers. An answer that ended (token `ends`) keeps the states of its last token. The prompt is computed
    once for all openings. Only distances leave. A batch that does not fit the memory is halved.
    Errors: ValueError for a prompt below two tokens or `after` that does not rise from 1 or more.
    """
    if any(len(prompt) < 2 for prompt in prompts):
        raise ValueError("a prompt of fewer than two tokens cannot be probed")
    if not after or list(after) != sorted(set(after)) or after[0] < 1:
        raise ValueError(f"generated tokens {list(after)}: list them from few (1 or more) to many, each once")
    branches = [(), *map(tuple, openings)]
    room = after[-1] + max(map(len, branches))
    found: dict[int, Tensor] = {}
    queue = batches([(len(prompt) + room) * len(branches) for prompt in prompts], budget)[::-1]
    while queue:
        rows = queue.pop()
        try:
            states = _batch(net, [tuple(prompts[i]) for i in rows], branches, after, ends)
        except torch.OutOfMemoryError:
            queue += halves(rows)[::-1]
            continue
        alone, forced = states[:, :, :1], states[:, :, 1:]
        distances = 1 - nn.functional.cosine_similarity(alone, forced, dim=-1)  # (T,L,O,B)
        found |= dict(zip(rows, distances.permute(3, 2, 0, 1).cpu(), strict=True))
    return torch.stack([found[i] for i in range(len(prompts))], 1)


def _batch(
    net: Any,
    prompts: Sequence[tuple[int, ...]],
    branches: Sequence[tuple[int, ...]],
    after: Tokens,
    ends: int,
) -> Tensor:
    """States (T,L,branches,B,D) in float32 at least."""
    device = net.model.embed_tokens.weight.device
    # the prompt's last token belongs to every branch, so that none of them is empty
    common, real = _padded([prompt[:-1] for prompt in prompts], device)
    tails, own = _padded([(p[-1], *branch) for branch in branches for p in prompts], device)
    cache = KeyValues(len(net.model.layers), tails.shape[1] + after[-1])
    run(net, embed(net, common), 0, None, _positions(real), _mask(real, real.shape[1]), cache)
    cache.take(torch.arange(len(prompts), device=device).repeat(len(branches)))
    real = torch.cat([real.repeat(len(branches), 1), own], 1)
    last: list[Tensor] = []

    def keep(module: nn.Module, given: Any, states: Tensor) -> None:
        last.append(states[:, -1].to(torch.promote_types(states.dtype, torch.float32)))

    def forward(ids: Tensor) -> tuple[Tensor, Tensor]:
        last.clear()
        width = ids.shape[1]
        states = run(net, embed(net, ids), 0, None, _positions(real)[:, -width:], _mask(real, width), cache)
        return torch.stack(last), logits(net, states[:, -1]).argmax(1)

    kept = []
    with hooked([(layer, keep) for layer in net.model.layers], before=False):
        held, token = forward(tails)
        going = torch.ones(len(tails), dtype=torch.bool, device=device)
        for count in range(1, after[-1] + 1):
            going &= token != ends
            real = torch.cat([real, real.new_ones(len(real), 1)], 1)
            states, token = forward(token[:, None])
            held = torch.where(going[None, :, None], states, held)
            if count in after:
                kept.append(held)
    made = torch.stack(kept)
    return made.view(*made.shape[:2], len(branches), len(prompts), made.shape[3])


def _padded(rows: Sequence[tuple[int, ...]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows padded on the left, and where their tokens are."""
    ids = pad(rows, device, left=True)
    blank = torch.tensor([ids.shape[1] - len(row) for row in rows], device=device)
    return ids, torch.arange(ids.shape[1], device=device) >= blank[:, None]


def _positions(real: Tensor) -> Tensor:
    return (real.cumsum(1) - 1).clamp_min(0)


def _mask(real: Tensor, last: int) -> Tensor:
    """Where the `last` columns may look (B,1,last,S): at earlier tokens; padding looks at itself."""
    width = real.shape[1]
    square = torch.ones(width, width, dtype=torch.bool, device=real.device)
    own = torch.eye(width, dtype=torch.bool, device=real.device)
    return ((square.tril() & real[:, None, :]) | own)[:, None, -last:]
