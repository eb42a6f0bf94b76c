"""Certify 800 MNIST test images by CROWN, batched against one image at a time, and say how tight it is.

Run `python benchmarks/bench_verify.py` in a repository with its data: one thread, CPU seconds. The network
(two convolutions with batch norm, two linear layers) is trained adversarially for a few epochs first. The
slow side is the same mathematics written the obvious way: each image alone, a backward pass with whole maps
for both signs of every neuron, 256 rows at a time, kept where intervals leave the neuron unstable. A second
line spares the slow side the rows it would not keep. It runs over a subset, spread evenly, and is scaled to
all images (said in its line).

`--peer PYTHON` names a Python that has auto_LiRPA under a torch that it supports (below 2.9; under a later
one its slopes are never optimised). The same network, dense and with 4 % of its convolution weights, and
the same images go to it (`peer_verify.py`): batched, one at a time, and with all slopes optimised.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from timing import cpu_seconds
from torch import Tensor, nn
from torch.nn import functional

from retrace.data.sets import load
from retrace.verify.bounds import alpha, crown, interval
from retrace.verify.domain import Box, ball
from retrace.verify.fold import fold
from retrace.verify.layers import Convolution, Dense, Relu
from retrace.verify.network import Network
from retrace.verify.outcome import Limits
from retrace.verify.search import complete
from retrace.verify.specification import margin_rows

EPSILON, ROWS = 0.1, 256
Kept = Sequence[tuple[Tensor, Tensor]]


def network() -> nn.Sequential:
    first = [nn.Conv2d(1, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU()]
    second = [nn.Conv2d(16, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU()]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, 10))


def train(module: nn.Module, x: Tensor, y: Tensor, epochs: int, kept: Kept = ()) -> None:
    """FGSM from a random start at `EPSILON`; `kept`: weights and their masks."""
    optimiser = torch.optim.Adam(module.parameters(), 2e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(100):
            start = ((torch.rand_like(x[rows]) * 2 - 1) * EPSILON).requires_grad_()
            loss = functional.cross_entropy(module(x[rows] + start), y[rows])
            (slope,) = torch.autograd.grad(loss, start)
            step = (start.detach() + 1.25 * EPSILON * slope.sign()).clamp(-EPSILON, EPSILON)
            optimiser.zero_grad()
            functional.cross_entropy(module((x[rows] + step).clamp(0, 1)), y[rows]).backward()
            optimiser.step()
            with torch.no_grad():
                for weight, mask in kept:
                    weight.mul_(mask)


def pruned(module: nn.Sequential, x: Tensor, y: Tensor, epochs: int) -> nn.Sequential:
    """A copy with 4 % of its convolution weights, the largest, in three steps each trained."""
    module = copy.deepcopy(module).train()
    weights = [layer.weight for layer in module if isinstance(layer, nn.Conv2d)]
    for share in (0.3, 0.1, 0.04):
        sizes = torch.cat([w.detach().abs().flatten() for w in weights])
        least = sizes.kthvalue(int(len(sizes) * (1 - share))).values
        train(module, x, y, epochs, [(w, (w.detach().abs() > least).float()) for w in weights])
    return module.eval()


def peer(python: str, networks: dict[str, nn.Sequential], x: Tensor, y: Tensor) -> None:
    """Our times beside auto_LiRPA's on the same images; bounds of both as a check."""
    cases: dict[str, tuple[int, int, str]] = {
        "20 in a batch": (20, 20, "CROWN"),
        "80 in a batch": (80, 80, "CROWN"),
        "20, one at a time": (20, 1, "CROWN"),
        "4, slopes optimised in 20 steps": (4, 4, "CROWN-Optimized"),
    }
    states = {name: module.state_dict() for name, module in networks.items()}
    with tempfile.NamedTemporaryFile(suffix=".pt") as file:
        torch.save({"networks": states, "cases": cases, "x": x, "y": y, "epsilon": EPSILON}, file.name)
        command = [python, str(Path(__file__).with_name("peer_verify.py")), file.name]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    theirs = json.loads(said.splitlines()[-1])
    for name, module in networks.items():
        net = fold(module, (1, 28, 28))
        for case, (images, together, method) in cases.items():
            parts = [slice(k, k + together) for k in range(0, images, together)]

            def call(net: Network = net, parts: list[slice] = parts, method: str = method) -> Tensor:
                return torch.cat(
                    [peers_bound(net, ball(x[some], EPSILON), y[some], method) for some in parts]
                )

            seconds, bound = cpu_seconds(call, 3 if method == "CROWN" else 1)
            other, mean, certified = theirs[f"{name}, {case}"]
            print(f"auto_LiRPA, {name}, {case}: {1000 * other / images:.1f} ms an image -> ours", end=" ")
            print(
                f"{1000 * seconds / images:.1f}, {other / seconds:.1f}x; mean bound {mean:.3f} and", end=" "
            )
            print(f"{float(bound.mean()):.3f}, certified {certified:.2f}", end=" and ")
            print(f"{float((bound.amin(1) > 0).double().mean()):.2f}")


