"""The residual branches of a transformer's layers as functions of hidden states, for bounds on gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Layer:
    """Attention and feed-forward network with what stands around the additions.

    Post-LN: x' = norm1(x + attention(x)); y = norm2(x' + feed(x')). Pre-LN: the branches hold their norms,
    and norm1 and norm2 are None.
    """

    attention: Map
    feed: Map
    norm1: Map | None
    norm2: Map | None


def layers(backbone: nn.Module, length: int) -> list[Layer] | None:
    """The layers of a BERT, Llama or GPT for unpadded rows of `length` tokens; None for any other network."""
    net: Any = backbone
    kind = type(backbone).__name__
    if kind in ("BertModel", "ElectraModel", "RobertaModel"):
        return [_bert(layer) for layer in net.encoder.layer]
    if kind in ("LlamaModel", "Qwen2Model"):
        return [_llama(net, layer, length) for layer in net.layers]
    if kind in ("GPT2Model", "GPTNeoModel"):
        return [_gpt(layer, _below(length, net.wte.weight)) for layer in net.h]
    return None


def _bert(layer: Any) -> Layer:
    def attention(x: Tensor) -> Tensor:
        out: Tensor = layer.attention.output.dense(layer.attention.self(x)[0])
        return out

    def feed(x: Tensor) -> Tensor:
        out: Tensor = layer.output.dense(layer.intermediate(x))
        return out

    return Layer(attention, feed, layer.attention.output.LayerNorm, layer.output.LayerNorm)


def _below(length: int, weight: Tensor) -> Tensor:
    """A causal mask (1,1,T,T) to add to attention's logits, where the weight is."""
    return torch.full((length, length), float("-inf"), device=weight.device).triu(1)[None, None]


def _gpt(layer: Any, below: Tensor) -> Layer:
    def attention(x: Tensor) -> Tensor:
        out: Tensor = layer.attn(layer.ln_1(x), attention_mask=below)[0]
        return out

    def feed(x: Tensor) -> Tensor:
        out: Tensor = layer.mlp(layer.ln_2(x))
        return out

    return Layer(attention, feed, None, None)


def _llama(net: Any, layer: Any, length: int) -> Layer:
    weight = net.embed_tokens.weight
    below = _below(length, weight)
    places = torch.arange(length, device=weight.device)[None]

    def attention(x: Tensor) -> Tensor:
        rotary = net.rotary_emb(x, places)
        out: Tensor = layer.self_attn(
            layer.input_layernorm(x), position_embeddings=rotary, attention_mask=below
        )[0]
        return out

    def feed(x: Tensor) -> Tensor:
        out: Tensor = layer.mlp(layer.post_attention_layernorm(x))
        return out

    return Layer(attention, feed, None, None)
