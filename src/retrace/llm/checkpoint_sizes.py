"""Sizes of checkpoints that are fine-tuned, and of a pass through them: counted without loading torch."""

from __future__ import annotations

from typing import NamedTuple

from retrace.llm.checkpoints import CHECKPOINTS
from retrace.work import ELEMENTS, FLOP, OPERATIONS

TOKENS = {"keywords": 10, "brown": 34, "reviews": 28, "emotions": 24, "tweettopic": 48, "news": 48}
PATCHES = 197  # of a picture
CALLS = 40  # of PyTorch, a layer and pass
WRITTEN = 30  # numbers written a token, layer and channel, there
TOGETHER = 1024  # tokens in one call, where nothing is trained


class Size(NamedTuple):
    """Weights of a layer, of the embedding, and channels."""

    layer: float
    embedding: float
    width: int


SIZES = {
    "tiny-post": Size(8.5e3, 2e4, 32),
    "tiny-pre": Size(9.3e3, 8e3, 32),
    "minilm": Size(1.77e6, 11.9e6, 384),
    "smollm2-135m-instruct": Size(3.54e6, 28.3e6, 576),
    "gpt-neo": Size(7.1e6, 40.2e6, 768),
    "qwen2": Size(14.9e6, 136e6, 896),
    "gpt2-medium": Size(12.6e6, 52.5e6, 1024),
    "roberta-prelayernorm": Size(12.6e6, 52.0e6, 1024),
    "roberta": Size(7.1e6, 39.0e6, 768),
    "vit-s-msn": Size(1.8e6, 0.4e6, 384),
}
BASE = Size(7.1e6, 24.0e6, 768)  # all others are of BERT's base size


class Cut(NamedTuple):
    """A checkpoint's first layers: how many, and sizes."""

    layers: int
    size: Size

    @property
    def weights(self) -> float:
        """All that is held, the embedding among it."""
        return self.layers * self.size.layer + self.size.embedding

    def passes(self, tokens: float, together: float) -> dict[str, float]:
        """The work of a forward pass over so many tokens, so many in one call."""
        return {
            FLOP: 2 * tokens * self.layers * self.size.layer,
            OPERATIONS: tokens / together * CALLS * self.layers,
            ELEMENTS: tokens * self.layers * self.size.width * WRITTEN,
        }


def cut(checkpoint: str, layers: int | None) -> Cut:
    """The checkpoint's first so many layers, all if None."""
    return Cut(layers or CHECKPOINTS[checkpoint].layers, SIZES.get(checkpoint, BASE))


def tokens_of(checkpoint: str, texts: str, longest: int) -> int:
    """Tokens, or patches, of a row."""
    return PATCHES if CHECKPOINTS[checkpoint].images else min(TOKENS[texts], longest)
