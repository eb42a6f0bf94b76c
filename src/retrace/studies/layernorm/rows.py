"""The set of a cell and the rows of a seed, with wrong labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from retrace.data.label_noise import Noisy, flip_class
from retrace.data.texts.labelled_names import HUB, IMAGES
from retrace.data.texts.labelled_sets import Labelled, of_catalogue, of_hub, of_keywords
from retrace.seeds import generator
from retrace.stage import Inputs, StageError

if TYPE_CHECKING:
    from retrace.studies.layernorm.params import Data


@dataclass(frozen=True)
class Rows:
    """What a seed trains and tests on: texts (or numbers of pictures) with their true classes (N,)."""

    found: Labelled
    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]

    @property
    def train_y(self) -> npt.NDArray[np.int64]:
        """True classes of the training rows."""
        return self.found.y[self.train]

    @property
    def test_y(self) -> npt.NDArray[np.int64]:
        """Classes of the test rows."""
        return self.found.y[self.test]

    def noisy(self, share: float, label: int, seed: int) -> Noisy:
        """The training labels with a share of wrong ones. Errors: as in `label_noise.flip_class`."""
        rng = generator(seed, "layernorm", "noise")
        return flip_class(self.train_y, share, label, len(self.found.names), rng)


def pool(params: Data, inputs: Inputs) -> Labelled:
    """The whole set; errors: StageError when it cannot be had."""
    if params.texts == "keywords":
        return of_keywords()
    if params.texts in HUB:
        return of_hub(params.texts)
    if params.texts in IMAGES:
        from retrace.studies.layernorm import pictures  # loads torchvision: at the larger scales only

        return pictures.labels(params.texts, inputs)
    return of_catalogue(params.texts, inputs["dataset"].read_arrays())


def drawn(params: Data, inputs: Inputs) -> Rows:
    """The rows that `prepare` drew. StageError when they are of another set."""
    arrays, found = inputs["prepare"].read_arrays(), pool(params, inputs)
    if max(arrays["train"].max(), arrays["test"].max()) >= len(found.y):
        raise StageError(f"{params.texts}: the set has changed since its rows were drawn; rerun prepare")
    return Rows(found, arrays["train"], arrays["test"])
