"""Schedules, sampling, adapters and training of the small diffusion model: closed forms, and diffusers'."""

import copy

import numpy as np
import pytest
import torch

from retrace.nets.diffusion.adapters import Hyper, LowRank, Words
from retrace.nets.diffusion.model import Shape, build
from retrace.nets.diffusion.prompts import FIRST, nothing, photo_of
from retrace.nets.diffusion.sampling import ddim, guided
from retrace.nets.diffusion.schedule import Schedule
from retrace.stage import StageError
from retrace.training.diffusion import private
from retrace.training.diffusion.adapt import Adapters, adapt
from retrace.training.diffusion.fit import Pictures, Recipe, fit
from retrace.training.diffusion.noising import spread_steps
from retrace.training.diffusion.private import fit_privately

SHAPE = Shape(1, 8, (8, 16), 8, 4)
PLAN = Schedule(100)


@pytest.fixture
def model():
    net = build(SHAPE, 0)
    with torch.no_grad():  # its last layers start at zero
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    return net.requires_grad_(False)


def images(count, seed=0):
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("kind", ["linear", "scaled_linear"])
def test_schedule_is_diffusers(kind):
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDIMScheduler(1000, 0.00085, 0.012, kind, prediction_type="epsilon")
    ours = Schedule(1000, 0.00085, 0.012, kind)
    assert np.allclose(ours.alphas, theirs.alphas_cumprod, rtol=1e-4)
    x, noise, t = images(3), images(3, 1), torch.tensor([0, 500, 999])
    assert torch.allclose(ours.noised(x, noise, t), theirs.add_noise(x, noise, t), atol=1e-5)


@pytest.mark.parametrize("clip", [True, False])
def test_sampling_is_diffusers(model, clip):
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDIMScheduler(
        100, 1e-4, 0.02, "linear", clip_sample=clip, set_alpha_to_one=True, timestep_spacing="trailing"
    )
    theirs.set_timesteps(10)
    context = model.text(photo_of(torch.tensor([1])))
    x = start = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    for t in theirs.timesteps:
        found = model.noise(PLAN, x, int(t), context)
        x = theirs.step(found, int(t), x, use_clipped_model_output=clip).prev_sample
    assert theirs.timesteps.tolist() == PLAN.ladder(10)
    ours = ddim(lambda z, t: model.noise(PLAN, z, t, context), PLAN, start, 10, clip)
    assert torch.allclose(ours, x, atol=1e-4)


def test_inversion_is_diffusers(model):
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDIMInverseScheduler(
        100, 1e-4, 0.02, "linear", clip_sample=False, timestep_spacing="leading", prediction_type="epsilon"
    )
    theirs.set_timesteps(10)
    context, x = model.text(photo_of(torch.tensor([1]))), images(2)
    found = model.noise(PLAN, x, 20, context)
    up = theirs.step(found, 30, x).prev_sample  # its steps are named by where they lead
    ours = PLAN.moved(PLAN.image(x, found, 20), found, 30)
    assert torch.allclose(ours, up, atol=1e-5)


def test_noise_and_image_make_the_mixture_again():
    x, noise = images(5), images(5, 1)
    for t in (0, 50, 99):
        mixed = PLAN.moved(x, noise, t)
        assert torch.allclose(PLAN.image(mixed, noise, t), x, atol=1e-4)
    assert PLAN.alpha(-1) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: PLAN.ladder(101), "101 sampling steps: the schedule has 100"),
        (lambda: PLAN.check(100), "step 100 lies outside"),
        (lambda: Schedule(1), "too few"),
        (lambda: Schedule(10, 0.5, 0.1), "betas grow"),
        (lambda: build(Shape(1, 10, (8, 16), 8, 4), 0), "10 pixels a side"),
    ],
)
def test_one_clear_line(call, words):
    with pytest.raises(ValueError, match=words) as error:
        call()
    assert "\n" not in str(error.value)


def test_guidance_of_one_is_none_and_more_leads_away(model):
    pair = [model.text(photo_of(torch.tensor([2]))), model.text(nothing(1))]
    with_prompt, without = [lambda x, t, c=c: model.noise(PLAN, x, t, c) for c in pair]
    x = images(2)
    a, b = with_prompt(x, 50), without(x, 50)
    assert guided(with_prompt, without, 1.0) is with_prompt
    assert torch.allclose(guided(with_prompt, without, 3.0)(x, 50), b + 3 * (a - b))


