"""RMIA by one name, as LiRA has one: with models that saw an example and others, or with the others alone."""

from __future__ import annotations

import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Floats
from retrace.attacks.membership.rmia import Ties, rmia_offline, rmia_online


def rmia(
    target: npt.ArrayLike,
    references: npt.ArrayLike,
    member: npt.ArrayLike | None,
    population: npt.ArrayLike,
    population_references: npt.ArrayLike,
    *,
    online: bool = True,
    gamma: float = 2.0,
    a: float = 0.3,
    ties: Ties = "broken",
) -> Floats:
    """Return `rmia_online`, or `rmia_offline` where not `online`, in the order of `lira`'s arguments, (N,).

    `member` (M,N): which reference has seen which example; None: none has any, which is offline.
    AttackError for online without `member`, and as these two.
    """
    if not online:
        return rmia_offline(
            target,
            references,
            population,
            population_references,
            member=member,
            gamma=gamma,
            a=a,
            ties=ties,
        )
    if member is None:
        raise AttackError("online RMIA needs member, which reference saw which example; or say online=False")
    return rmia_online(
        target, references, member, population, population_references, gamma=gamma, a=a, ties=ties
    )
