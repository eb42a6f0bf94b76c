"""Complete verification: equal to mixed-integer programming, and every counter-example works."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from verify_nets import draw

from retrace.rehearsal.pretend import on_device, pretended
from retrace.verify import falsify
from retrace.verify.bounds import alpha
from retrace.verify.domain import ball
from retrace.verify.outcome import Limits
from retrace.verify.search import complete, exact
from retrace.verify.search.queue import Domain, Queue

PROOF_ONLY = Limits(steps=0, restarts=0, first=0, iterations=3, refine=0, batch=16)


def centres(region):
    return (region.lower + region.upper) / 2


@pytest.mark.parametrize(
    ("kind", "iterations"), [("dense", 3), ("residual", 0), ("residual convolutional", 2)]
)
def test_the_verdicts_equal_exact_margins(kind, iterations):
    limits = replace(PROOF_ONLY, iterations=iterations)
    seen = set()
    split = 0
    for seed in range(8):
        module, net, region, _ = draw(kind, seed, images=3, radius=0.0)
        images, epsilon = centres(region), (0.03, 0.06, 0.1, 0.2)[seed % 4]
        labels = net(images).argmax(1)
        least = exact.margins(net, ball(images, epsilon), labels).amin(1)
        found = complete.verify(net, images, labels, epsilon, limits=limits)
        for k, outcome in enumerate(found):
            if abs(float(least[k])) < 1e-6:
                continue
            assert outcome.status == ("verified" if least[k] > 0 else "falsified")
            seen.add(outcome.status)
            split += outcome.domains
            if outcome.example is None:
                assert 0 < outcome.bound <= float(least[k]) + 1e-6
            else:
                assert float((outcome.example - images[k]).abs().max()) <= epsilon + 1e-12
                assert 0 <= float(outcome.example.min()) <= float(outcome.example.max()) <= 1
                assert int(module(outcome.example[None]).argmax()) != int(labels[k])
    assert seen == {"verified", "falsified"}
    assert split > 0


def test_the_attack_breaks_nothing_that_is_verified():
    for seed in range(4):
        _, net, region, labels = draw("dense", seed, images=8, radius=0.0)
        images = centres(region)
        found = complete.verify(net, images, labels, 0.1, limits=Limits(steps=5, restarts=1, refine=3))
        attack = falsify.pgd(net, images, labels, 0.1, steps=30, restarts=3)
        for k, outcome in enumerate(found):
            assert not (outcome.status == "verified" and bool(attack.found[k]))
        assert float((attack.examples - images).abs().max()) <= 0.1 + 1e-9
        broken = falsify.broken(net, attack.examples, labels)
        assert broken.tolist() == attack.found.tolist()


def test_single_precision_networks_are_decided_in_double():
    _, net, region, labels = draw("residual", 5, images=4, radius=0.0, dtype=torch.float32)
    images = centres(region)
    for outcome, other in zip(
        complete.verify(net, images, labels, 0.2, limits=PROOF_ONLY),
        complete.verify(net.to(torch.float64), images.double(), labels, 0.2, limits=PROOF_ONLY),
        strict=True,
    ):
        assert outcome.status == other.status


def test_a_wrong_label_is_told_apart_and_no_means_leave_it_unknown():
    _, net, region, labels = draw("dense", 2, images=6, radius=0.0)
    images = centres(region)
    wrong = complete.verify(net, images, (labels + 1) % 3, 0.1)
    assert {o.status for o in wrong} == {"misclassified"}
    assert complete.verify(net, images[:0], labels[:0], 0.1) == []
    full = complete.verify(net, images, labels, 0.2, limits=PROOF_ONLY)
    none = complete.verify(net, images, labels, 0.2, limits=Limits(steps=0, restarts=0, first=0, domains=0))
    assert any(o.domains for o in full)
    for all_, nothing in zip(full, none, strict=True):
        assert nothing.domains == 0
        assert nothing.status in ("unknown", all_.status)
    assert any(o.status == "unknown" and o.bound <= 0 for o in none)


def test_the_same_call_twice_gives_the_same_outcomes():
    _, net, region, labels = draw("dense", 8, images=4, radius=0.0)
    first, second = (complete.verify(net, centres(region), labels, 0.3, limits=PROOF_ONLY) for _ in "12")
    assert [(o.status, o.bound, o.domains) for o in first] == [(o.status, o.bound, o.domains) for o in second]


def _domain(image: int, bound: float, choices: tuple[int, ...] = (0,)) -> Domain:
    return Domain(image, 0, bound, torch.zeros(1), (), (), (), choices)


def test_the_queue_serves_the_worst_first_and_keeps_accounts():
    queue = Queue(3, Limits(batch=2, domains=4))
    for image, bound in ((0, -1.0), (1, -3.0), (0, -2.0), (2, 0.5)):
        queue.settle(_domain(image, bound), None)
    assert [d.bound for d in queue.pop()] == [-3.0, -2.0]
    queue.charge([1, 0], 2.0)
    queue.settle(_domain(1, 0.1, ()), None)
    queue.settle(_domain(0, -0.5, ()), None)  # nothing left to split, nothing decided
    assert queue.pop() == []
    assert [o.status for o in queue.outcomes()] == ["unknown", "verified", "verified"]
    assert [o.domains for o in queue.outcomes()] == [2, 2, 0]
    assert queue.outcomes()[0].seconds == 1.0


def test_an_image_whose_open_domains_cost_more_than_it_has_left_is_given_up():
    queue = Queue(2, Limits(batch=8, domains=6))
    for image in (1, 1, 1, 1, 0, 0, 0):  # each domain costs two: six for image 0, eight for image 1
        queue.settle(_domain(image, -1.0), None)
    assert [d.image for d in queue.pop()] == [0, 0, 0]
    assert queue.status == [None, "unknown"]


@pytest.mark.parametrize(("seconds", "left"), [(None, math.inf), (40.0, 10.0)])
def test_refining_may_take_a_quarter_of_an_images_seconds(monkeypatch, seconds, left):
    _, net, region, labels = draw("dense", 2, images=3, radius=0.1)
    given, real = [], alpha.preactivations
    monkeypatch.setattr(alpha, "preactivations", lambda *a: given.append(a[-2:]) or real(*a))
    complete.verify(net, region.centre, labels, 0.1, limits=Limits(refine=3, seconds=seconds, domains=4))
    assert given == [(3, left)]


def test_a_waiting_domain_keeps_the_slopes_of_unstable_neurons_alone(monkeypatch):
    """On the host, whatever the device: at the paper's sizes a card could not hold them."""
    _, net, region, labels = draw("convolutional", 4, images=3, radius=0.05)
    waiting, real = [], Queue.settle
    monkeypatch.setattr(Queue, "settle", lambda self, d, x: waiting.append(d) or real(self, d, x))
    with pretended():
        there = net.to(torch.float32, torch.device("cuda"))
        complete.verify(
            there,
            region.centre.float().to("cuda"),
            labels.to("cuda"),
            0.05,
            limits=replace(PROOF_ONLY, domains=20),
        )
    whole = sum(math.prod(net.shape(relu)) for relu in net.relus)
    assert len(waiting) > 3
    assert not any(on_device(d.alpha) for d in waiting)
    assert {d.alpha.untyped_storage().nbytes() for d in waiting} == {2 * len(d.alpha) for d in waiting}
    assert max(len(d.alpha) for d in waiting) < whole
