"""What a sheet may say of a defence; free of torch, so that planning is quick.

Defaults are a paper's published ones where it has one for small data, else ours.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from retrace.strict import Strict


class Rated(Strict):
    """A defence that may bring its own learning rate."""

    learning_rate: float | None = Field(None, gt=0, description="null: the cell's")


class Undefended(Rated):
    """Plain cross-entropy."""

    defence: Literal["none"] = "none"


class LabelSmoothing(Rated):
    """Szegedy et al. (2016)."""

    defence: Literal["label-smoothing"]
    epsilon: float = Field(0.1, gt=0, lt=1, description="probability taken from the label and shared by all")


class ConfidencePenalty(Rated):
    """Pereyra et al. (2017)."""

    defence: Literal["confidence-penalty"]
    beta: float = Field(0.1, gt=0, description="weight of the entropy that is rewarded")


class RelaxLoss(Rated):
    """Chen, Yu and Fritz (ICLR 2022)."""

    defence: Literal["relaxloss"]
    alpha: float = Field(
        0.5, gt=0, description="loss to hold, nats; published: 0.4 to 3.0 by data and network"
    )
    upper: float = Field(1.0, gt=0, le=1, description="largest confidence of the softened target")
    form: Literal["nonimage", "cifar"] = Field(
        "nonimage",
        description="which of the authors' trainers; cifar lets rightly classified examples ascend",
    )


class Ccl(Rated):
    """Convex-concave loss, Liu et al. (ICML 2024)."""

    defence: Literal["ccl"]
    alpha: float = Field(0.5, gt=0, le=1, description="share of the convex part, the cross-entropy")
    beta: float = Field(0.05, gt=0, description="scale of the whole loss; published command: 0.05")
    form: Literal["exponential", "quadratic"] = "exponential"


class Hamp(Rated):
    """Chen and Pattabiraman (NDSS 2024)."""

    defence: Literal["hamp"]
    gamma: float = Field(0.8, gt=0, lt=1, description="entropy of the soft labels over that of a uniform one")
    alpha: float = Field(0.01, ge=0, description="weight of the entropy regulariser")
    rewrite: bool = Field(True, description="rewrite outputs at inference, keeping their order alone")


LossSettings = Annotated[
    Undefended | LabelSmoothing | ConfidencePenalty | RelaxLoss | Ccl | Hamp, Field(discriminator="defence")
]


class DpSgd(Rated):
    """DP-SGD, Abadi et al. (CCS 2016), on Poisson batches."""

    defence: Literal["dpsgd"]
    clip: float = Field(1.0, gt=0, description="L2 bound of one example's gradient")
    noise_multiplier: float | None = Field(None, gt=0, description="noise over the bound; null: from epsilon")
    epsilon: float | None = Field(None, gt=0, description="to reach at the end; null: from noise_multiplier")
    delta: float | None = Field(None, gt=0, lt=1, description="null: one over the number of members")
    accountant: Literal["pld", "rdp"] = Field(
        "pld", description="privacy-loss distributions, close to exact; or Opacus's RDP bound"
    )
    epochs: float = Field(1.0, gt=0, description="over those of plain training")

    @model_validator(mode="after")
    def _one_of_two(self) -> DpSgd:
        if (self.noise_multiplier is None) == (self.epsilon is None):
            raise ValueError("give either noise_multiplier or epsilon")
        return self


class EarlyStopping(Rated):
    """Cross-entropy training cut short; the schedule is that of the full training."""

    defence: Literal["early-stopping"]
    epochs: int = Field(ge=1)


class Srcm(Rated):
    """Saturn Ring Classifier Module: our reconstruction, since its code was never published."""

    defence: Literal["srcm"]
    ring: Literal["off", "outer", "centre", "inner", "sphere", "smooth", "random"] = Field(
        "centre", description="where norms are clipped to; off: the pre-layer alone, the control"
    )
    radius: float = Field(15.0, gt=0)
    width: float = Field(5.0, ge=0)
    linear: Literal["none", "input", "cosine", "weight"] = Field(
        "none", description="what the linear layer normalises"
    )
    pre_layer: bool = True
    loss: LossSettings = Undefended()


class Cwrf(Rated):
    """Critical Weights Rewinding and Fine-tuning, Fang and Kim (ICLR 2026); unpublished settings are ours."""

    defence: Literal["cwrf"]
    rate: float = Field(
        0.03, gt=0, lt=1, description="share of weights rewound; the paper goes from 0.001 to 0.05"
    )
    variant: Literal["A1", "A2", "A3", "none"] = Field(
        "A3",
        description="A3: freeze them, tune the rest; A2: tune them alone; A1: remove them; none: tune all",
    )
    select: Literal["vulnerability", "learnability", "magnitude", "random"] = "vulnerability"
    values: Literal["initial", "redrawn"] = Field(
        "initial", description="what they are set to: their own initial values, or another model's"
    )
    epochs: float = Field(
        0.5, ge=0, description="of fine-tuning, over those of plain training; 0: rewind only"
    )
    weight: float = Field(0.5, gt=0, lt=1, description="of the divergence in the vulnerability loss")
    step: float = Field(0.01, gt=0, description="learning rate while scoring")
    passes: int = Field(1, ge=1, description="over the members, while scoring")
    start: Literal["trained", "scratch"] = "trained"
    divergence: Literal["initial-current", "current-initial"] = "initial-current"
    loss: Annotated[LossSettings | DpSgd, Field(discriminator="defence")] = Field(
        RelaxLoss(defence="relaxloss"),
        description="to tune with; the epsilon of dpsgd is that of the tuning alone",
    )


class Pptp(Rated):
    """Privacy-Preserving Training Principle, Fang and Kim (2026): our reconstruction from the abstract."""

    defence: Literal["pptp"]
    region: Literal["auto", "mirror", "head", "all"] | list[int] = Field(
        "auto", description="blocks from 0; auto: by our probe; mirror: that as far from the other end"
    )
    order: Literal["auto", "deep", "shallow"] = Field("auto", description="which side of a cut may be chosen")
    tolerance: float = Field(0.01, ge=0, description="reference accuracy that the chosen region may cost")
    epochs: float = Field(0.5, gt=0, description="of the second phase, over those of plain training")
    rewind: bool = True
    loss: LossSettings = RelaxLoss(defence="relaxloss")


class AdvReg(Rated):
    """Adversarial regularisation, Nasr, Shokri and Houmansadr (CCS 2018)."""

    defence: Literal["advreg"]
    weight: float = Field(
        3.0, gt=0, description="of the inference network's gain; published: 3 (Purchase), 6"
    )
    attacker_rate: float = Field(1e-3, gt=0, description="Adam, inference network")


class Dmp(Rated):
    """Distillation for membership privacy, Shejwalkar and Houmansadr (AAAI 2021)."""

    defence: Literal["dmp"]
    temperature: float = Field(4.0, gt=0, description="of the teacher's labels")


class Selena(Rated):
    """Split-AI and self-distillation, Tang et al. (USENIX Security 2022); published: 25 and 10."""

    defence: Literal["selena"]
    parts: int = Field(25, ge=2, description="sub-models of each model")
    left_out: int = Field(10, ge=1, description="sub-models that have not seen an example")

    @model_validator(mode="after")
    def _some_see_it(self) -> Selena:
        if self.left_out >= self.parts:
            raise ValueError(f"left_out {self.left_out} must be below parts {self.parts}")
        return self


Method = Annotated[
    LossSettings | EarlyStopping | Srcm | Cwrf | Pptp | AdvReg | Dmp | Selena | DpSgd,
    Field(discriminator="defence"),
]
