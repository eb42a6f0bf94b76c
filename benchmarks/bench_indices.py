"""Compare our reuse indices with the looped originals on the same input: values and CPU time.

Run `python benchmarks/bench_indices.py`: one thread, CPU seconds, median of 5 runs of ours; a loop runs once.
LogME is also compared with thuml's (LogME.py and numba on PYTHONPATH) and tllib's where they are installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np
import official
import torch
from threadpoolctl import threadpool_limits
from timing import cpu_seconds
from torch import nn

from retrace.metrics.activations import channel_means, forward, vectors
from retrace.metrics.reuse.arm import arm
from retrace.metrics.reuse.clean_side import clean_side
from retrace.metrics.reuse.indices import all_indices
from retrace.metrics.reuse.preindex import add, pair_sums, prepare, representation_distance
from retrace.metrics.reuse.resque import class_activation_sums, resque_dist
from retrace.metrics.reuse.transferability import log_me
from retrace.nets.registry import build

WIDTHS = (64,) * 5 + (128,) * 5 + (256,) * 5 + (512,) * 5


def activations(images: int, seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Synthetic channel means, float32, of 20 layers as in a ResNet-18, and a disturbed copy."""
    rng = np.random.default_rng(seed)
    clean, noisy = {}, {}
    for number, width in enumerate(WIDTHS):
        values = rng.normal(size=(images, width)).astype(np.float32)
        noise = rng.normal(size=values.shape).astype(np.float32)
        clean[f"layer{number}"], noisy[f"layer{number}"] = values, values + np.float32(0.3) * noise
    return clean, noisy


def bench_preindex(images: int, looped: int, seed: int) -> list[tuple[str, float, float, float]]:
    clean, noisy = activations(images, seed)
    few = [
        {name: values[:looped].astype(np.float64) for name, values in side.items()} for side in (clean, noisy)
    ]
    slow, reference = cpu_seconds(lambda: official.preindex_p(*few))
    some = [{name: values[:looped] for name, values in side.items()} for side in (clean, noisy)]
    ours = representation_distance(*some)
    gap = max(abs(ours[key] - reference[key]) for key in reference)
    narrow = official.preindex_p(*some)
    rounding = max(abs(ours[key] - narrow[key]) for key in narrow)
    print(f"a loop fed float32 bins in float32: it differs by {rounding:.1e} (not timed)")
    fast, _ = cpu_seconds(lambda: representation_distance(clean, noisy), 5)
    sides = {
        name: [prepare(values[start : start + 512]) for start in range(0, images, 512)]
        for name, values in clean.items()
    }

    def shifted_only() -> None:
        for name, values in noisy.items():
            for number, side in enumerate(sides[name]):
                pair_sums(side, prepare(values[number * 512 : number * 512 + 512]))

    cached, _ = cpu_seconds(shifted_only, 5)
    return [
        ("PreIndex p, both sides", slow / looped, fast / images, gap),
        ("PreIndex p, clean side cached", slow / looped, cached / images, gap),
    ]


def small_net(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    net = nn.Sequential()
    for channels, width, stride in ((1, 16, 2), (16, 32, 2), (32, 64, 1)):
        net.extend([nn.Conv2d(channels, width, 3, stride, 1), nn.BatchNorm2d(width), nn.ReLU()])
    return net.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)])


def our_tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def our_arm(net: nn.Module, clean: torch.Tensor, noisy: torch.Tensor, classes: int, layer: str) -> float:
    sides = []
    for images in (clean, noisy):
        means: dict[str, list[np.ndarray]] = {}

        def keep(
            name: str, output: torch.Tensor, _rows: slice, to: dict[str, list[np.ndarray]] = means
        ) -> None:
            if output.shape[1] > classes:
                to.setdefault(name, []).append(channel_means(output).numpy())

        forward(net, images, layer, keep)
        sides.append({name: np.concatenate(parts) for name, parts in means.items()})
    return arm(sides[0], sides[1])


def bench_networks(images: int, seed: int) -> list[tuple[str, float, float, float]]:
    net, layer, classes = small_net(seed), "6", 10
    rng = np.random.default_rng(seed)
    stored = rng.integers(0, 256, size=(images, 28, 28, 1))
    disturbed = np.clip(stored + rng.normal(0, 25, size=stored.shape), 0, 255)
    labels = np.arange(images) % classes
    pair = [official.Images(side.astype(np.uint8), labels) for side in (stored, disturbed)]
    clean, noisy = (our_tensor(side.images) for side in pair)
    rows = []
    slow, reference = cpu_seconds(lambda: official.arm_textbook(net, clean, noisy, classes))
    fast, ours = cpu_seconds(lambda: our_arm(net, clean, noisy, classes, layer), 5)
    rows.append(("ARM, end to end", slow / images, fast / images, abs(ours - reference)))
    slow, reference = cpu_seconds(lambda: official.resque_dist(net, *pair, layer, classes))

    def our_resque() -> float:
        sides = [our_tensor(side.images) for side in pair]
        sums = [class_activation_sums(net, side, labels, layer, classes)[0] for side in sides]
        return resque_dist(sums[0], sums[1])

    fast, ours = cpu_seconds(our_resque, 5)
    rows.append(("RESQUE_dist, end to end", slow / images, fast / images, abs(ours - reference)))
    return rows


