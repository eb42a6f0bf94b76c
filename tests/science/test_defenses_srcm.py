import pytest
import torch
import torch.nn.functional as F
from shadow_bench import CLASSES, bench

from retrace.defenses.membership.run import defend
from retrace.defenses.membership.settings import RelaxLoss, Srcm
from retrace.defenses.membership.srcm import SaturnRing

X = torch.randn(50, 8, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 12, 50)[:, None]


def ring(kind="centre", linear="none", pre=False, r=6.0, d=2.0):
    torch.manual_seed(0)
    return SaturnRing(8, CLASSES, kind, r, d, linear, pre)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [("outer", 6, 8), ("centre", 4, 8), ("inner", 4, 6), ("sphere", 6, 6), ("random", 6, 8)],
)
def test_representations_lie_on_the_ring_in_their_own_direction(kind, low, high):
    logits, z = ring(kind)(X)
    norms = z.norm(dim=1)
    assert norms.min() >= low - 1e-4
    assert norms.max() <= high + 1e-4
    assert torch.allclose(F.normalize(z, dim=1), F.normalize(X, dim=1), atol=1e-5)
    assert logits.shape == (50, CLASSES)


def test_norms_inside_the_ring_are_left_alone():
    _, z = ring("centre")(X)
    inside = (X.norm(dim=1) > 4) & (X.norm(dim=1) < 8)
    assert inside.any()
    assert torch.allclose(z[inside], X[inside], atol=1e-5)


def test_smooth_rises_with_the_norm_and_off_changes_nothing():
    _, z = ring("smooth")(X)
    assert torch.allclose(z.norm(dim=1), 6 + 2 * torch.tanh(X.norm(dim=1) / 6), atol=1e-4)
    assert torch.allclose(ring("off")(X)[1], X, atol=1e-5)


def test_random_radius_is_drawn_in_training_and_fixed_in_evaluation():
    module = ring("random")
    assert module.train()(X)[1].norm(dim=1).std() > 0.1
    assert torch.allclose(module.eval()(X)[1].norm(dim=1), torch.full((50,), 7.0), atol=1e-4)


def test_normalised_linear_layers():
    w, b = ring().last.weight, ring().last.bias
    _, z = ring()(X)
    unit = F.normalize(z, dim=1)
    assert torch.allclose(ring(linear="input")(X)[0], unit @ w.T + b, atol=1e-5)
    assert torch.allclose(ring(linear="cosine")(X)[0], 10 * unit @ F.normalize(w, dim=1).T, atol=1e-4)
    assert torch.allclose(ring(linear="weight")(X)[0], z @ F.normalize(w, dim=1).T + b, atol=1e-4)


def test_the_zero_vector_stays_finite():
    logits, z = ring("sphere")(torch.zeros(2, 8))
    assert torch.isfinite(logits).all()
    assert torch.isfinite(z).all()


def test_it_trains_stacked_and_closes_the_norm_channel():
    made = bench(epochs=6)
    models = defend(
        made, Srcm(defence="srcm", ring="sphere", radius=3, loss=RelaxLoss(defence="relaxloss"))
    ).models
    logits, z = models.predict(made.x)
    assert torch.allclose(z.norm(dim=2), torch.full((4, 80), 3.0), atol=1e-4)
    assert ((logits.argmax(-1) == made.y).float().mean(1) > 0.5).all()
