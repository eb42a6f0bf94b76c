"""Sampling, SecMI, adapters and distances of the diffusion study beside the direct ways; CPU time.

Run `python benchmarks/bench_diffusion.py`. Where diffusers is installed its UNet is clocked, too.
"""

from __future__ import annotations

import numpy as np
import torch
from timing import cpu_seconds

from retrace.attacks.diffusion.noise import image_of, moved, squared
from retrace.attacks.diffusion.secmi import secmi
from retrace.attacks.extraction.nearest import nearest
from retrace.nets.diffusion.adapters import LowRank
from retrace.nets.diffusion.model import Shape, build
from retrace.nets.diffusion.prompts import photo_of
from retrace.nets.diffusion.sampling import ddim
from retrace.nets.diffusion.schedule import Schedule
from retrace.training.diffusion.adapt import Adapters, adapt, frozen
from retrace.training.diffusion.fit import Recipe

SHAPE, PLAN = Shape(1, 16, (24, 48), 32, 10), Schedule()
IMAGES, DRAWING, DOMAINS, TUNING = 64, 12, 8, 20


def main() -> None:
    torch.set_num_threads(1)
    model = frozen(build(SHAPE, 0))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
        context = model.text(photo_of(torch.tensor([3])))

    @torch.no_grad()
    def predict(x: torch.Tensor, t: int) -> torch.Tensor:
        return model.noise(PLAN, x, t, context)

    noise = torch.randn(IMAGES, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    predict(noise, 0)
    slow, one = cpu_seconds(lambda: torch.cat([ddim(predict, PLAN, x, DRAWING) for x in noise.split(1)]))
    fast, whole = cpu_seconds(lambda: ddim(predict, PLAN, noise, DRAWING), 3)
    line(f"{IMAGES} images in {DRAWING} steps, one a call", slow, fast, float((one - whole).abs().max()))

    x = noise.clamp(-1, 1)
    slow, official = cpu_seconds(lambda: ladder(predict, x), 3)
    fast, early = cpu_seconds(lambda: secmi(predict, PLAN.alpha, x, [140], 10)[140], 3)
    line("SecMI at step 140, the ladder to 190", slow, fast, float((official / early - 1).abs().max()))

    for layers in ("attention", "everything"):
        for batch in (2, 16):
            line(f"LoRA ({layers}), {DOMAINS} domains, batch {batch}", *tuned(model, layers, batch))

    drawn, known = (np.random.default_rng(k).random((count, 256)) for k, count in enumerate((512, 2000)))
    slow, loop = cpu_seconds(lambda: np.array([np.sqrt(((known - one) ** 2).mean(1)).min() for one in drawn]))
    fast, blocks = cpu_seconds(lambda: nearest(drawn, known)[0], 3)
    line("nearest of 2,000 images to 512, image by image", slow, fast, float(np.abs(loop / blocks - 1).max()))
    peer()


def ladder(predict, x: torch.Tensor) -> torch.Tensor:
    """The official ladder: 19 inversions and 19 ways back, of which the pair at 140 is used."""
    at, found = x, x
    for t in range(0, 190, 10):
        start, noise = at, predict(at, t)
        at = moved(image_of(at, noise, PLAN.alpha(t)), noise, PLAN.alpha(t + 10))
        back = predict(at, t + 10)
        returned = moved(image_of(at, back, PLAN.alpha(t + 10)), back, PLAN.alpha(t))
        found = -squared(returned - start) if t == 140 else found
    return found


def tuned(model, layers: str, batch: int) -> tuple[float, float, float]:
    """CPU seconds of tuning domains one after another and at once, and the largest difference."""
    sets = torch.rand(DOMAINS, 32, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    names, plan = torch.arange(DOMAINS), Recipe(TUNING, batch, 1e-4)

    def run(which: slice) -> list[torch.Tensor]:
        seeds = list(range(DOMAINS))[which]
        made = Adapters(low_rank=LowRank(model, layers, 4, len(seeds), 0))
        return adapt(model, made, PLAN, sets[which], names[which], plan, seeds)[TUNING]

    slow, apart = cpu_seconds(lambda: [run(slice(k, k + 1)) for k in range(DOMAINS)])
    fast, together = cpu_seconds(lambda: run(slice(None)))
    joined = [torch.cat(parts) for parts in zip(*apart, strict=True)]
    return slow, fast, max(float((a - b).abs().max()) for a, b in zip(joined, together, strict=True))


def peer() -> None:
    """A training step of diffusers' UNet of the same widths, if it is installed."""
    try:
        from diffusers import UNet2DConditionModel
    except ImportError:
        return
    theirs = UNet2DConditionModel(
        sample_size=16,
        in_channels=1,
        out_channels=1,
        block_out_channels=(24, 48),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    x, t, context = torch.randn(32, 1, 16, 16), torch.randint(0, 1000, (32,)), torch.randn(32, 3, 32)
    slow, _ = cpu_seconds(lambda: theirs(x, t, context).sample.square().mean().backward(), 5)
    for patch in (1, 2):
        ours = build(Shape(1, 16, (24, 48), 32, 10, patch), 0)

        def step(net=ours) -> None:
            net.velocity(x, t, context).square().mean().backward()

        fast, _ = cpu_seconds(step, 5)
        line(f"training step, 32 images: diffusers' UNet; ours folds {patch} by {patch}", slow, fast, 0.0)


def line(what: str, slow: float, fast: float, error: float) -> None:
    print(f"| {what} | {slow:.3f} | {fast:.4f} | {slow / fast:.1f} | {error:.0e} |", flush=True)


if __name__ == "__main__":
    main()
