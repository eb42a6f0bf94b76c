"""A small conditional UNet of residual blocks, with attention to the prompt below its first level."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GROUPS = 8  # of group normalisation


def time_features(t: Tensor, width: int) -> Tensor:
    """Sines and cosines of steps t (B,), (B, width). Source: Vaswani et al. (NeurIPS 2017), section 3.5."""
    half = width // 2
    rates = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / half)
    angles = t.float().unsqueeze(1) * rates
    return torch.cat([angles.cos(), angles.sin()], 1)


class Residual(nn.Module):
    """Two convolutions around a skip; step and prompt scale and shift what lies between them."""

    def __init__(self, width: int, out: int, given: int) -> None:
        super().__init__()
        self.first = nn.GroupNorm(GROUPS, width)
        self.conv1 = nn.Conv2d(width, out, 3, padding=1)
        self.given = nn.Linear(given, 2 * out)
        self.second = nn.GroupNorm(GROUPS, out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.skip = nn.Conv2d(width, out, 1) if width != out else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, given: Tensor) -> Tensor:
        """x (B,width,H,W), given (B,G) -> (B,out,H,W)."""
        h = self.conv1(F.silu(self.first(x)))
        scale, shift = self.given(given)[:, :, None, None].chunk(2, 1)
        h = self.second(h) * (1 + scale) + shift
        out: Tensor = self.skip(x) + self.conv2(F.silu(h))
        return out


class Attention(nn.Module):
    """Places look at one another and at the prompt's tokens: one softmax over both."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(GROUPS, width)
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(width, width, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)
        self.context_k = nn.Linear(context, width, bias=False)
        self.context_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.Linear(width, width)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """x (B,width,H,W), context (B,T,E) -> (B,width,H,W)."""
        b, c, height, width = x.shape
        h = self.norm(x).flatten(2).transpose(1, 2)
        k = torch.cat([self.to_k(h), self.context_k(context)], 1)
        v = torch.cat([self.to_v(h), self.context_v(context)], 1)
        q, k, v = (self._split(z) for z in (self.to_q(h), k, v))
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, -1, c)
        out: Tensor = x + self.to_out(h).transpose(1, 2).reshape(b, c, height, width)
        return out

    def _split(self, z: Tensor) -> Tensor:
        return z.reshape(*z.shape[:2], self.heads, -1).transpose(1, 2)


class UNet(nn.Module):
    """The velocity of a noised image (`Diffuser`), from the image, its step and its prompt.

    Pixels are folded `patch` by `patch` into channels, so the first level has side / patch places a side;
    each further level halves it. Sources: Ho et al. (NeurIPS 2020); Rombach et al. (CVPR 2022) for attention
    to the prompt; Podell et al. (2023) for the prompt's mean beside the step; folding is ours, for speed.
    """

    def __init__(
        self, channels: int, side: int, widths: tuple[int, ...], context: int, patch: int = 2, heads: int = 4
    ) -> None:
        super().__init__()
        if side % (patch * 2 ** (len(widths) - 1)):
            raise ValueError(
                f"images of {side} pixels a side, folded by {patch}, do not halve {len(widths) - 1} times; "
                "take others or fewer levels"
            )
        self.channels, self.side, self.patch = channels, side, patch
        given = 4 * widths[0]
        self.features = widths[0]
        self.time = nn.Sequential(nn.Linear(widths[0], given), nn.SiLU(), nn.Linear(given, given))
        self.prompt = nn.Linear(context, given)
        self.stem = nn.Conv2d(channels * patch**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Residual(w, w, given) for w in widths)
        self.looks = nn.ModuleList(Attention(w, context, heads) for w in widths[1:])
        pairs = list(pairwise(widths))
        self.halve = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.middle = Residual(widths[-1], widths[-1], given)
        self.enlarge = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairs)
        self.up = nn.ModuleList(Residual(2 * w, w, given) for w in widths)
        self.norm = nn.GroupNorm(GROUPS, widths[0])
        self.out = nn.Conv2d(widths[0], channels * patch**2, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """x (B,C,S,S), t (B,) steps, context (B,T,E) -> velocity (B,C,S,S)."""
        given = F.silu(self.time(time_features(t, self.features).to(x.dtype)) + self.prompt(context.mean(1)))
        h = self.stem(F.pixel_unshuffle(x, self.patch))
        kept = []
        for level, block in enumerate(self.down):
            if level:
                h = self.halve[level - 1](h)
            h = block(h, given)
            if level:
                h = self.looks[level - 1](h, context)
            kept.append(h)
        h = self.middle(h, given)
        for level in reversed(range(len(kept))):
            h = self.up[level](torch.cat([h, kept[level]], 1), given)
            if level:
                h = F.interpolate(self.enlarge[level - 1](h), scale_factor=2.0)
        return F.pixel_shuffle(self.out(F.silu(self.norm(h))), self.patch)
