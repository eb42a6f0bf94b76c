"""The declaration of the quantization study: its paper, stages and figures."""

from __future__ import annotations

from retrace.studies.quantization.params import Defend, Measure, Prepare, Train
from retrace.studies.quantization.rehearse import CUTS
from retrace.study import Figure, Stage, Study

PAPER = "ptq"

STUDY = Study(
    name="quantization",
    title="Whom does quantization hurt, through which chain, and what helps the smallest group?",
    papers={PAPER: "Explaining how quantization disparately skews a model (Bellam & Kim, 2025)"},
    stages=(
        Stage("prepare", params=Prepare, reads=("dataset",), scratch=True, torch=False),
        Stage("train", params=Train, needs=("prepare",), scratch=True),
        Stage("defend", params=Defend, needs=("prepare", "train")),
        Stage("measure", params=Measure, needs=("prepare", "train"), arrays=True),
    ),
    figures=(
        Figure(
            PAPER,
            "accuracy",
            "Accuracy of each group, from the largest to the smallest, at full precision and with fewer "
            "and fewer bits; the grey bar is what the smallest group reaches where it is as large as the "
            "largest.",
        ),
        Figure(
            PAPER,
            "gaps",
            "How much more the smallest groups lose than the largest against bits: rounding, noise of the "
            "same norm, and groups drawn at random. Above zero the small lose more.",
        ),
        Figure(
            PAPER,
            "logits",
            "Logits of each group's images at full precision and with few bits, first seed.",
        ),
        Figure(
            PAPER,
            "chain",
            "Along the paper's chain, by group and bits: loss, variance of the logits, confidence, gradient "
            "norm, largest Hessian eigenvalue. Dark curves are large groups, light ones small.",
        ),
        Figure(
            PAPER,
            "predictors",
            "What a group loses at few bits against what is known of it at full precision: gradient norm, "
            "largest eigenvalue, and its loss, which needs neither.",
        ),
        Figure(
            PAPER,
            "mitigation",
            "Accuracy of the worst group and mean accuracy of networks that went on training while rounding "
            "(at 3 bits; mixed: 3.2 a weight on average), and of their rivals.",
        ),
    ),
    cuts=CUTS,
)
