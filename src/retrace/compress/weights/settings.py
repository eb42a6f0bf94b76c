"""What a sheet says of compressors of weights; free of torch, so that planning is quick."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from retrace.compress.weights.blocks import check_walked
from retrace.compress.weights.names import check_bits, pattern
from retrace.strict import Strict

Share = Annotated[float, Field(gt=0, lt=1)]


class Compressor(Strict):
    """One way to make weights smaller; of `bits`, `keep` and `share` the method takes one."""

    method: Literal["rtn", "nf4", "hqq", "awq", "gptq", "magnitude", "wanda", "sparsegpt", "random", "noise"]
    bits: Annotated[int, AfterValidator(check_bits)] | None = None
    group: int | None = Field(None, ge=2, description="inputs that share a grid; null: a whole row")
    act_order: bool = Field(False, description="columns of large inputs first (gptq)")
    keep: str | None = Field(None, description="a pattern such as 2:4: 2 of 4 consecutive inputs stay")
    share: Share | None = Field(None, description="share of weights dropped")
    like: str | None = Field(None, description="noise: of the same output error as this one")

    @model_validator(mode="after")
    def _fits(self) -> Compressor:
        wants = {
            "bits": self.method in ("rtn", "hqq", "awq", "gptq"),
            "like": self.method == "noise",
        }
        for name, wanted in wants.items():
            if (getattr(self, name) is not None) != wanted:
                raise ValueError(f"method {self.method}: {'give' if wanted else 'leave out'} `{name}`")
        prunes = self.method in ("magnitude", "wanda", "sparsegpt", "random")
        if (self.keep is not None) + (self.share is not None) != int(prunes):
            raise ValueError(
                f"method {self.method}: give "
                f"{'one of `keep` and `share`' if prunes else 'neither `keep` nor `share`'}"
            )
        if self.keep is not None:
            kept = pattern(self.keep)
            if self.method == "sparsegpt":
                check_walked(kept)
        if self.method in ("nf4", "hqq", "awq") and self.group is None:
            raise ValueError(f"method {self.method}: give `group`")
        return self


class Calibration(Strict):
    """What compressors look at: `rows` of `tokens` each."""

    rows: int = Field(ge=1)
    tokens: int = Field(ge=8)
    sequential: bool = Field(
        False, description="each layer sees the outputs of the compressed ones before it"
    )
