"""Tables of seeds, cells and items, and a claim about their mean, for the tests of looks and power."""

from __future__ import annotations

import numpy as np
import pandas as pd

from retrace.claims.model import Claim


def claim(name="toy", **change):
    """A claim that the mean of x, cell by cell, is as expected (at least 0 if not told)."""
    evidence = {"study": "toy", "statistic": "mean", "of": ["x"], "within": ["cell"]}
    evidence |= change.pop("evidence", {})
    control = change.pop("control", {"label": "nothing", "of": "zero"})
    raw = {"id": name, "says": "toy", "where": "toy", "kind": "bound", "expect": {"at_least": 0.0}}
    return Claim.model_validate({**raw, **change, "evidence": evidence, "control": control})


def table(values):
    """An array (seeds, cells, items) as a study's table; where it is nan there is no row."""
    seeds, cells, items = np.indices(values.shape).reshape(3, -1)
    frame = pd.DataFrame({"seed": seeds, "x": values.reshape(-1), "zero": -9.0})
    frame["cell"] = [f"c{cell}" for cell in cells]
    frame["condition"] = [f"i{item}" for item in items]
    return frame[frame["x"].notna()]
