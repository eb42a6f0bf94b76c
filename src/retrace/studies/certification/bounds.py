"""What is measured of one network: attacks, bounds, stability, and complete verification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from retrace.compress.pruning.physical import compressed
from retrace.stage import Array
from retrace.studies.certification.setup import Data
from retrace.verify import falsify
from retrace.verify.bounds import alpha, crown, interval
from retrace.verify.bounds.interval import Bounds
from retrace.verify.domain import ball
from retrace.verify.fold import fold
from retrace.verify.network import Network
from retrace.verify.outcome import Limits
from retrace.verify.search import complete

if TYPE_CHECKING:
    from retrace.studies.certification.params import Verification

STATUS = {"misclassified": 0, "falsified": 1, "unknown": 2, "verified": 3}


@dataclass(frozen=True)
class Setting:
    """The radius, and how hard to attack and verify."""

    epsilon: float
    effort: Verification


@dataclass(frozen=True)
class Found:
    """Values of test images by quantity and the share of unstable ReLUs of each layer."""

    images: dict[str, Array]
    unstable: list[float]
    hidden: list[Bounds]  # CROWN's, of the inputs of all ReLUs


@dataclass(frozen=True)
class Decided:
    """Of each image of the slice, (n,): `alpha`, `status`, `domains`; and, by the clock, CPU seconds."""

    images: dict[str, Array]
    seconds: list[float]


def folded(net: nn.Sequential, data: Data) -> Network:
    """The network without the channels it does not need, its norms folded."""
    channels, size, _ = data.frame
    return fold(compressed(net, channels, size), (channels, size, size))


@torch.no_grad()
def validate(network: Network, data: Data, setting: Setting) -> dict[str, float]:
    """Clean accuracy on the validation slice, and certified accuracy by CROWN on its first images."""
    x, y = data.x["validation"], data.y["validation"]
    some = slice(0, setting.effort.crown_images)
    certified = crown.margins(network, ball(x[some], setting.epsilon), y[some]).amin(1) > 0
    right = network(x).argmax(1) == y
    return {"clean": float(right.double().mean()), "certified": float(certified.double().mean())}


def bound(network: Network, data: Data, setting: Setting) -> Found:
    """Quantities of test images.

    Of all, (N,): `clean`, `pgd` (survives the attack), `ibp` (certified by intervals), 0 or 1. Of the first
    `crown_images`: `crown`, 0 or 1; `unstable`, the share of ReLUs that CROWN leaves unstable; `instability`,
    the sum of -l u over these; `looseness`, how far CROWN's bound of the worst margin lies below the smallest
    margin that the attack found, over the spread of the network's clean margins.
    """
    x, y, effort = data.x["test"], data.y["test"], setting.effort
    some = slice(0, effort.crown_images)
    region = ball(x[some], setting.epsilon)
    with torch.no_grad():
        clean = falsify.gaps(network(x), y).amin(1)
        certified = interval.margins(network, ball(x, setting.epsilon), y).amin(1)
        before = crown.preactivations(network, region)
        worst = crown.margins(network, region, y[some], known=before).amin(1)
    attack = falsify.pgd(
        network, x, y, setting.epsilon, steps=effort.pgd_steps, restarts=effort.pgd_restarts, seed=0
    )
    with torch.no_grad():
        reached = falsify.gaps(network(attack.examples[some]), y[some]).amin(1)
    unstable = [((low < 0) & (high > 0)).flatten(1).double() for low, high in before]
    products = [(-low.clamp(max=0) * high.clamp(min=0)).flatten(1).double().sum(1) for low, high in before]
    images = {
        "clean": clean > 0,
        "pgd": ~attack.found & (clean > 0),
        "ibp": certified > 0,
        "crown": worst > 0,
        "unstable": torch.cat(unstable, 1).mean(1).float(),
        "instability": torch.stack(products).sum(0).float(),
        "looseness": ((reached - worst) / clean.std().clamp(min=1e-12)).float(),
    }
    return Found({name: _array(v) for name, v in images.items()}, [float(u.mean()) for u in unstable], before)


def decide(network: Network, data: Data, setting: Setting, hidden: list[Bounds]) -> Decided:
    """Optimised slopes, on CROWN's hidden bounds, and complete verification, of the first test images."""
    effort = setting.effort
    count = effort.complete_images
    x, y = (part["test"][:count] for part in (data.x, data.y))
    region, known = ball(x, setting.epsilon), [(low[:count], high[:count]) for low, high in hidden]
    tight = alpha.margins(network, region, y, iterations=effort.alpha_iterations, known=known)
    limits = Limits(
        domains=effort.domains,
        seconds=effort.seconds,
        iterations=effort.iterations,
        first=effort.first,
        refine=effort.refine,
        steps=effort.pgd_steps,
        restarts=effort.pgd_restarts,
    )
    outcomes = complete.verify(network, x, y, setting.epsilon, limits=limits)
    images = {
        "alpha": _array(tight.amin(1) > 0),
        "status": np.array([STATUS[o.status] for o in outcomes], dtype=np.int8),
        "domains": np.array([o.domains for o in outcomes], dtype=np.int32),
    }
    return Decided(images, [o.seconds for o in outcomes])


def _array(values: Tensor) -> Array:
    values = values.detach()
    if values.dtype.is_floating_point:
        return np.ascontiguousarray(values.cpu().numpy())
    return np.ascontiguousarray(values.to(torch.int8).cpu().numpy())
