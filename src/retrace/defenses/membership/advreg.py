"""Adversarial regularisation: train against an inference network that learns along."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retrace.defenses.membership.bench import Bench, Defended
from retrace.defenses.membership.settings import AdvReg
from retrace.seeds import derive
from retrace.training.fit import Batch, cross_entropies, fit
from retrace.training.optim import Optimiser, OptimiserSettings

HIDDEN = (64, 32)


class Inference:
    """G perceptrons that call an example a member from a prediction (G,B,C) and its label (G,B)."""

    def __init__(
        self, numbers: tuple[int, ...], classes: int, rate: float, seed: int, device: torch.device
    ) -> None:
        widths = (2 * classes, *HIDDEN, 1)
        self.layers: list[tuple[nn.Parameter, nn.Parameter]] = []
        draws = [torch.Generator().manual_seed(derive(seed, "inference network", n)) for n in numbers]
        for inputs, outputs in pairwise(widths):
            drawn = torch.stack([torch.randn(inputs, outputs, generator=g) for g in draws])
            weight = nn.Parameter((drawn * (2 / inputs) ** 0.5).to(device))
            self.layers.append((weight, nn.Parameter(torch.zeros(len(numbers), 1, outputs, device=device))))
        self.params = [p for layer in self.layers for p in layer]
        self.optimiser = Optimiser(OptimiserSettings("adam", rate, 0.0), self.params)

    def log_odds(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Log-odds of membership, (G,B)."""
        classes = logits.shape[-1]
        h = torch.cat([logits.softmax(-1), F.one_hot(labels, classes).to(logits.dtype)], -1)
        for number, (weight, bias) in enumerate(self.layers):
            h = torch.baddbmm(bias, h, weight)
            h = h.relu() if number + 1 < len(self.layers) else h
        return h.squeeze(-1)

    def learn(self, members: tuple[Tensor, Tensor], others: tuple[Tensor, Tensor]) -> None:
        """One step of Adam towards telling members from others; each is (logits, labels), logits detached."""
        self.optimiser.zero_grad()
        inside, outside = self.log_odds(*members), self.log_odds(*others)
        loss = (F.softplus(-inside).mean(1) + F.softplus(outside).mean(1)) / 2
        loss.sum().backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()


def regularised(batch: Batch, spy: Inference, weight: float) -> Tensor:
    """Cross-entropy plus `weight` times the log-probability that the batch is one of members, (G,)."""
    gain = F.logsigmoid(spy.log_odds(batch.logits, batch.labels))
    return (cross_entropies(batch.logits, batch.labels) + weight * gain).mean(1)


def advreg(bench: Bench, settings: AdvReg) -> Defended:
    """Cross-entropy plus `weight` times the inference network's log-probability that members are members.

    Before each step the inference network takes one of its own, on the batch and as many reference
    examples. Source: Nasr, Shokri and Houmansadr (CCS 2018), equation 9 and algorithm 1; its inference
    network is larger.
    """
    models = bench.start.copy()
    device = bench.x.device
    spy = Inference(models.numbers, bench.classes, settings.attacker_rate, bench.seed, device)
    draw = torch.Generator().manual_seed(derive(bench.seed, "reference batches", models.numbers[0]))

    def adversarial(batch: Batch) -> Tensor:
        size = batch.labels.shape
        rows = torch.randint(len(bench.reference_x), tuple(size), generator=draw).to(device)
        with torch.no_grad():
            outside, _ = models.forward(bench.reference_x[rows])
        spy.learn((batch.logits.detach(), batch.labels), (outside, bench.reference_y[rows]))
        return regularised(batch, spy, settings.weight)

    fit(models, bench.data, adversarial, bench.rated(settings.learning_rate), bench.seed)
    return Defended(models)
