"""Compare per-sample gradient norms and Hessian eigenvalues with their direct forms: values and CPU time.

Run `python benchmarks/bench_curvature.py`: one thread, CPU seconds. Norms: ghost form against a loop over the
samples, and torch.func's vmap(grad). Eigenvalues: Lanczos on a graph that is built once against the same
Lanczos, and scipy's (as many digits), on a functional operator (jvp of grad). In float32, as in the study:
a perceptron and a convolutional network, where the batch's own backward pass is most of the cost.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from scipy.sparse.linalg import LinearOperator, eigsh
from threadpoolctl import threadpool_limits
from timing import cpu_seconds
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vmap

from retrace.compress.quantizing.layers import folded
from retrace.metrics.curvature import Curvature
from retrace.metrics.ghost_norms import sample_gradient_norms
from retrace.nets.registry import build

LEAST = {"norms": 30.0, "eigenvalues": 5.0}  # gains asked for of the perceptron, and of the mean over groups
CLOSE = 1e-5
TOLERANCE = 1e-3  # of the residual; an eigenvalue's own error goes with its square


def networks(samples: int) -> list[tuple[str, nn.Module, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    found = []
    for name, size in (("mlp", 8), ("cnn", 8)):
        net = folded(build(name, 1, size, 10, 0))
        x = torch.randn(samples, 1, size, size, generator=generator)
        found.append((name, net, x))
    return found


def loop_norms(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    params = list(net.parameters())
    norms = []
    for one, label in zip(x, y, strict=True):
        grads = torch.autograd.grad(F.cross_entropy(net(one[None]), label[None]), params)
        norms.append(torch.sqrt(torch.stack([g.square().sum() for g in grads]).sum()))
    return torch.stack(norms)


def vmap_norms(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    params = {name: p.detach() for name, p in net.named_parameters()}

    def loss(own: dict[str, Tensor], one: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(net, own, (one[None],)), label[None])

    found = []
    for xs, ys in zip(torch.split(x, 100), torch.split(y, 100), strict=True):
        grads = vmap(grad(loss), (None, 0, 0))(params, xs, ys)
        found.append(torch.stack([g.flatten(1).square().sum(1) for g in grads.values()]).sum(0).sqrt())
    return torch.cat(found)


class Functional(Curvature):
    """The same Lanczos, each product a forward-over-reverse pass from the start."""

    def __init__(self, net: nn.Module, x: Tensor, y: Tensor) -> None:
        self.params = [p.detach() for p in net.parameters()]
        self.names = [name for name, _ in net.named_parameters()]
        self.net, self.x, self.y, self.place = net, x, y, "loss"
        self.gradient = torch.cat([p.reshape(-1) for p in self.params])

    def product(self, vector: Tensor) -> Tensor:
        def loss(values: tuple[Tensor, ...]) -> Tensor:
            own = dict(zip(self.names, values, strict=True))
            return F.cross_entropy(functional_call(self.net, own, (self.x,)), self.y)

        sizes = [p.numel() for p in self.params]
        parts = [v.view(p.shape) for v, p in zip(torch.split(vector, sizes), self.params, strict=True)]
        _, found = jvp(grad(loss), (tuple(self.params),), (tuple(parts),))
        return torch.cat([p.reshape(-1) for p in found])


def bare_passes(net: nn.Module, x: Tensor, y: Tensor) -> None:
    """Forwards, and backwards as far as the first layer's outputs: what any form of the norms must do."""
    made: list[Tensor] = []
    layers = [m for m in net.modules() if list(m.parameters(recurse=False))]
    hooks = [m.register_forward_hook(lambda *told: made.append(told[-1]) or told[-1].clone()) for m in layers]
    loss = F.cross_entropy(net(x), y, reduction="sum")
    for hook in hooks:
        hook.remove()
    torch.autograd.grad(loss, made)


def bench_norms(net: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float, float, float, float]:
    slow, direct = cpu_seconds(lambda: loop_norms(net, x, y), 3)
    mapped, _ = cpu_seconds(lambda: vmap_norms(net, x, y), 3)
    bare, _ = cpu_seconds(lambda: bare_passes(net, x, y), 9)
    fast, ours = cpu_seconds(lambda: sample_gradient_norms(net, x, y), 9)
    return slow, mapped, bare, fast, float(((ours - direct).abs() / direct).max())


