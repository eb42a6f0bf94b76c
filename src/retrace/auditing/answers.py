"""What a model, and models like it, answer about members and non-members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from retrace.attacks.arrays import AttackError, Bools, Floats, as_bools, as_floats, as_labels

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Answers:
    """Logits (N,C) of the audited model, labels (N,) and membership (N,) of the examples asked about.

    `references` (M,N,C): logits of models trained alike; `seen` (M,N): which of them was trained on which
    example (None: none on any). `population` (Z,C), `population_labels` (Z,) and `population_references`
    (M,Z,C): examples that no model was trained on; RMIA needs them. Construction checks everything
    (AttackError, one line).
    """

    logits: Array
    labels: Array
    member: Array
    references: Array | None = None
    seen: Array | None = None
    population: Array | None = None
    population_labels: Array | None = None
    population_references: Array | None = None

    def __post_init__(self) -> None:
        z = _logits(self.logits, "logits", (None, None))
        examples, classes = z.shape
        if classes < 2:
            raise AttackError("logits: two classes or more; of a single logit z give the columns 0 and z")
        member = as_bools(self.member, "member", (examples,))
        if member.all() or not member.any():
            raise AttackError("member: an audit needs members and non-members")
        checked: dict[str, Array | None] = {
            "logits": z,
            "member": member,
            "labels": as_labels(self.labels, "labels", examples, classes),
        }
        models = None
        if self.references is not None:
            checked["references"] = _logits(self.references, "references", (None, examples, classes))
            models = len(self.references)
            seen = np.zeros((models, examples), bool) if self.seen is None else self.seen
            checked["seen"] = as_bools(seen, "seen", (models, examples))
        elif self.seen is not None:
            raise AttackError("seen says which reference saw what, but there are no references; give both")
        if self.population is not None:
            if models is None or self.population_labels is None or self.population_references is None:
                raise AttackError(
                    "a population comes with its labels, and with references and their logits of it "
                    "(population_labels, references, population_references)"
                )
            own = checked["population"] = _logits(self.population, "population", (None, classes))
            checked["population_labels"] = as_labels(
                self.population_labels, "population_labels", len(own), classes
            )
            shape = (models, len(own), classes)
            checked["population_references"] = _logits(
                self.population_references, "population_references", shape
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # the class is frozen for its users

    @property
    def known(self) -> Bools:
        """Which reference saw which example, (M,N); AttackError without references."""
        if self.seen is None:
            raise AttackError("no references were given")
        return self.seen.astype(bool)


def _logits(values: npt.ArrayLike, name: str, shape: tuple[int | None, ...]) -> Floats:
    z = as_floats(values, name, shape)
    if z.min() >= 0 and np.allclose(z.sum(axis=-1), 1, atol=1e-3):
        raise AttackError(
            f"{name}: these are probabilities; give logits, or log-probabilities: np.log(p.clip(1e-12, 1))"
        )
    return z
