"""CROWN bounds of the paper's network (conv5) by device: time of an image, and how far the devices differ.

Run `python benchmarks/bench_verify_gpu.py` on a machine with a CUDA device and the data; elsewhere it times
the CPU alone. The network is trained for two epochs by the study's own loop on the clothes of the catalogue,
since an untrained one has many more unstable neurons. The attack and alpha-CROWN are timed on the GPU, and
CROWN again without what jobs ask of it (float32 convolutions, a fixed order of sums), to see what that costs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from retrace.data.sets import load
from retrace.nets.conv_block_names import SHAPES
from retrace.nets.conv_blocks import conv_blocks
from retrace.training.robust.loop import train_robust
from retrace.training.robust.settings import RobustSettings
from retrace.verbs.arithmetic import settle
from retrace.verify import falsify
from retrace.verify.bounds import alpha, crown, interval
from retrace.verify.domain import ball
from retrace.verify.fold import fold
from retrace.verify.network import Network

EPSILON = 0.1
SETTINGS = RobustSettings(
    epsilon=EPSILON, epochs=2, batch=128, optimizer="sgd", learning_rate=0.01, ramp_length=1, augment="none"
)


def seconds(call: Callable[[], Tensor], cuda: bool) -> tuple[float, Tensor]:
    """Wall seconds of a second call, and what it gave."""
    taken, found = 0.0, torch.empty(0)
    for _ in range(2):
        start = time.perf_counter()
        found = call().cpu()
        taken = time.perf_counter() - start
        if not cuda:
            break  # nothing to warm up
    return taken, found


def bounds(name: str, net: Network, x: Tensor, y: Tensor, device: str) -> Tensor:
    region, cuda = ball(x, EPSILON), device == "cuda"
    with torch.no_grad():
        plain, _ = seconds(lambda: interval.margins(net, region, y), cuda)
        taken, found = seconds(lambda: crown.margins(net, region, y), cuda)
    print(
        f"{name}: CROWN {1000 * taken / len(x):.1f} ms an image of {len(x)}, intervals {1000 * plain:.1f} ms"
        f" in all, mean lower bound {float(found.mean()):.3f}",
        flush=True,
    )
    return found


def why(net: Network, x: Tensor, y: Tensor) -> None:
    """What the settings of jobs cost, and which kernels the time goes to."""
    given = {"TF32": "TF32 in convolutions", "any order": "sums in any order", "both": "both"}
    for name, words in given.items():
        torch.backends.cudnn.allow_tf32 = name != "any order"
        torch.use_deterministic_algorithms(name == "TF32", warn_only=True)
        bounds(f"cuda, {words}", net, x, y, "cuda")
    settle("cuda")
    with torch.no_grad(), torch.profiler.profile() as seen:
        crown.margins(net, ball(x, EPSILON), y)
    print(seen.key_averages().table(sort_by="self_device_time_total", row_limit=12, max_name_column_width=60))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--slow", type=int, default=4, help="images that the CPU bounds")
    parser.add_argument("--network", choices=SHAPES, default="conv5")
    parser.add_argument("--train", type=int, default=4000, help="training images")
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    settle(device)
    data = load(Path("."), "fashion", "", False)
    x = torch.from_numpy(data.x.transpose(0, 3, 1, 2).copy()).float().to(device) / 255
    y = torch.from_numpy(data.y).to(device)
    module = conv_blocks(SHAPES[given.network], 1, 28, 10, 0).to(device)
    start = time.perf_counter()
    train_robust(module, x[: given.train], y[: given.train], SETTINGS, 0)
    print(
        f"{device}: {SETTINGS.epochs} epochs of {given.train} images in {time.perf_counter() - start:.1f} s"
    )
    x, y = x[-given.images :], y[-given.images :]
    net = fold(module.eval(), (1, 28, 28))
    alone = fold(module.cpu().eval(), (1, 28, 28))
    few, labels = x[: given.slow].cpu(), y[: given.slow].cpu()
    reference = bounds("cpu", alone, few, labels, "cpu")
    if device == "cpu":
        return 0
    print(torch.cuda.get_device_name())
    for count in sorted({1, 8, given.images}):
        torch.cuda.reset_peak_memory_stats()
        found = bounds(f"cuda, {count}", net, x[:count], y[:count], device)
        print(f"    {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")
    gap = float((found[: given.slow] - reference).abs().max())
    print(f"largest difference between the devices {gap:.1e} of {float(reference.abs().max()):.2f}")
    why(net, x[:8], y[:8])
    taken, _ = seconds(lambda: falsify.pgd(net, x, y, EPSILON, steps=100, restarts=5, seed=0).examples, True)
    print(f"PGD, 100 steps, 5 restarts: {1000 * taken / len(x):.1f} ms an image", flush=True)
    taken, _ = seconds(lambda: alpha.margins(net, ball(x[:4], EPSILON), y[:4], iterations=5), True)
    print(f"alpha-CROWN, 5 steps: {1000 * taken / 4:.0f} ms an image", flush=True)
    for steps in (1, 20):
        start = time.perf_counter()
        alpha.preactivations(net.to(torch.float64), ball(x[:4].double(), EPSILON), steps)
        torch.cuda.synchronize()
        taken = time.perf_counter() - start
        print(f"bounds of hidden neurons, {steps} steps: {taken / 4:.2f} s an image", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
