"""What became of mislabelled training samples: memorised, recovered, or neither."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]


def shares(predicted: Labels, noisy: Labels, true: Labels) -> dict[str, float]:
    """Shares of mislabelled samples (S,) predicted as labelled, as they truly are, and otherwise.

    `memorisation`, `recovery` and `random` add up to 1 (Singhal and Kim, NeurIPS 2025).
    ValueError without samples, or where a label is right.
    """
    if not len(predicted) == len(noisy) == len(true) or len(true) == 0:
        raise ValueError(
            "memorisation: as many predictions as mislabelled samples are needed, and one or more"
        )
    if (noisy == true).any():
        raise ValueError("memorisation: a sample's label is right; pass the mislabelled ones only")
    memorised, recovered = int((predicted == noisy).sum()), int((predicted == true).sum())
    count = len(true)
    return {
        "memorisation": memorised / count,
        "recovery": recovered / count,
        "random": (count - memorised - recovered) / count,
    }
