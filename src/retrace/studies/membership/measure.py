"""What the defended models give away: outputs, representation norms and gradient norms of every example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from retrace.defenses.membership.hamp import rewrite
from retrace.defenses.membership.settings import Hamp, Method, Srcm
from retrace.defenses.membership.srcm import ring_head
from retrace.device import current
from retrace.metrics.norm_disparity import representation_norms
from retrace.metrics.sample_gradients import input_gradient_norms, weight_gradient_norms
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.membership.setup import Setup, set_up, untrained
from retrace.training.fit import cross_entropies
from retrace.training.shadows import Shadows

if TYPE_CHECKING:
    from retrace.studies.membership.params import Measure

GRADIENTS = {"input": input_gradient_norms, "weights": weight_gradient_norms}


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """One pass over pool, population and test set with every method's models.

    Leaves `<method>.pool` (K,N,C), `<method>.population` (K,Z,C), `<method>.norms` (K,N) and, where an
    attack wants them, `<method>.input` and `<method>.weights` gradient norms (K,N), float32, and
    `<method>.right` (K,N,L) uint8, how many noisy copies are labelled rightly at each noise. Results of each
    method, a number a model: test accuracy, train accuracy, mean loss on test set and on its members.
    """
    device = current()
    setup = set_up(inputs, device)
    weights = inputs["defend"].read_scratch()
    scratch: dict[str, Array] = {}
    results: dict[str, Any] = {}
    for name, method in params.methods.items():
        head = ring_head(method) if isinstance(method, Srcm) else nn.Linear
        own = {k.partition("/")[2]: v for k, v in weights.items() if k.startswith(f"{name}/")}
        models = untrained(params, setup, range(params.models), seed, device, head).loaded(own)
        outputs, norms = _outputs(models, setup, method, seed)
        scratch |= {f"{name}.{part}": _array(outputs[part]) for part in ("pool", "population")}
        scratch[f"{name}.norms"] = norms
        if params.by_label:
            scratch[f"{name}.right"] = _right(models, setup, params, seed)
        for of, norms_of in GRADIENTS.items():
            if any(attack.startswith(f"gradient_{of}") for attack in params.attacks):
                scratch[f"{name}.{of}"] = _array(norms_of(models, setup.x["pool"], setup.y["pool"]))
        results[name] = _utility(outputs, setup)
    return Output({"methods": results}, scratch=scratch)


def _outputs(models: Shadows, setup: Setup, method: Method, seed: int) -> tuple[dict[str, Tensor], Array]:
    both = {part: models.predict(setup.x[part]) for part in ("pool", "population", "test")}
    outputs = {part: logits for part, (logits, _) in both.items()}
    if _order_alone(method):
        outputs = {
            part: rewrite(models, logits, setup.shape, setup.range, derive(seed, part))
            for part, logits in outputs.items()
        }
    return outputs, representation_norms(both["pool"][1].cpu().numpy()).astype(np.float32)


def _order_alone(method: Method) -> bool:
    """Whether the method, or the loss inside it, lets out no more than the order of the outputs."""
    loss = getattr(method, "loss", method)
    return isinstance(loss, Hamp) and loss.rewrite


def _right(models: Shadows, setup: Setup, params: Measure, seed: int) -> Array:
    """Of `copies` with Gaussian noise, the same for all models, how many get the pool's labels (K,N,L)."""
    draw, x = torch.Generator().manual_seed(derive(seed, "noisy copies")), setup.x["pool"]
    counts = []
    for sigma in params.sigmas:
        right = torch.zeros(len(models), len(x), dtype=torch.uint8, device=x.device)
        for _ in range(params.copies):
            noisy = x + sigma * torch.randn(x.shape, generator=draw).to(x.device)
            right += models.predict(noisy)[0].argmax(-1) == setup.y["pool"]
        counts.append(right)
    return torch.stack(counts, -1).cpu().numpy()


def _utility(outputs: dict[str, Tensor], setup: Setup) -> dict[str, list[float]]:
    test, pool = outputs["test"], outputs["pool"]
    right = (test.argmax(-1) == setup.y["test"]).double().mean(1)
    losses = cross_entropies(pool, setup.y["pool"].expand(len(pool), -1)).double()
    hits = (pool.argmax(-1) == setup.y["pool"]).double()
    return {
        "accuracy": right.tolist(),
        "train_accuracy": hits.gather(1, setup.rows).mean(1).tolist(),
        "test_loss": cross_entropies(test, setup.y["test"].expand(len(test), -1)).double().mean(1).tolist(),
        "train_loss": losses.gather(1, setup.rows).mean(1).tolist(),
    }


def _array(values: Tensor) -> Array:
    return np.ascontiguousarray(values.detach().cpu().numpy().astype(np.float32))
