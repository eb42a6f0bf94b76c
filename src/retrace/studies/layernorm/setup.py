"""What the stages share: the checkpoint, its inputs, and networks ready for a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from retrace.device import current
from retrace.llm.encoders import Encoder, Pretrained
from retrace.seeds import derive
from retrace.stage import Inputs
from retrace.studies.layernorm.rows import Rows, drawn
from retrace.training.finetune import Named

if TYPE_CHECKING:
    from retrace.studies.layernorm.params import Network


@dataclass(frozen=True)
class Case:
    """A checkpoint with a seed's rows as tensors, encoded once for all runs."""

    pretrained: Pretrained
    rows: Rows
    train: Named
    test: Named
    seed: int

    def network(self, form: str, embedding: bool = False) -> Encoder:
        """A network whose parameters are all trained, those of the embedding only if asked for.

        The head, where there is one, is the same for all runs of a seed.
        """
        names = self.rows.found.names
        labels = self.pretrained.tokens(list(names)) if form == "token" else None
        net = self.pretrained.network(len(names), derive(self.seed, "layernorm", "head"), labels)
        net = net.to(current()).requires_grad_(True)
        if not embedding:
            net.embedding().requires_grad_(False)
        return net

    def tensor(self, y: object) -> Tensor:
        """Labels on the job's device."""
        return torch.as_tensor(y, device=current())


def case(params: Network, inputs: Inputs, seed: int) -> Case:
    """The cell's checkpoint and the seed's rows. Errors: StageError when one of them cannot be had."""
    pretrained, rows = Pretrained(params.checkpoint, params.layers), drawn(params, inputs)
    parts = []
    for which in (rows.train, rows.test):
        if pretrained.about.images:
            from retrace.studies.layernorm import pictures

            made = {"pixel_values": pictures.pixels(params.texts, which, inputs)}
        else:
            made = pretrained.encode([rows.found.texts[i] for i in which], params.longest)
        parts.append({name: values.to(current()) for name, values in made.items()})
    return Case(pretrained, rows, parts[0], parts[1], seed)
