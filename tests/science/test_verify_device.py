"""Tensors are made where the input lies: the others would go to "meta" here, which mixes with nothing."""

from __future__ import annotations

import pytest
import torch
from torch.overrides import TorchFunctionMode
from verify_nets import KINDS, draw

from retrace.verify import blocks, falsify
from retrace.verify.bounds import alpha, crown, interval
from retrace.verify.domain import ball
from retrace.verify.fold import fold
from retrace.verify.outcome import Limits
from retrace.verify.search import complete, exact, leaf

LIMITS = Limits(steps=2, restarts=2, first=2, iterations=2, refine=1, domains=40, batch=8)


class FetchedFirst(TorchFunctionMode):
    """No array of a tensor that was not brought to the host by name, as an accelerator's must be."""

    def __init__(self) -> None:
        super().__init__()
        self.host: list[torch.Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.numpy and not any(args[0] is tensor for tensor in self.host):
            raise TypeError("an accelerator's tensor cannot be an array: call .cpu() first")
        out = func(*args, **(kwargs or {}))
        if func is torch.Tensor.cpu:
            self.host.append(out)
        return out


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_bounds_attacks_and_proofs_stay_on_the_device_of_their_input(kind):
    module, net, region, labels = draw(kind, 1, images=4, radius=0.0)
    images = region.centre
    plain = complete.verify(net, images, labels, 0.2, limits=LIMITS)
    with torch.device("meta"), FetchedFirst():
        region = ball(images, 0.2)
        again = complete.verify(fold(module, net.input_shape), images, labels, 0.2, limits=LIMITS)
        found = [
            interval.margins(net, region, labels),
            crown.margins(net, region, labels),
            alpha.margins(net, region, labels, iterations=2),
            falsify.pgd(net, images, labels, 0.2, steps=2).examples,
        ]
    assert {t.device.type for t in found} == {"cpu"}
    assert [(o.status, o.bound, o.domains) for o in again] == [(o.status, o.bound, o.domains) for o in plain]


def test_linear_and_integer_programs_fetch_from_the_device_and_give_back(monkeypatch):
    _, net, region, labels = draw("dense", 6, images=4, radius=0.0)
    calls = []
    monkeypatch.setattr(leaf, "linprog", lambda *a, f=leaf.linprog, **k: calls.append(0) or f(*a, **k))
    limits = Limits(steps=0, restarts=0, first=0, iterations=0, refine=0, candidates=1)
    with torch.device("meta"), FetchedFirst():
        complete.verify(net, region.centre, labels, 0.1, limits=limits)
    assert calls
    with torch.device("meta"):
        least = exact.margins(net, ball(region.centre[:1], 0.3), labels[:1])
    assert least.device.type == "cpu"


def test_a_card_takes_more_at_once_than_a_processors_cache(monkeypatch):
    assert blocks.entries(torch.device("cpu"), 1000) == 1000
    assert blocks.entries(torch.device("cuda"), 1000) == blocks.ON_A_CARD > 100 * falsify.BLOCK
    _, net, region, _ = draw("convolutional", 1, images=4)
    monkeypatch.setattr(crown, "CHUNK", 1)
    assert [len(some) for some in crown.chunks(net, region)] == [1] * 4
    monkeypatch.setattr(crown, "entries", lambda device, cached: blocks.entries(torch.device("cuda"), cached))
    assert [len(some) for some in crown.chunks(net, region)] == [4]