def test_steps_are_spread_over_the_schedule():
    t = spread_steps(10, 100, torch.Generator().manual_seed(0))
    assert (t // 10).tolist() == list(range(10))


def tuned(model, make, domains, seeds, x):
    made = make(len(domains))
    adapt(model, made, PLAN, x, domains, Recipe(4, 3, 1e-2, clip=0.5), seeds)
    return made


@pytest.mark.parametrize("kind", ["attention", "unet", "everything", "hyper", "words"])
def test_domains_train_together_as_apart(model, kind):
    model = model.double()  # Adam makes much of what rounding leaves of a gradient that is 0
    names = torch.tensor([0, 2, 3])
    x = torch.stack([images(6, seed) for seed in range(3)]).double()

    def make(count, first=0):
        if kind == "hyper":
            return Adapters(hyper=Hyper(model, 4, count, 7))
        if kind == "words":
            return Adapters(words=Words(model, names[first : first + count] + FIRST, 2))
        return Adapters(low_rank=LowRank(model, kind, 2, count, 7))

    together = tuned(model, make, names, [5, 6, 7], x).parameters()
    for k in range(3):
        alone = tuned(model, lambda n, k=k: make(n, k), names[k : k + 1], [5 + k], x[k : k + 1]).parameters()
        for a, b in zip(together, alone, strict=True):
            assert torch.allclose(a[k], b[0], atol=1e-5)
    assert any(not torch.allclose(a[0], a[1]) for a in together)


@pytest.mark.parametrize("layers", ["attention", "unet", "everything"])
def test_merged_weights_answer_as_adapters_do(model, layers):
    low = LowRank(model, layers, 2, 2, 0, scale=0.7)
    for p in low.up:
        p.data = 0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1))
    x, t, names = images(4), torch.full((4,), 30), torch.tensor([1, 1, 2, 2])
    with low.attached(), torch.no_grad():
        together = model.velocity(x, t, model.text(photo_of(names)))
    for k in range(2):
        own, rows = copy.deepcopy(model), slice(2 * k, 2 * k + 2)
        low.merge(own, k)
        apart = own.velocity(x[rows], t[rows], own.text(photo_of(names[rows])))
        assert torch.allclose(together[rows], apart, atol=1e-5)
    assert not torch.allclose(together, model.velocity(x, t, model.text(photo_of(names))), atol=1e-2)


def test_a_hypernetwork_of_one_domain_is_its_row(model):
    hyper = Hyper(model, 4, 2, 0)
    for p in hyper.second:
        p.data = torch.randn(p.shape, generator=torch.Generator().manual_seed(1))
    x, t, names = images(4), torch.full((4,), 30), torch.tensor([1, 1, 1, 1])
    context = model.text(photo_of(names))
    with torch.no_grad():
        with hyper.attached():
            together = model.velocity(x, t, context)
        for k in range(2):
            with hyper.attached(k):
                apart = model.velocity(x, t, context)
            assert torch.allclose(together[2 * k : 2 * k + 2], apart[2 * k : 2 * k + 2], atol=1e-5)
        assert not torch.allclose(together, model.velocity(x, t, context), atol=1e-2)


def test_training_learns_and_half_of_it_is_a_part_of_it():
    rows = Pictures(images(8), torch.arange(8) % 4)

    def run(steps, keep=()):
        return fit(build(SHAPE, 1), PLAN, rows, Recipe(steps, 8, 1e-3, 2, ema=0.9), 3, keep=keep)

    whole, half = run(8, keep=[4]), run(4)
    assert list(whole) == [4, 8]
    for a, b in zip(whole[4].parameters(), half[4].parameters(), strict=True):
        assert torch.equal(a, b)
    assert any(
        not torch.equal(a, b) for a, b in zip(whole[4].parameters(), whole[8].parameters(), strict=True)
    )


def test_a_loss_that_is_no_number_is_named():
    rows = Pictures(images(4), torch.zeros(4, dtype=torch.long))
    with pytest.raises(StageError, match=r"no number by step .*lower the learning rate"):
        fit(build(SHAPE, 0), PLAN, rows, Recipe(60, 4, 1e30), 0)


def test_the_prior_counts():
    rows = Pictures(images(4), torch.zeros(4, dtype=torch.long))
    prior = Pictures(images(4, 9), torch.ones(4, dtype=torch.long))
    plan = Recipe(3, 4, 1e-2)
    with_it, without = (fit(build(SHAPE, 0), PLAN, rows, plan, 0, prior=p)[3] for p in (prior, None))
    word = FIRST + 1
    assert not torch.allclose(with_it.text.table.weight[word], without.text.table.weight[word])
    assert torch.equal(without.text.table.weight[word], build(SHAPE, 0).text.table.weight[word])


def test_private_gradients_are_clipped_and_never_stretched(monkeypatch):
    """Without noise their mean is at most the bound, and a large bound changes nothing."""
    rows = Pictures(images(6), torch.arange(6) % 4)
    norms = []

    class Watch(private.Optimiser):
        def step(self):
            norms.append(float(torch.stack([p.grad.square().sum() for p in self.params]).sum().sqrt()))

    monkeypatch.setattr(private, "Optimiser", Watch)
    for bound in (1e-3, 1e3, 1e6):
        fit_privately(build(SHAPE, 0), PLAN, rows, Recipe(1, 6, 1e-3, ema=0.9), 1e-12, bound, 0)
    assert 0 < norms[0] <= 1e-3 * (1 + 1e-4)
    assert norms[1] == pytest.approx(norms[2], rel=1e-3)
    assert norms[0] < norms[1] < 1e3
    with pytest.raises(ValueError, match="batch 7: only 6 images"):
        fit_privately(build(SHAPE, 0), PLAN, rows, Recipe(1, 7, 1e-3), 1.0, 1.0, 0)
