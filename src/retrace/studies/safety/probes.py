"""Distances of the probe of the reasoning direction as rows: by prompt, and by number of tokens and layer.

The evidence's arrays are `probe/<model>/<refusal|compliance>` (prompts, tokens, layers): 1 - cos between
the hidden states after the bare request and after one with a refusing or complying opening. Free of torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from retrace.stage import Array

SIDES = ("refusal", "compliance")


def prompts(arrays: Mapping[str, Array], start: int, margins: Mapping[str, Array]) -> list[dict[str, Any]]:
    """One row a prompt, means over tokens and layers.

    `refusal_<model>`, `compliance_<model>`, `gap_<model>` (compliance less refusal: positive where the bare
    request already points to refusing), the latter also over the layers below the first trained one,
    `gap_lower_<model>`, and from it on, `gap_upper_<model>`; `margin_<model>` of the same prompt.
    """
    columns: dict[str, Array] = {}
    for model in _models(arrays):
        sides = {side: np.asarray(arrays[f"probe/{model}/{side}"], dtype=np.float64) for side in SIDES}
        gap = sides["compliance"] - sides["refusal"]
        lower = gap[..., :start].mean((1, 2)) if start else np.full(len(gap), np.nan)
        columns |= {f"{side}_{model}": values.mean((1, 2)) for side, values in sides.items()}
        columns |= {
            f"gap_{model}": gap.mean((1, 2)),
            f"gap_lower_{model}": lower,
            f"gap_upper_{model}": gap[..., start:].mean((1, 2)),
            f"margin_{model}": margins[model][: len(gap)],
        }
    names = list(columns)
    lines = zip(*(values.tolist() for values in columns.values()), strict=True)
    return [
        {"condition": f"probe:{n}", "type": "probe", **dict(zip(names, line, strict=True))}
        for n, line in enumerate(lines)
    ]


def distances(arrays: Mapping[str, Array], tokens: Sequence[int], start: int) -> list[dict[str, Any]]:
    """One row a number of generated tokens and layer (from 1): means over prompts, columns as of a prompt.

    `start`: how many layers lie below the first trained one.
    """
    means = {
        f"{side}_{model}": np.asarray(arrays[f"probe/{model}/{side}"], dtype=np.float64).mean(0)
        for model in _models(arrays)
        for side in SIDES
    }
    layers = min((values.shape[1] for values in means.values()), default=0)
    return [
        {
            "condition": f"distance:{count}:{layer + 1}",
            "type": "distance",
            "tokens": count,
            "layer": layer + 1,
            "start": start,
            **{name: float(values[t, layer]) for name, values in means.items()},
        }
        for t, count in enumerate(tokens)
        for layer in range(layers)
    ]


def _models(arrays: Mapping[str, Array]) -> list[str]:
    return list(dict.fromkeys(key.split("/")[1] for key in arrays if key.startswith("probe/")))
