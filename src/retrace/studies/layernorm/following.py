"""What is measured of a network before training and after every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from retrace.data.label_noise import Noisy
from retrace.llm.encoders import Encoder
from retrace.metrics.memorisation import shares
from retrace.metrics.norm_gradients import norm_input_gradients
from retrace.stage import Array, StageError
from retrace.studies.layernorm.setup import Case
from retrace.training.finetune import Named, Tuning, predictions, take

QUANTITIES = ("learning", "clean", "memorisation", "recovery", "random", "gap", "noisy_loss")


@dataclass(frozen=True)
class Watch:
    """A network's noisy training set and the test rows whose gradients are measured."""

    case: Case
    noise: Noisy
    tuning: Tuning
    watched: int

    def outcome(self, net: Encoder) -> dict[str, float]:
        """Test accuracy, accuracy on clean rows, shares of noisy rows, train-test gap, loss of noisy rows.

        `gap` is accuracy on the labels as given less test accuracy.
        Errors: StageError when a logit is not finite.
        """
        rows, given = self.case.rows, self.case.tensor(self.noise.y)
        train = predictions(net, self.case.train, self.tuning)
        test = predictions(net, self.case.test, self.tuning)
        if not (torch.isfinite(train).all() and torch.isfinite(test).all()):
            raise StageError("training diverged (a logit is not finite): lower tuning.rate")
        found = _classes(net, train)
        clean = np.ones(len(found), dtype=bool)
        clean[self.noise.rows] = False
        bad = self.noise.rows
        learning = float(np.mean(_classes(net, test) == rows.test_y))
        losses = nn.functional.cross_entropy(train[bad], net.targets(given)[bad], reduction="none")
        return {
            "learning": learning,
            "clean": float(np.mean(found[clean] == rows.train_y[clean])),
            **shares(found[bad], self.noise.y[bad], rows.train_y[bad]),
            "gap": float(np.mean(found == self.noise.y)) - learning,
            "noisy_loss": float(losses.double().mean()),
        }

    def gradients(self, net: Encoder, norms: Sequence[nn.Module]) -> dict[str, Array]:
        """Mean gradient norms (M,) at the inputs of `norms`, in float32, of three kinds of rows.

        `learn`: test rows; `mem`: noisy rows with their wrong labels; `clean`: as many clean training rows.
        """
        rows, noisy = self.case.rows, self.noise.rows
        other = np.setdiff1d(np.arange(len(rows.train)), noisy)[: len(noisy)]
        of_test = np.arange(min(self.watched, len(rows.test)))
        return {
            "learn": _mean(net, norms, self.case.test, self.case.tensor(rows.test_y), of_test),
            "mem": _mean(net, norms, self.case.train, self.case.tensor(self.noise.y), noisy),
            "clean": _mean(net, norms, self.case.train, self.case.tensor(self.noise.y), other),
        }


def _classes(net: Encoder, logits: Tensor) -> Array:
    """Predicted classes (N,); a token that names no class is -1."""
    found = logits.argmax(1)
    if net.labels is None:
        return np.asarray(found.cpu().numpy())
    named = found[:, None] == net.labels.to(found.device)[None]
    return np.where(named.any(1).cpu().numpy(), named.int().argmax(1).cpu().numpy(), -1)


def _mean(
    net: Encoder, norms: Sequence[nn.Module], inputs: Named, y: Tensor, rows: Array, batch: int = 64
) -> Array:
    sums = []
    for part in torch.split(torch.as_tensor(rows, device=y.device), batch):
        taken, targets = take(inputs, part), net.targets(y[part])
        found, _ = norm_input_gradients(
            net.embedding(),
            norms,
            lambda taken=taken, targets=targets: nn.functional.cross_entropy(  # type: ignore[misc]
                net(taken), targets, reduction="none"
            ),
        )
        sums.append(found.double().sum(1))
    return np.asarray((torch.stack(sums).sum(0) / len(rows)).cpu().numpy())
