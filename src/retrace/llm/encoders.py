"""A pretrained transformer as a classifier of texts or images."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging

from retrace.errors import unknown
from retrace.llm import tiny_encoders
from retrace.llm.checkpoints import CHECKPOINTS, Checkpoint
from retrace.llm.convert import converted
from retrace.llm.unzipped import unzipped
from retrace.stage import StageError

logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a job writes lines, not bars
logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # that layers beyond the cut are not read is meant
GREY = 127.5  # bytes of pictures become values from -1 to 1
Inputs = dict[str, Tensor]  # names of the backbone's arguments -> rows; `attention_mask` where there is text


class Timm(nn.Module):
    """A network of timm, called as those of transformers are."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Hidden states (N,T,D)."""
        net: Any = self.net
        hidden: Tensor = net.forward_features(pixel_values)
        return hidden

    def get_input_embeddings(self) -> Any:
        """What makes tokens of patches."""
        net: Any = self.net
        return net.patch_embed


class Encoder(nn.Module):
    """Backbone and head: `forward(inputs)` gives logits (N, classes).

    The head is linear and new; with `labels`, tokens that name the classes, it is the (frozen) embedding
    matrix instead, and logits are over the whole vocabulary: the next-token form.
    """

    def __init__(
        self, backbone: nn.Module, width: int, classes: int, pool: str, labels: Tensor | None = None
    ) -> None:
        super().__init__()
        self.backbone, self.pool, self.labels = backbone, pool, labels
        self.head = nn.Linear(width, classes) if labels is None else None

    def pooled(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """The hidden state (N,D) that is classified, of (N,T,D)."""
        if self.pool == "first":
            return hidden[:, 0]
        last = mask.sum(1) - 1 if mask is not None else torch.full((len(hidden),), hidden.shape[1] - 1)
        return hidden[torch.arange(len(hidden), device=hidden.device), last]

    def logits(self, pooled: Tensor) -> Tensor:
        """Of classes, or of the whole vocabulary, in float32."""
        head = self.head
        made: Tensor = head(pooled) if head else pooled @ self.embedding().weight.to(pooled.dtype).T
        return made.float()

    def embedding(self) -> Any:
        """What makes hidden states of tokens, or of patches."""
        backbone: Any = self.backbone
        return backbone.get_input_embeddings()

    def forward(self, inputs: Inputs) -> Tensor:
        """Logits (N, classes or vocabulary)."""
        if "pixel_values" in inputs:
            inputs = {"pixel_values": inputs["pixel_values"].float() / GREY - 1}
        out = self.backbone(**inputs)
        hidden = out if isinstance(out, Tensor) else out.last_hidden_state
        return self.logits(self.pooled(hidden, inputs.get("attention_mask")))

    def targets(self, y: Tensor) -> Tensor:
        """What the logits should point at for labels (N,): the classes, or the tokens that name them."""
        return y if self.labels is None else self.labels.to(y.device)[y]


class Pretrained:
    """A checkpoint by name, read once: `network()` gives a copy, `encode` turns texts into inputs."""

    def __init__(self, name: str, layers: int | None = None, cache: Path | None = None) -> None:
        """Errors: StageError for an unknown name, or more `layers` than the checkpoint has."""
        if name not in CHECKPOINTS:
            raise StageError(unknown("checkpoint", name, CHECKPOINTS))
        self.name = name
        self.about: Checkpoint = CHECKPOINTS[name]
        self.layers = layers or self.about.layers
        if self.layers > self.about.layers:
            raise StageError(
                f"checkpoint {name} has {self.about.layers} layers, not {layers}; lower `layers`"
            )
        self._place = self._find(cache)
        self._read: tuple[nn.Module, int] | None = None

    def _find(self, cache: Path | None) -> str:
        about = self.about
        if about.zipped:
            return str(unzipped(about.zipped, cache))
        return str(converted(about.gguf, cache)) if about.gguf else about.hub

    def network(self, classes: int, seed: int, labels: Tensor | None = None) -> Encoder:
        """Backbone (the first `layers` layers), and a new head drawn by `seed`; float32, evaluation mode.

        Dropout is off everywhere: it would make the noise of a small set of texts larger.
        Errors: StageError, one line, for a checkpoint that is absent or gated.
        """
        self._read = self._read or self._backbone()
        backbone, width = copy.deepcopy(self._read[0]), self._read[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Encoder(backbone, width, classes, self.about.pool, labels).eval()

    def _backbone(self) -> tuple[nn.Module, int]:
        about = self.about
        if not self._place and not about.timm:
            return tiny_encoders.network(about.order, self.layers), 32
        try:
            if about.timm:
                import timm  # type: ignore[import-not-found]

                net = timm.create_model(about.timm, pretrained=True, num_classes=0)
                return Timm(net), int(net.num_features)
            config = AutoConfig.from_pretrained(self._place)
            if self.layers < about.layers:
                config.num_hidden_layers = self.layers
            # short rows: torch's flash attention is ten times slower backwards in bfloat16 on a CPU
            how = {} if about.images else {"attn_implementation": "eager"}
            net, loading = AutoModel.from_pretrained(
                self._place,
                config=config,
                dtype=torch.float32,
                output_loading_info=True,
                **how,
            )
            lacking = sorted(
                str(key) for key in loading["missing_keys"] if not str(key).startswith("pooler.")
            )
            if lacking:  # transformers would draw them at random
                raise StageError(
                    f"checkpoint {self.name}: {self._place} lacks {len(lacking)} weights, "
                    f"first {lacking[0]}: fetch or copy it again"
                )
            if getattr(net, "pooler", None) is not None:
                net.pooler = None  # it is not used here
            return net, int(config.hidden_size)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
            raise StageError(f"checkpoint {self.name}: {_why(error, self._place or about.timm)}") from None

    def encode(self, texts: list[str], longest: int) -> Inputs:
        """Tokens and mask of texts, padded at the end, cut to `longest` tokens."""
        if not self._place:
            ids, mask = tiny_encoders.bytes_of(texts, longest)
            return {"input_ids": ids, "attention_mask": mask}
        tokenizer = self.tokenizer()
        made = tokenizer(texts, truncation=True, max_length=longest, padding=True, return_tensors="pt")
        return {name: made[name] for name in ("input_ids", "attention_mask")}

    def tokens(self, words: list[str]) -> Tensor:
        """First token of each word (as it stands after a space), for the next-token form.

        Errors: StageError when two words share it.
        """
        if not self._place:
            found = list(range(len(words)))  # a byte each
        else:
            tokenizer = self.tokenizer()
            lead = "" if self.about.order == "post" else " "
            found = [tokenizer(lead + word, add_special_tokens=False)["input_ids"][0] for word in words]
        if len(set(found)) < len(found):
            raise StageError(f"next-token form: two of {', '.join(words)} begin with the same token")
        return torch.tensor(found)

    def tokenizer(self) -> Any:
        """The checkpoint's own, padding at the end. Errors: as in `network`."""
        try:
            made = AutoTokenizer.from_pretrained(self._place)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise StageError(f"checkpoint {self.name}: {_why(error, self._place)}") from None
        made.padding_side = "right"
        made.pad_token = made.pad_token or made.eos_token
        return made


def _why(error: BaseException, place: str) -> str:
    """One line: gated, absent, or whatever the library says first."""
    kinds, seen = set(), error
    while seen is not None:
        kinds.add(type(seen).__name__)
        seen = seen.__cause__ or seen.__context__  # type: ignore[assignment]
    if "GatedRepoError" in kinds:
        return f"{place} is gated: accept its licence on the hub, then log in with: hf auth login"
    if "RepositoryNotFoundError" in kinds:
        return f"the hub has no {place}, or it is private: mend the name, or log in with: hf auth login"
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f"cannot be read from {place} ({said[:160]}); check the network"