def scipys(operator: Functional) -> float:
    size = len(operator.gradient)
    start = torch.randn(size, generator=torch.Generator().manual_seed(0)).numpy()
    product = LinearOperator(
        (size, size), lambda v: operator.product(torch.from_numpy(v).flatten()).numpy(), dtype="f4"
    )
    return float(eigsh(product, k=1, which="LA", v0=start, tol=TOLERANCE, return_eigenvectors=False)[0])


def bench_products(net: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float, float, float]:
    """Twenty products: functional, on the reused graph; and twenty gradients, which reuse saves."""
    params = list(net.parameters())
    reused, functional = Curvature(F.cross_entropy(net(x), y), params), Functional(net, x, y)
    vectors = torch.randn(20, len(reused.gradient), generator=torch.Generator().manual_seed(2))
    slow, direct = cpu_seconds(lambda: torch.stack([functional.product(v) for v in vectors]), 5)
    fast, ours = cpu_seconds(lambda: torch.stack([reused.product(v) for v in vectors]), 9)
    saved, _ = cpu_seconds(
        lambda: [torch.autograd.grad(F.cross_entropy(net(x), y), params) for _ in vectors], 9
    )
    return slow, fast, saved, float((ours - direct).abs().max() / direct.abs().max())


def bench_eigenvalues(net: nn.Module, x: Tensor, y: Tensor, groups: int) -> tuple[float, float, float, float]:
    parts = list(zip(torch.chunk(x, groups), torch.chunk(y, groups), strict=True))
    params = list(net.parameters())

    def reused() -> Tensor:
        made = (Curvature(F.cross_entropy(net(xs), ys), params) for xs, ys in parts)
        return torch.tensor([c.largest(TOLERANCE).value for c in made], dtype=torch.float64)

    def functional() -> Tensor:
        made = (Functional(net, xs, ys) for xs, ys in parts)
        return torch.tensor([c.largest(TOLERANCE).value for c in made], dtype=torch.float64)

    def library() -> Tensor:
        return torch.tensor([scipys(Functional(net, xs, ys)) for xs, ys in parts], dtype=torch.float64)

    slow, direct = cpu_seconds(functional, 3)
    slowest, _ = cpu_seconds(library, 3)
    fast, ours = cpu_seconds(reused, 5)
    return slow, slowest, fast, float(((ours - direct).abs() / direct.abs()).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--groups", type=int, default=5)
    given = parser.parse_args()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        for name, net, x in networks(given.samples):
            y = torch.randint(0, 10, (len(x),), generator=torch.Generator().manual_seed(1))
            slow, mapped, bare, fast, apart = bench_norms(net, x, y)
            said = f"loop {slow:.3f} s, vmap {mapped:.3f} s, ghost {fast:.4f} s, bare passes {bare:.4f} s"
            print(f"{name}: norms of {len(x)} samples: {said}")
            print(f"  {slow / fast:.1f}x the loop (asked {LEAST['norms']:g}x), apart {apart:.1e} ({CLOSE:g})")
            print(f"  if norms beside the passes were free: {slow / bare:.1f}x")
            group = len(x) // 25
            slow, fast, saved, apart = bench_products(net, x[:group], y[:group])
            said = f"functional {slow:.4f} s, reused graph {fast:.4f} s, gradients {saved:.4f} s"
            print(f"{name}: 20 Hessian products of {group} samples: {said}")
            print(f"  {slow / fast:.1f}x (asked {LEAST['eigenvalues']:g}x), apart {apart:.1e} ({CLOSE:g})")
            slow, slowest, fast, apart = bench_eigenvalues(net, x[:200], y[:200], given.groups)
            said = f"functional {slow:.3f} s, scipy's {slowest:.3f} s, reused graph {fast:.3f} s"
            print(f"{name}: eigenvalue of {given.groups} groups: {said}")
            gains = f"{slow / fast:.1f}x and {slowest / fast:.1f}x"
            print(f"  {gains} (asked {LEAST['eigenvalues']:g}x), apart {apart:.1e} ({CLOSE:g})")


if __name__ == "__main__":
    main()
