"""CROWN by auto_LiRPA, run by `bench_verify.py --peer PYTHON` under a Python that has it.

`python peer_verify.py FILE`: FILE holds state dicts by name, images, labels and epsilon; one JSON line comes
back: by network and case the CPU seconds and certified share. Nothing of Retrace is imported.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from auto_LiRPA import BoundedModule, BoundedTensor, PerturbationLpNorm
from torch import Tensor, nn


def network() -> nn.Sequential:
    """The network of `bench_verify.network`."""
    first = [nn.Conv2d(1, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU()]
    second = [nn.Conv2d(16, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU()]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, 10))


def crown(module: nn.Module, x: Tensor, y: Tensor, epsilon: float, method: str) -> tuple[float, Tensor]:
    """CPU seconds (the best of three for CROWN) and lower bounds (n, 9) of margins; building is not timed."""
    eye = torch.eye(10)
    rows = torch.stack([torch.stack([eye[t] - eye[c] for c in range(10) if c != t]) for t in y.tolist()])
    options = {"conv_mode": "patches", "optimize_bound_args": {"iteration": 20}}
    bounded, best = BoundedModule(module, x, bound_opts=options), float("inf")
    for _ in range(3 if method == "CROWN" else 1):
        low, high = (x - epsilon).clamp(0, 1), (x + epsilon).clamp(0, 1)
        ball = BoundedTensor(x, PerturbationLpNorm(norm=float("inf"), eps=epsilon, x_L=low, x_U=high))
        start = time.process_time()
        with torch.set_grad_enabled(method != "CROWN"):
            bound, _ = bounded.compute_bounds(x=(ball,), C=rows, method=method, bound_upper=False)
        best = min(best, time.process_time() - start)
    return best, bound.detach()


def main() -> None:
    torch.set_num_threads(1)
    given = torch.load(sys.argv[1])
    found = {}
    for name, state in given["networks"].items():
        module = network()
        module.load_state_dict(state)
        module.eval()
        for case, (images, together, method) in given["cases"].items():
            seconds, bounds = 0.0, []
            for k in range(0, images, together):
                some = slice(k, k + together)
                spent, bound = crown(module, given["x"][some], given["y"][some], given["epsilon"], method)
                seconds += spent
                bounds.append(bound)
            every = torch.cat(bounds)
            found[f"{name}, {case}"] = [
                seconds,
                float(every.mean()),
                float((every.amin(1) > 0).float().mean()),
            ]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
