"""What a sheet says of one network; free of torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from retrace.params import Name, known
from retrace.strict import Strict

# these fill slot after slot
FILLING = ("armin-soft", "armin-hard", "armin-pixels", "random-address", "awta", "tardis")
NETWORKS = (*FILLING, "lstm", "ntm", "dnc", "sam")
LEVELS = ("loose", "middle", "strict")  # of the share of errors


class Net(Strict):
    """One trained network: its size, and where it departs from the cell's way of training."""

    network: Annotated[str, known("memory network", NETWORKS)]
    hidden: int = Field(ge=1)
    slots: int = Field(1, ge=1, description="rows of its memory")
    width: int = Field(1, ge=1, description="length of a row")
    overwrite: bool = Field(
        False, description="may write over filled slots; else longer sequences are refused"
    )
    family: Name | None = Field(None, description="curve of the truncation figure it belongs to")
    learning_rate: float | None = Field(None, gt=0)
    batch: int | None = Field(None, ge=1)
    truncation: int | None = Field(None, ge=1, description="steps of back-propagation")
    share: float = Field(1.0, gt=0, description="of the cell's training budget")


class Counted(Strict):
    """Networks whose costs are counted and that are not trained: those of the published sizes."""

    steps: int = Field(ge=1, description="time steps of the sequence counted on, of batch 1")
    models: dict[Name, Net] = Field(min_length=1, description="by the name of the network trained here")
