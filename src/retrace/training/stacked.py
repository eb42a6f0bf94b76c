"""Retraining many copies of one network at once, their tensors stacked along a new first axis."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from retrace.stage import StageError
from retrace.training.batches import steps_per_epoch
from retrace.training.optim import Optimiser
from retrace.training.retrain import Retrained, RetrainSettings, Shifted, check_steps, costs_of, timing_of
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


class Record:
    """What one copy of the stack has gone through so far."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.norms: list[Tensor] = []
        self.curve: list[tuple[float, float]] = []
        self.training, self.checking = Stopwatch(), Stopwatch()

    def spend(self, training: Stopwatch, checking: Stopwatch, copies: int) -> None:
        """Add an equal share of the seconds that `copies` copies spent together."""
        for own, common in ((self.training, training), (self.checking, checking)):
            own.seconds += common.seconds / copies
            own.cpu_seconds += common.cpu_seconds / copies


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
    start = [p.detach()[0].clone() for p in stack.params.values()]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    records = [Record() for _ in shifts]
    finished: dict[int, Retrained] = {}
    checks = check_steps(per_epoch, settings)
    step, orders = 0, torch.empty(0)
    with seeded(seeds[0], stack.x.device):
        for check in checks:
            training, checking = Stopwatch(), Stopwatch()
            for taken in range(step, check):
                epoch, place = divmod(taken, per_epoch)
                if place == 0:
                    drawn = [torch.randperm(rows, generator=g) for g in generators]
                    orders = torch.stack(drawn).to(stack.x.device)
                    stack.optimiser.lr = settings.optimiser.lr_at(epoch)
                batch = slice(place * settings.batch, (place + 1) * settings.batch)
                with training:
                    losses, norms = stack.step(orders[stack.alive, batch])
                for number, loss, norm in zip(stack.alive, losses, norms, strict=True):
                    records[number].losses.append(loss)
                    records[number].norms.append(norm)
            step = check
            with checking:
                accuracies = stack.accuracies()
            going = []
            for i, (number, accuracy) in enumerate(zip(stack.alive, accuracies, strict=True)):
                record = records[number]
                if not torch.isfinite(torch.stack(record.losses)).all():
                    raise StageError(
                        f"stacked retraining, shift {number + 1}: loss not finite by step {step}; "
                        "lower the learning rate or check the images"
                    )
                record.spend(training, checking, len(stack.alive))
                record.curve.append((step / per_epoch, accuracy))
                outcome = settings.rule.decide([e for e, _ in record.curve], [a for _, a in record.curve])
                if outcome is None and check != checks[-1]:
                    going.append(i)
                    continue
                now = [p.detach()[i] for p in stack.params.values()]
                norms = torch.stack(record.norms)
                costs = costs_of(record.curve, outcome or "CAP", step, per_epoch, norms, now, start)
                finished[number] = Retrained(costs, timing_of(record.training, record.checking))
            if not going:
                break
            if len(going) < len(stack.alive):
                stack.keep(going)
    return [finished[number] for number in range(len(shifts))]
