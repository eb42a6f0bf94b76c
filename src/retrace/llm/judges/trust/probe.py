"""What a dimension of trust asks: two sides of an answer, which one is right, and how that is decided.

A side is rated by the mean log-likelihood of its continuations, a token; the margin is the lead of the first
side. A constant answer is right as often as a coin: sets are balanced, or each probe has other continuations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rated = Sequence[float] | Floats
# median: the margin lies above the median of the dimension's margins, or below, as the label says, so that a
# model's liking for one word is taken out; pair: of two probes the one with the label has the larger margin;
# sign: the first side is the likelier
Rule = Literal["median", "pair", "sign"]
Combine = Literal["mean", "most"]  # of a side's continuations


@dataclass(frozen=True)
class Probe:
    """A text, the continuations of both sides, and whether the first side is right.

    `question` asks for the same in words, and `answers` are the words by which an answer takes a side;
    `chat`: the text is a user's turn. Probes of a pair stand one after another, the one with the label first.
    """

    text: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    label: bool
    question: str = ""
    answers: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    chat: bool = False


@dataclass(frozen=True)
class Dimension:
    """Probes and how they are judged; `common` is a text before all of them, `chance` that of a coin.

    `summed`: whole log-likelihoods are compared, not those of a token. `proxy` says what stands for what.
    """

    name: str
    probes: tuple[Probe, ...]
    rule: Rule
    proxy: str
    chance: float = 0.5
    common: str = ""
    summed: bool = False
    combine: Combine = "mean"


def right(rule: Rule, margins: Floats, labels: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether each probe (N,), or with pairs each pair (N/2,), is answered rightly. What ties is wrong.

    ValueError for an odd number of probes in pairs.
    """
    if rule == "pair":
        if len(margins) % 2:
            raise ValueError(f"{len(margins)} probes do not make pairs")
        return np.asarray(margins[::2] > margins[1::2])
    level = float(np.median(margins)) if rule == "median" else 0.0
    return np.asarray(np.where(labels, margins > level, margins < level))


def constant_share(margins: Floats) -> float:
    """The larger share of probes for which one side is the likelier: 1 where it is always the same.

    It says something where all probes have the same sides.
    """
    first = float((margins > 0).mean())
    return max(first, 1 - first)


def margin(rated_first: Rated, rated_second: Rated, combine: Combine = "mean") -> float:
    """The lead of the first side: of means, or of the best continuations."""
    if combine == "most":
        return max(rated_first) - max(rated_second)
    return float(np.mean(rated_first) - np.mean(rated_second))
