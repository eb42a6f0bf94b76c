"""What a sheet may say of a sequence task, and how its batches are drawn; free of torch."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from retrace.data.sequences import bits as draws
from retrace.data.sequences.bits import Bits
from retrace.strict import Strict

Positive = Annotated[int, Field(ge=1)]


class Copy(Strict):
    """Copy a sequence of vectors; published: width 8, lengths 1 to 49."""

    kind: Literal["copy"]
    width: int = Field(8, ge=1)
    low: int = Field(1, ge=1, description="shortest length")
    high: int = Field(49, ge=1, description="longest length trained on")
    longer: list[Positive] = Field(default_factory=list, description="lengths to test beyond training")

    @model_validator(mode="after")
    def _ordered(self) -> Copy:
        _check_order("lengths", self.low, self.high)
        return self

    @property
    def channels(self) -> tuple[int, int]:
        """Inputs and outputs."""
        return self.width + 2, self.width

    def steps(self) -> int:
        """Time steps of the longest training sequence."""
        return 2 * self.high + 2

    def draw(self, rng: np.random.Generator, batch: int) -> Bits:
        """A batch of one random length."""
        return draws.copy(rng, batch, int(rng.integers(self.low, self.high + 1)), self.width)

    def tests(self, rng: np.random.Generator, batch: int) -> dict[str, Bits]:
        """A batch of each longer length, by name."""
        return {f"long{n}": draws.copy(rng, batch, n, self.width) for n in self.longer}


class Repeat(Strict):
    """Repeat a sequence some times, then say that it is over; published: both 1 to 9."""

    kind: Literal["repeat"]
    width: int = Field(8, ge=1)
    low: int = Field(1, ge=1)
    high: int = Field(9, ge=1)
    fewest: int = Field(1, ge=1, description="repeats")
    most: int = Field(9, ge=1)
    longer: list[tuple[Positive, Positive]] = Field(default_factory=list, description="(length, repeats)")

    @model_validator(mode="after")
    def _ordered(self) -> Repeat:
        _check_order("lengths", self.low, self.high)
        _check_order("repeats", self.fewest, self.most)
        return self

    @property
    def channels(self) -> tuple[int, int]:
        """Inputs and outputs."""
        return self.width + 2, self.width + 1

    def steps(self) -> int:
        """Time steps of the longest training sequence."""
        return self.high * (1 + self.most) + 3

    def draw(self, rng: np.random.Generator, batch: int) -> Bits:
        """A batch of one random length and number of repeats."""
        length = int(rng.integers(self.low, self.high + 1))
        return self._at(rng, batch, length, int(rng.integers(self.fewest, self.most + 1)))

    def tests(self, rng: np.random.Generator, batch: int) -> dict[str, Bits]:
        """A batch of each longer length or number of repeats, by name."""
        return {f"long{n}x{times}": self._at(rng, batch, n, times) for n, times in self.longer}

    def _at(self, rng: np.random.Generator, batch: int, length: int, times: int) -> Bits:
        return draws.repeat(rng, batch, length, times, (self.fewest, self.most + 1), self.width)


class Recall(Strict):
    """Answer the item that followed the asked one; published: 2 to 5 items of 3 vectors of 6 bits."""

    kind: Literal["recall"]
    bits: int = Field(6, ge=1)
    rows: int = Field(3, ge=1, description="vectors of an item")
    low: int = Field(2, ge=2, description="fewest items")
    high: int = Field(5, ge=2)
    longer: list[Annotated[int, Field(ge=2)]] = Field(default_factory=list, description="items to test with")

    @model_validator(mode="after")
    def _ordered(self) -> Recall:
        _check_order("items", self.low, self.high)
        return self

    @property
    def channels(self) -> tuple[int, int]:
        """Inputs and outputs."""
        return self.bits + 2, self.bits

    def steps(self) -> int:
        """Time steps of the longest training sequence."""
        return self.high * (self.rows + 1) + 2 * self.rows + 2

    def draw(self, rng: np.random.Generator, batch: int) -> Bits:
        """A batch of one random number of items."""
        return draws.recall(rng, batch, int(rng.integers(self.low, self.high + 1)), self.rows, self.bits)

    def tests(self, rng: np.random.Generator, batch: int) -> dict[str, Bits]:
        """A batch of each larger number of items, by name."""
        return {f"long{n}": draws.recall(rng, batch, n, self.rows, self.bits) for n in self.longer}


class Sort(Strict):
    """Return vectors in the order of their priorities; published: the first 30 of 40, 8 bits."""

    kind: Literal["sort"]
    bits: int = Field(8, ge=1)
    items: int = Field(40, ge=1)
    answers: int = Field(30, ge=1)
    legacy: bool = Field(False, description="the published code's target: every column sorted by itself")

    @model_validator(mode="after")
    def _enough(self) -> Sort:
        if self.answers > self.items:
            raise ValueError(f"answers {self.answers}: there are only {self.items} items to sort")
        return self

    @property
    def channels(self) -> tuple[int, int]:
        """Inputs and outputs."""
        return self.bits + 1, self.bits

    def steps(self) -> int:
        """Time steps of a sequence."""
        return self.items + self.answers

    def draw(self, rng: np.random.Generator, batch: int) -> Bits:
        """A batch."""
        return draws.sort(rng, batch, self.items, self.answers, self.bits, self.legacy)

    def tests(self, rng: np.random.Generator, batch: int) -> dict[str, Bits]:
        """Nothing: all sequences are of one length."""
        return {}


class Pixels(Strict):
    """Class of an image read pixel by pixel; published: permuted MNIST, 784 steps."""

    kind: Literal["pixels"]
    permutation: int | None = Field(1, ge=0, description="seed of the order of pixels; null: row by row")
    test: float = Field(0.2, gt=0, lt=1, description="share of the images kept for testing")
    epochs: int = Field(ge=1)


class Characters(Strict):
    """The next character of a text, with back-propagation truncated and the state carried on."""

    kind: Literal["characters"]
    symbols: int = Field(60, ge=2, description="most frequent characters kept; all others share one more")
    held_out: float = Field(0.05, gt=0, lt=1, description="share of the sentences kept for testing")
    budget: int = Field(ge=1000, description="characters to train on, whatever truncation and batch")
    test: int = Field(20_000, ge=1000, description="characters to test on at most")


BitTask = Copy | Repeat | Recall | Sort
Task = Annotated[Copy | Repeat | Recall | Sort | Pixels | Characters, Field(discriminator="kind")]


def _check_order(what: str, low: int, high: int) -> None:
    if low > high:
        raise ValueError(f"{what} {low} to {high}: the first is the larger")