def peers_bound(net: Network, region: Box, y: Tensor, method: str) -> Tensor:
    if method == "CROWN":
        return crown.margins(net, region, y)
    return alpha.margins(net, region, y, iterations=20, known=alpha.preactivations(net, region, 20))


def one_image(net: Network, low: Tensor, high: Tensor, label: Tensor, every: bool) -> Tensor:
    """CROWN margins (classes - 1,) of one box (1, *shape), for a network without branches.

    `every` bounds all neurons and keeps the unstable ones' bounds, else only the unstable are bounded.
    """
    known: list[tuple[Tensor, Tensor]] = []

    def back(node: int, row: Tensor) -> Tensor:
        seen = len([r for r in net.relus if r <= node])
        offset = torch.zeros(len(row))
        for number in range(node, 0, -1):
            operation, shape = net.nodes[number - 1].operation, net.shape(net.nodes[number - 1].inputs[0])
            if isinstance(operation, Relu):
                seen -= 1
                lower, upper = known[seen]
                chord = upper.relu() / (upper.relu() + (-lower).relu()).clamp(min=1e-30)
                cut = torch.where((lower < 0) & (upper > 0), -chord * lower, torch.zeros_like(lower))
                offset = offset + (row.clamp(max=0) * cut).flatten(1).sum(1)
                row = torch.where(row >= 0, row * (upper > -lower), row * chord)
            elif isinstance(operation, Convolution):
                offset = offset + (row * operation.bias[:, None, None]).flatten(1).sum(1)
                row = functional.conv_transpose2d(
                    row, operation.weight, None, operation.stride, operation.padding
                )
            elif isinstance(operation, Dense):
                offset, row = offset + row @ operation.bias, row @ operation.weight
            else:
                row = row.reshape(len(row), *shape)
        reach = row * (low + high) / 2 - row.abs() * (high - low) / 2
        return offset + reach.flatten(1).sum(1)

    before = (low, high)
    for number, node in enumerate(net.nodes, 1):
        if isinstance(node.operation, Relu):
            known.append(before)
            before = (before[0].relu(), before[1].relu())
            continue
        middle = node.operation.apply((before[0] + before[1]) / 2)
        spread = node.operation.spread((before[1] - before[0]) / 2)
        before = (middle - spread, middle + spread)
        if known and number < net.output and isinstance(net.nodes[number].operation, Relu):
            below, above = before[0].flatten().clone(), before[1].flatten().clone()
            unstable = (below < 0) & (above > 0)
            rows = torch.arange(len(below)) if every else unstable.nonzero()[:, 0]
            for some in rows.split(ROWS):
                unit = functional.one_hot(some, len(below)).to(low.dtype).reshape(-1, *node.shape)
                lower, upper = back(number, unit), -back(number, -unit)
                below[some] = torch.where(unstable[some], torch.maximum(below[some], lower), below[some])
                above[some] = torch.where(unstable[some], torch.minimum(above[some], upper), above[some])
            before = (below.reshape(1, *node.shape), above.reshape(1, *node.shape))
    return back(net.output, margin_rows(label, net.classes)[0])


