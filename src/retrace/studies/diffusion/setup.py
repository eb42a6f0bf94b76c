"""The images and models of a cell, as the stages with networks need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from retrace.nets.diffusion.model import Diffuser, Shape, build
from retrace.nets.diffusion.prompts import nothing, photo_of
from retrace.nets.diffusion.sampling import Predict, ddim, guided
from retrace.nets.diffusion.schedule import Schedule
from retrace.seeds import derive
from retrace.stage import Array, Inputs
from retrace.training.batches import to_tensor
from retrace.training.diffusion.fit import Pictures, Recipe

if TYPE_CHECKING:
    from retrace.studies.diffusion.params import Counts, Drawing, Network, Pretraining

FORM = torch.channels_last
BATCH = 512  # images a pass


@dataclass(frozen=True)
class Data:
    """Images (D+1,n,C,S,S) in [-1, 1] of the trained domains and the untrained one, last, on a device."""

    members: Tensor
    reference: Tensor
    others: Tensor
    parts: dict[str, Array]
    classes: int
    domains: list[int]  # class of each
    channels: int

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.members.device


def set_up(inputs: Inputs, device: str) -> Data:
    """What the stage prepare left, as tensors."""
    parts, about = inputs["prepare"].read_scratch(), inputs["prepare"].results
    names = ("members", "reference", "others")
    members, reference, others = (torch.stack([to_tensor(x, device) for x in parts[n]]) for n in names)
    return Data(members, reference, others, parts, about["classes"], about["domains"], about["channels"])


def shape_of(params: Network, data: Data) -> Shape:
    """Sizes of the model; it has a word for every class."""
    return Shape(
        data.channels,
        data.members.shape[-1],
        tuple(params.widths),
        params.context,
        data.classes,
        params.patch,
    )


def untrained(params: Network, data: Data, seed: int) -> Diffuser:
    """The model before training."""
    return build(shape_of(params, data), derive(seed, "diffusion", "weights")).to(data.device)


def restored(params: Network, data: Data, scratch: dict[str, Array], which: str) -> Diffuser:
    """A trained model, frozen."""
    model = untrained(params, data, 0)
    prefix = f"{which}/"
    own = {n.removeprefix(prefix): torch.from_numpy(v) for n, v in scratch.items() if n.startswith(prefix)}
    model.load_state_dict(own)
    return model.requires_grad_(False)


def weights(model: Diffuser, which: str) -> dict[str, Array]:
    """The model's weights as scratch."""
    return {
        f"{which}/{n}": np.ascontiguousarray(v.detach().cpu().numpy()) for n, v in model.state_dict().items()
    }


def schedule(params: Network) -> Schedule:
    """DDPM's linear schedule."""
    return Schedule(params.noise_steps)


def recipe(params: Pretraining, steps: int) -> Recipe:
    """Pretraining: a constant rate and averaged weights, so that fewer steps are a part of more."""
    warm = min(50, steps // 4)
    return Recipe(steps, params.batch, params.rate, warm, "constant", params.dropout, 1.0, params.ema)


def pictures(data: Data, x: Tensor) -> Pictures:
    """Images (D,n,C,S,S) of the first D domains, flat."""
    words = torch.tensor(data.domains[: len(x)], device=x.device).repeat_interleave(x.shape[1])
    return Pictures(x.flatten(0, 1).contiguous(memory_format=FORM), words)


def of_domains(params: Counts, x: Tensor) -> Tensor:
    """Those of the trained domains."""
    return x[: params.domains]


def predictor(model: Diffuser, plan: Schedule, context: Tensor) -> Predict:
    """The noise in images at a step, for one prompt's context (1,T,E), in passes."""

    @torch.no_grad()
    def predict(x: Tensor, t: int) -> Tensor:
        found = [model.noise(plan, part, t, context) for part in torch.split(x, BATCH)]
        return torch.cat(found) if len(found) > 1 else found[0]

    return predict


@torch.no_grad()
def contexts(model: Diffuser, word: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Contexts (1,T,E) of "photo of <word>" and of the empty prompt."""
    return model.text(photo_of(torch.tensor([word], device=device))), model.text(nothing(1, device))


def draw(
    params: Drawing,
    model: Diffuser,
    plan: Schedule,
    pair: tuple[Tensor, Tensor],
    like: Tensor,
    seed: int,
    guidance: float | None = None,
) -> Tensor:
    """`drawn` images (N,C,S,S) for the first of two contexts, led away from the second."""
    rng = torch.Generator().manual_seed(derive(seed, "diffusion", "draw"))
    noise = torch.randn(params.drawn, *like.shape[-3:], generator=rng).to(like.device)
    both = [predictor(model, plan, context) for context in pair]
    predict = guided(both[0], both[1], params.guidance if guidance is None else guidance)
    return ddim(predict, plan, noise.contiguous(memory_format=FORM), params.drawing_steps)


def as_bytes(x: Tensor) -> Array:
    """Images (...,C,S,S) in [-1, 1] as uint8 (...,S,S,C)."""
    levels = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return np.ascontiguousarray(levels.movedim(-3, -1).cpu().numpy())
