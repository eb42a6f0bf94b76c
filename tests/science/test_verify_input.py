"""Bad input to the bound engine gets one line; folded networks equal their modules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from retrace.verify.bounds import crown, interval
from retrace.verify.domain import Box, ball, box
from retrace.verify.fold import fold
from retrace.verify.network import Residual
from retrace.verify.outcome import Limits
from retrace.verify.search import complete, exact
from retrace.verify.specification import rivals


class Own(nn.Module):
    """A user's module, whose own forward() no bound can know; its repr takes three lines."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)


IMAGE = torch.full((1, 2), 0.5)


@pytest.mark.parametrize(
    ("images", "epsilon", "says"),
    [
        (IMAGE, -0.1, "epsilon is -0.1"),
        (IMAGE, float("nan"), "epsilon is nan"),
        (IMAGE + 1, 0.1, "leaves"),
        (IMAGE - 1, 0.1, "leaves"),
        (IMAGE * torch.nan, 0.1, "NaN"),
    ],
)
def test_a_bad_ball_is_refused(images, epsilon, says):
    with pytest.raises(ValueError, match=says):
        ball(images, epsilon)


def test_a_ball_is_clipped_to_the_range():
    region = ball(torch.tensor([[0.05, 0.95]]), 0.1)
    assert torch.allclose(region.lower, torch.tensor([[0.0, 0.85]]))
    assert torch.allclose(region.upper, torch.tensor([[0.15, 1.0]]))


def test_a_bad_box_is_refused():
    with pytest.raises(ValueError, match="swap"):
        box(IMAGE + 1, IMAGE)
    with pytest.raises(ValueError, match="one shape"):
        box(IMAGE, IMAGE[:, :1])
    with pytest.raises(ValueError, match="lower end"):
        box(IMAGE * torch.nan, IMAGE)


@pytest.mark.parametrize(
    ("module", "shape", "says"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.Sigmoid()), (2,), r"net\.1: no bounds for Sigmoid"),
        (nn.Sequential(nn.MaxPool2d(2)), (1, 4, 4), "MaxPool2d"),
        (nn.Sequential(nn.Conv2d(2, 2, 3, groups=2), nn.Flatten()), (2, 4, 4), "one group"),
        (nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.Flatten()), (1, 4, 4), "padding"),
        (nn.Sequential(nn.Linear(4, 2)), (1, 4, 4), "flat"),
        (nn.Sequential(nn.Conv2d(1, 2, 3)), (1, 4, 4), "Flatten"),
        (nn.Sequential(Residual(nn.Linear(2, 3))), (2,), "cannot be added"),
        (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False)), (2,), "give fold"),
        (nn.Sequential(nn.Linear(4, 2)), (5,), r"net\.0: Dense does not fit its input of shape \(5,\)"),
        (nn.Sequential(nn.Conv2d(1, 2, 3)), (3, 4, 4), r"net\.0: Convolution does not fit"),
        (nn.Sequential(nn.Conv2d(1, 2, 5)), (1, 4, 4), r"net\.0: Convolution does not fit"),
        (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(1)), (2,), r"net\.1: BatchNorm1d does not fit"),
        (nn.Sequential(Own()), (2,), r"net\.0: no bounds for Own on shape \(2,\)"),
    ],
)
def test_an_unsupported_network_is_refused(module, shape, says):
    with pytest.raises(ValueError, match=says) as refused:
        fold(module, shape)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("layers", "image", "label", "says"),
    [
        ([nn.Linear(2, 3)], IMAGE, 0, "no ReLU"),
        ([nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)], IMAGE, 0, "1 output"),
        ([nn.Linear(2, 3), nn.ReLU()], torch.cat([IMAGE, IMAGE], 1), 0, r"images \(n, 2\)"),
        ([nn.Linear(2, 3), nn.ReLU()], IMAGE, [0], r"labels \(n,\)"),
        ([nn.Linear(2, 3), nn.ReLU()], IMAGE, 3, "3 classes"),
    ],
)
def test_what_cannot_be_verified_is_refused(layers, image, label, says):
    with pytest.raises(ValueError, match=says):
        complete.verify(fold(nn.Sequential(*layers), (2,)), image, torch.tensor([label]), 0.1)


def test_bad_options_are_refused():
    net = fold(nn.Sequential(nn.Linear(2, 3)), (2,))
    with pytest.raises(ValueError, match="3 classes"):
        crown.margins(net, ball(IMAGE, 0.1), torch.tensor([3]))
    with pytest.raises(ValueError, match="one at a time"):
        exact.minimum(net, ball(IMAGE.repeat(2, 1), 0.1), torch.ones(3))
    for bad in ({"batch": 0}, {"domains": -1}, {"seconds": 0.0}, {"refine": -1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            Limits(**bad)


def test_rivals_are_the_other_classes_in_order():
    assert rivals(torch.tensor([0, 1, 2]), 3).tolist() == [[1, 2], [0, 2], [0, 1]]


def convolutional() -> nn.Sequential:
    shortcut = nn.Sequential(nn.Conv2d(3, 4, 1, 2), nn.BatchNorm2d(4))
    body = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4))
    return nn.Sequential(
        nn.BatchNorm2d(1),
        nn.Conv2d(1, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.Sequential(nn.ReLU(), Residual(body, shortcut)),
        nn.ReLU(),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(36, 5, bias=False),
        nn.BatchNorm1d(5),
        nn.ReLU(),
        nn.Linear(5, 3),
    )


def test_folding_equals_the_module_in_evaluation_and_in_training():
    torch.manual_seed(0)
    module, x = convolutional().double(), torch.rand(7, 1, 6, 6, dtype=torch.float64)
    for _ in range(3):  # running statistics away from their start
        module(torch.rand(16, 1, 6, 6, dtype=torch.float64))
    module[5].p = 0.0
    for norm in (m for m in module.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, -1, 1)
        nn.init.uniform_(norm.bias, -1, 1)
    in_training = fold(module.train(), (1, 6, 6), batch=x)
    assert torch.allclose(in_training(x), module(x), atol=1e-10)
    assert torch.allclose(fold(module.eval(), (1, 6, 6))(x), module(x), atol=1e-10)


def test_gammas_belong_to_the_norm_in_front():
    module = convolutional()
    gammas = fold(module, (1, 6, 6)).gammas
    assert [None if g is None else len(g) for g in gammas] == [3, 3, None, 5]


def test_an_empty_radius_gives_the_value_itself():
    torch.manual_seed(2)
    module, x = convolutional().eval(), torch.rand(3, 1, 6, 6)
    net, labels = fold(module, (1, 6, 6)), torch.tensor([0, 1, 2])
    logits = module(x)
    true = logits.gather(1, labels[:, None]) - logits.gather(1, rivals(labels, 3))
    region = Box(x, x)
    for bound in (interval.margins, crown.margins):
        assert torch.allclose(bound(net, region, labels), true, atol=1e-5)