def spread_of(name: str, bound: Tensor, seconds: float) -> None:
    certified = float((bound.amin(1) > 0).double().mean())
    print(
        f"{name}: mean lower bound {float(bound.mean()):.3f}, certified {certified:.3f},"
        f" {1000 * seconds / len(bound):.2f} ms per image"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slow", type=int, default=16, help="images of the slow side that are timed")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--verify", type=int, default=20, help="images of the complete verifier")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer", metavar="PYTHON", help="a Python with auto_LiRPA: compare with it alone")
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_num_threads(1)
    data = load(Path("."), "mnist", "", False)
    order = np.random.default_rng(given.seed).permutation(len(data))
    x = torch.tensor(data.x[order].transpose(0, 3, 1, 2) / 255, dtype=torch.float32)
    y = torch.tensor(data.y[order])
    module = network()
    train(module, x[:4200], y[:4200], given.epochs)
    net = fold(module.eval(), (1, 28, 28))
    if given.peer:
        networks = {"dense": module, "4 %": pruned(module, x[:4200], y[:4200], given.epochs)}
        peer(given.peer, networks, x[-800:], y[-800:])
        return 0
    x, y = x[-800:], y[-800:]
    print(f"accuracy {float((net(x).argmax(1) == y).double().mean()):.3f} on {len(x)} test images")
    region = ball(x, EPSILON)

    some = torch.linspace(0, len(x) - 1, given.slow).long()
    plain = interval.margins(net, region, y)

    def alone(every: bool) -> Tensor:
        boxes = [(region.lower[k : k + 1], region.upper[k : k + 1], y[k : k + 1]) for k in some]
        return torch.stack([one_image(net, low, high, label, every) for low, high, label in boxes])

    fast, ours = cpu_seconds(lambda: crown.margins(net, region, y), 3)
    short = False
    for every, promised in ((True, 20), (False, 0)):
        slow, theirs = cpu_seconds(lambda every=every: alone(every))
        slow *= len(x) / len(some)
        gap = float((ours[some] - torch.maximum(theirs, plain[some])).abs().max())
        kept = (
            f" (promised {promised}x: {'kept' if slow / fast >= promised else 'MISSED'})" if promised else ""
        )
        rows = "every neuron's rows" if every else "unstable neurons' rows only"
        print(f"CROWN, {len(x)} images, one at a time, {rows}: {slow:.1f} s -> batched {fast:.2f} s,")
        print(f"    {slow / fast:.0f}x{kept}, largest difference {gap:.1e}", end="")
        print(f" [slow side timed on {len(some)} images, scaled]")
        short |= slow / fast < promised or gap > 1e-5
    tightness(net, region, y)
    proofs(net, x[: given.verify], y[: given.verify])
    return int(short)


def tightness(net: Network, region: Box, y: Tensor) -> None:
    first = torch.arange(100)
    region, y = region.take(first), y[:100]
    for name, call in (
        ("interval", lambda: interval.margins(net, region, y)),
        ("CROWN-IBP", lambda: crown.margins(net, region, y, intermediate="interval")),
        ("CROWN", lambda: crown.margins(net, region, y)),
        ("CROWN, slopes optimised for 20 steps", lambda: alpha.margins(net, region, y, iterations=20)),
    ):
        seconds, bound = cpu_seconds(call)
        spread_of(f"  {name}", bound, seconds)


def proofs(net: Network, x: Tensor, y: Tensor) -> None:
    if len(x):
        seconds, found = cpu_seconds(lambda: complete.verify(net, x, y, EPSILON, limits=Limits(domains=200)))
        counts = dict(Counter(outcome.status for outcome in found))
        print(f"complete, at most 200 domains per image: {counts}, {seconds / len(x):.2f} s per image")


if __name__ == "__main__":
    raise SystemExit(main())
