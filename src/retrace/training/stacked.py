"""Retraining many copies of one network at once, their tensors stacked along a new first axis."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from retrace.study import StageError
from retrace.training.batches import steps_per_epoch
from retrace.training.optim import Optimiser
from retrace.training.retrain import Retrained, RetrainSettings, Shifted, check_steps, costs_of
from retrace.training.steps import Stopwatch, seeded


class Stack:
    """Copies of `net` that still train, stacked: parameters, buffers, optimiser state and their data."""

    def __init__(self, net: nn.Module, shifts: Sequence[Shifted], settings: RetrainSettings) -> None:
        copies = [copy.deepcopy(net).train() for _ in shifts]
        params, buffers = stack_module_state(copies)
        self.params = {k: nn.Parameter(v.detach().clone()) for k, v in params.items()}
        self.buffers = {k: v.clone() for k, v in buffers.items()}
        self.base = copy.deepcopy(net)
        self.optimiser = Optimiser(settings.optimiser, self.params.values())
        self.x = torch.stack([s.x_train for s in shifts])
        self.y = torch.stack([s.y_train for s in shifts])
        self.x_test = torch.stack([s.x_test for s in shifts])
        self.y_test = torch.stack([s.y_test for s in shifts])
        self.alive = list(range(len(shifts)))

    def _forward(self, params: Mapping[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        logits: Tensor = functional_call(self.base, ({**params}, buffers), (x,))
        return logits

    def step(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """One step of every copy on its rows (K, batch); losses (K,) and gradient norms (K,)."""
        self.base.train()
        which = torch.arange(len(self.alive), device=rows.device)[:, None]
        x, y = self.x[which, rows], self.y[which, rows]
        self.optimiser.zero_grad()
        logits = vmap(self._forward, randomness="different")(self.params, self.buffers, x)
        losses = F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view(y.shape).mean(1)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        squares = [p.grad.flatten(1).square().sum(1) for p in self.params.values() if p.grad is not None]
        self.optimiser.step()
        return losses.detach(), torch.stack(squares).sum(0).sqrt()

    def accuracies(self, batch: int = 300) -> list[float]:
        """Test accuracy of every copy."""
        self.base.eval()
        right = torch.zeros(len(self.alive), device=self.x.device)
        with torch.no_grad():
            for x, y in zip(
                torch.split(self.x_test, batch, 1), torch.split(self.y_test, batch, 1), strict=True
            ):
                logits = vmap(self._forward)(self.params, self.buffers, x)
                right += (logits.argmax(2) == y).sum(1)
        return [int(r) / self.y_test.shape[1] for r in right]

    def keep(self, places: list[int]) -> None:
        """Drop all copies but those at `places`, so that finished ones cost nothing."""
        index = torch.tensor(places, device=self.x.device)
        self.params = {k: nn.Parameter(v.detach()[index]) for k, v in self.params.items()}
        self.optimiser.keep(list(self.params.values()), index)
        self.buffers = {k: v[index] for k, v in self.buffers.items()}
        self.x, self.y, self.x_test, self.y_test = (
            t[index] for t in (self.x, self.y, self.x_test, self.y_test)
        )
        self.alive = [self.alive[i] for i in places]


def retrain_stacked(
    net: nn.Module, shifts: Sequence[Shifted], settings: RetrainSettings, seeds: Sequence[int]
) -> list[Retrained]:
    """What `retrain` gives for each of `shifts` with its seed, computed together; `net` is left alone.

    All shifts need images of the same number and shape (ValueError otherwise). The results agree with
    `retrain` up to rounding; each copy's timing is an equal share of the steps it took part in.
    """
    if len({(s.x_train.shape, s.x_test.shape) for s in shifts}) != 1 or len(seeds) != len(shifts):
        raise ValueError("stacked retraining needs one seed a shift and shifts of one shape; use the loop")
    rows = shifts[0].x_train.shape[0]
    per_epoch = steps_per_epoch(rows, settings.batch)
    stack = Stack(net, shifts, settings)
    start = {name: p.detach()[0].clone() for name, p in stack.params.items()}
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    losses: list[list[Tensor]] = [[] for _ in shifts]
    norms: list[list[Tensor]] = [[] for _ in shifts]
    curves: list[list[tuple[float, float]]] = [[] for _ in shifts]
    seconds = [
        {"train_seconds": 0.0, "train_cpu_seconds": 0.0, "check_seconds": 0.0, "check_cpu_seconds": 0.0}
        for _ in shifts
    ]
    finished: list[Retrained | None] = [None] * len(shifts)
    step = 0
    orders = torch.empty(0)
    with seeded(seeds[0], stack.x.device):
        for check in check_steps(per_epoch, settings):
            training, checking = Stopwatch(), Stopwatch()
            while step < check:
                if step % per_epoch == 0:
                    drawn = [torch.randperm(rows, generator=g) for g in generators]
                    orders = torch.stack(drawn).to(stack.x.device)
                    stack.optimiser.lr = settings.optimiser.lr_at(step // per_epoch)
                place = step % per_epoch * settings.batch
                with training:
                    loss, norm = stack.step(orders[stack.alive, place : place + settings.batch])
                for i, name in enumerate(stack.alive):
                    losses[name].append(loss[i])
                    norms[name].append(norm[i])
                step += 1
            with checking:
                accuracies = stack.accuracies()
            going = []
            for i, number in enumerate(stack.alive):
                if not torch.isfinite(torch.stack(losses[number])).all():
                    raise StageError(
                        f"stacked retraining of shift {number + 1}: loss not finite by step {step}"
                    )
                shares = (training.seconds, training.cpu_seconds, checking.seconds, checking.cpu_seconds)
                for key, share in zip(seconds[number], shares, strict=True):
                    seconds[number][key] += share / len(stack.alive)
                curves[number].append((step / per_epoch, accuracies[i]))
                outcome = settings.rule.decide(*map(list, zip(*curves[number], strict=True)))
                if outcome is None and check != check_steps(per_epoch, settings)[-1]:
                    going.append(i)
                    continue
                now = [p.detach()[i] for p in stack.params.values()]
                costs = costs_of(
                    curves[number],
                    outcome or "CAP",
                    step,
                    per_epoch,
                    torch.stack(norms[number]),
                    now,
                    list(start.values()),
                )
                finished[number] = Retrained(costs, seconds[number])
            if not going:
                break
            if len(going) < len(stack.alive):
                stack.keep(going)
    return [done for done in finished if done is not None]
