"""What the stages share: texts, their labels right and wrong, and networks to train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from retrace.data.texts.labelled_names import HUB
from retrace.data.texts.labelled_sets import Labelled, of_catalogue, of_hub, of_keywords
from retrace.device import current
from retrace.llm.encoders import Encoder, Pretrained
from retrace.seeds import derive, generator
from retrace.stage import Array, Inputs, StageError
from retrace.training.finetune import Named, Tuning, predictions

if TYPE_CHECKING:
    from retrace.studies.forgetting.params import Network

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Rows as inputs of the network, their true classes and other ones, each (N,)."""

    inputs: Named
    y: Labels
    other: Labels


@dataclass(frozen=True)
class Case:
    """A checkpoint with a seed's rows; `wrong` (N,) says which training rows are given their other label."""

    pretrained: Pretrained
    classes: int
    train: Part
    test: Part
    wrong: npt.NDArray[np.bool_]
    seed: int

    @property
    def given(self) -> Labels:
        """Labels that the training rows are trained with."""
        return np.where(self.wrong, self.train.other, self.train.y)

    def network(self) -> Encoder:
        """The checkpoint with a new head, the same for all runs of a seed; the embedding is not trained."""
        net = self.pretrained.network(self.classes, derive(self.seed, "forgetting", "head"))
        net = net.to(current()).requires_grad_(True)
        net.embedding().requires_grad_(False)
        return net


def case(params: Network, inputs: Inputs, seed: int) -> Case:
    """The cell's checkpoint and the seed's rows. Errors: StageError when one of them cannot be had."""
    pretrained, found = Pretrained(params.checkpoint, params.layers), _set(params, inputs)
    parts = []
    for which, among, count in (
        ("train", found.train, params.rows.train),
        ("test", found.test, params.rows.test),
    ):
        rng = generator(seed, "forgetting", which)
        rows = balanced(found.y, among, count, which, rng)
        y = found.y[rows]
        other = (y + rng.integers(1, len(found.names), len(y))) % len(found.names)
        made = pretrained.encode([found.texts[i] for i in rows], params.longest)
        moved = {name: values.to(current()) for name, values in made.items()}
        parts.append(Part(moved, y, other))
    order = generator(seed, "forgetting", "wrong").permutation(params.rows.train)
    wrong = np.zeros(params.rows.train, dtype=bool)
    wrong[order[: max(round(params.wrong * len(order)), 1)]] = True
    return Case(pretrained, len(found.names), parts[0], parts[1], wrong, seed)


def balanced(y: Labels, among: Labels, count: int, which: str, rng: np.random.Generator) -> Labels:
    """`count` of the rows `among` in random order, each class as often as any other but for one.

    StageError when a class has too few.
    """
    classes = np.unique(y[among])
    wanted = np.full(len(classes), count // len(classes))
    wanted[: count % len(classes)] += 1
    chosen = []
    for label, number in zip(classes, wanted, strict=True):
        own = rng.permutation(among[y[among] == label])
        if len(own) < number:
            raise StageError(f"{which}: class {label} has {len(own)} rows, not {number}; lower rows.{which}")
        chosen.append(own[:number])
    return rng.permutation(np.concatenate(chosen)).astype(np.int64)


def _set(params: Network, inputs: Inputs) -> Labelled:
    if params.texts == "keywords":
        return of_keywords()
    if params.texts in HUB:
        return of_hub(params.texts)
    return of_catalogue(params.texts, inputs["dataset"].read_arrays())


def restored(net: Encoder, scratch: dict[str, npt.NDArray[np.float32]]) -> Encoder:
    """The network with the trained weights of a scratch."""
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.from_numpy(scratch[name]))
    return net.requires_grad_(False)


def logits(name: str, net: Encoder, shared: Case, settings: Tuning) -> dict[str, Array]:
    """`<name>/train` and `<name>/test`. Errors: StageError when one is not finite."""
    made = {}
    for which, part in (("train", shared.train), ("test", shared.test)):
        found = predictions(net, part.inputs, settings)
        if not torch.isfinite(found).all():
            raise StageError(f"{name}: a logit is not finite; lower tuning.rate, or the damage")
        made[f"{name}/{which}"] = found.cpu().numpy()
    return made