def peers() -> dict[str, Callable[[np.ndarray, np.ndarray], float]]:
    """LogME by the paper's algorithm, and by the packages that are installed here."""
    found: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"paper's algorithm": official.log_me}
    with suppress(ImportError):
        from LogME import LogME  # type: ignore[import-not-found]

        found["thuml, numba"] = lambda x, y: float(LogME(regression=False).fit(x, y))
    with suppress(ImportError):
        from tllib.ranking import log_maximum_evidence  # type: ignore[import-not-found]

        found["tllib"] = lambda x, y: float(log_maximum_evidence(x, y))
    return found


def bench_log_me(seed: int) -> None:
    print(f"{'LogME':32}{'theirs ms':>16}{'ours ms':>14}{'ratio':>9}{'difference':>17}")
    for rows, columns, classes in ((2000, 64, 10), (5000, 512, 100), (500, 64, 10), (500, 2048, 10)):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, classes, rows)
        middle = rng.normal(size=(classes, columns))
        features = np.maximum(rng.normal(size=(rows, columns)) + middle[labels], 0)
        for name, call in peers().items():
            if rows < columns and name == "paper's algorithm":
                continue
            slow, theirs = cpu_seconds(partial(call, features, labels), 5)
            fast, ours = cpu_seconds(partial(log_me, features, labels), 5)
            line = f"{rows} x {columns}, {name}"
            print(
                f"{line:32}{slow * 1e3:16.2f}{fast * 1e3:14.2f}{slow / fast:8.1f}x{abs(ours - theirs):17.1e}"
            )


def bench_end_to_end(images: int, seed: int) -> None:
    """PreIndex p of a ResNet-18 at 32x32, forward passes and all, and what passes alone cost."""
    net, classes, layer = build("resnet18", 3, 32, 10, seed).eval(), 10, "layer4.1.conv2"
    rng = np.random.default_rng(seed)
    stored = rng.integers(0, 256, size=(images, 32, 32, 3))
    disturbed = np.clip(stored + rng.normal(0, 25, size=stored.shape), 0, 255)
    clean, noisy = our_tensor(stored), our_tensor(disturbed.astype(np.uint8))
    labels = np.arange(images) % classes

    def passes() -> None:
        with torch.no_grad():
            for side in (clean, noisy):
                for part in side.split(128):
                    net(part)

    def our_p() -> dict[str, float]:
        side = clean_side(net, clean, labels, classes, layer=layer, full_map_images=0)
        totals: dict[str, float] = {}

        def on_layer(name: str, output: torch.Tensor, rows: slice) -> None:
            if name in side.histograms:
                part = prepare(vectors(output, side.family).numpy())
                add(totals, pair_sums(side.histograms[name][rows.start // side.batch], part))

        forward(net, noisy, layer, on_layer)
        return {key: total / len(side.histograms) / images for key, total in totals.items()}

    def everything() -> dict[str, float]:
        return all_indices(net, clean_side(net, clean, labels, classes, layer=layer), noisy)

    slow, theirs = cpu_seconds(lambda: official.preindex_end_to_end(net, clean, noisy, classes))
    fast, ours = cpu_seconds(our_p)
    gap = max(abs(ours[key] - theirs[key]) for key in theirs)
    bare, whole = cpu_seconds(passes)[0], cpu_seconds(everything)[0]
    print(f"ResNet-18, {images} pairs, forward passes included (CPU s):")
    print(f"PreIndex p: looped {slow:.2f}, ours {fast:.2f}, ratio {slow / fast:.1f}x, difference {gap:.1e}")
    print(f"two bare passes {bare:.2f}; all indices and rivals, ours {whole:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000, help="image pairs for ours")
    parser.add_argument("--looped", type=int, default=50, help="image pairs for the PreIndex loop")
    parser.add_argument("--pairs", type=int, default=200, help="image pairs for a ResNet-18")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        rows = bench_preindex(chosen.images, chosen.looped, chosen.seed)
        rows += bench_networks(chosen.images, chosen.seed)
        bench_log_me(chosen.seed)
        bench_end_to_end(chosen.pairs, chosen.seed)
    print(f"{'':32}{'looped ms/pair':>16}{'ours ms/pair':>14}{'ratio':>9}{'max difference':>17}")
    for name, slow, fast, gap in rows:
        print(f"{name:32}{slow * 1e3:16.3f}{fast * 1e3:14.4f}{slow / fast:8.0f}x{gap:17.1e}")


if __name__ == "__main__":
    main()
