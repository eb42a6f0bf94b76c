"""Fine-tune the model in one of the ways of the sheet, on all domains that it is asked for."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from retrace.nets.diffusion.adapters import Hyper, LowRank, Words
from retrace.nets.diffusion.model import Diffuser
from retrace.nets.diffusion.prompts import FIRST, nothing, photo_of
from retrace.nets.diffusion.schedule import Schedule
from retrace.seeds import derive
from retrace.studies.diffusion.setup import FORM
from retrace.training.diffusion.adapt import Adapters, adapt
from retrace.training.diffusion.fit import Pictures, Recipe, fit

if TYPE_CHECKING:
    from retrace.studies.diffusion.params import Attack, Tuning

Pair = tuple[Tensor, Tensor]  # contexts of a domain's prompt and of the empty one


@dataclass(frozen=True)
class Sets:
    """What is tuned on: images (D,N,C,S,S) and their words (D,); the prior's are another domain's."""

    x: Tensor
    words: Tensor
    prior: Pictures | None


@dataclass(frozen=True)
class Tuned:
    """A tuned model of one domain; `changes` are hooked in while it is used."""

    model: Diffuser
    adapters: Adapters | None
    row: int  # of the domain among the adapters

    @contextmanager
    def ready(self, word: int) -> Iterator[Pair]:
        """Contexts of "photo of <word>", or of the new words, and of the empty prompt."""
        adapters = self.adapters or Adapters()
        hooked = adapters.hyper.attached(self.row) if adapters.hyper else nullcontext()
        device = next(self.model.parameters()).device
        with hooked, torch.no_grad():
            tokens = photo_of(torch.tensor([word], device=device))
            if adapters.words is None:
                context = self.model.text(tokens)
            else:
                lead = self.model.text.table(tokens[:, :-1])
                own = adapters.words.rows[self.row : self.row + 1]
                context = self.model.text.encode(torch.cat([lead, own], 1))
            yield context, self.model.text(nothing(1, device))


def tune(params: Attack, how: Tuning, model: Diffuser, plan: Schedule, sets: Sets, seed: int) -> list[Tuned]:
    """The model tuned for each of the D domains of `sets`, from the frozen `model`."""
    count = len(sets.x)
    if how.kind == "none":
        return [Tuned(model, None, 0)] * count
    if how.kind == "noise":
        return [Tuned(_shaken(model, how.sigma, seed), None, 0)] * count
    seeds = [derive(seed, "tune", int(word)) for word in sets.words]
    x = sets.x[:, : how.images] if how.images else sets.x
    if how.kind == "full":
        return [_whole(params, how, model, plan, x[k], sets, k, seeds[k]) for k in range(count)]
    start = derive(seed, "adapters")
    made = Adapters()
    if how.kind == "low_rank":
        made.low_rank = LowRank(model, how.layers, how.rank, count, start)
    elif how.kind == "hyper":
        made.hyper = Hyper(model, params.hidden, count, start)
    else:
        made.words = Words(model, sets.words + FIRST, how.words)
    rates = {"low_rank": params.low_rank_rate, "hyper": params.hyper_rate, "words": params.words_rate}
    adapt(model, made, plan, x, sets.words, _recipe(params, how, rates[how.kind]), seeds)
    if made.low_rank is None:
        return [Tuned(model, made, k) for k in range(count)]
    merged = []
    for k in range(count):
        own = copy.deepcopy(model)
        made.low_rank.merge(own, k)
        merged.append(Tuned(own, None, 0))
    return merged


def _recipe(params: Attack, how: Tuning, rate: float) -> Recipe:
    """DreamBooth has one prompt for all; the others drop prompts as pretraining does."""
    dropout = 0.0 if how.dreambooth else 0.1
    batch = params.tune_batch // 2 if how.prior else params.tune_batch
    return Recipe(how.steps or params.tune_steps, batch, rate, 0, "constant", dropout)


def _whole(
    params: Attack, how: Tuning, model: Diffuser, plan: Schedule, x: Tensor, sets: Sets, k: int, seed: int
) -> Tuned:
    own = copy.deepcopy(model).requires_grad_(True)
    data = Pictures(x.contiguous(memory_format=FORM), sets.words[k].repeat(len(x)))
    prior = sets.prior if how.prior else None
    (done,) = fit(own, plan, data, _recipe(params, how, params.full_rate), seed, prior=prior).values()
    return Tuned(done, None, 0)


@torch.no_grad()
def _shaken(model: Diffuser, sigma: float, seed: int) -> Diffuser:
    """Gaussian noise of that standard deviation on every weight."""
    rng = torch.Generator().manual_seed(derive(seed, "shaken"))
    own = copy.deepcopy(model)
    for p in own.parameters():
        p.add_(sigma * torch.randn(p.shape, generator=rng).to(p))
    return own
