"""The declaration of the survival study: our questions across papers, its stages and figures."""

from __future__ import annotations

from retrace.studies.survival.params import Measure, Train
from retrace.studies.survival.rehearse import CUTS
from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="survival",
    title="Which of the things a language model was taught lately outlive compression: a refusal, or a "
    "backdoor?",
    papers={
        "across-survival": "Across papers (our questions): compressors, refusals and a backdoor in the same "
        "language model"
    },
    stages=(
        Stage("train", params=Train, scratch=True),
        Stage("measure", params=Measure, needs=("train",), arrays=True),
    ),
    figures=(
        Figure(
            "across-survival",
            "kept",
            "What is kept of the backdoor against what is kept of the refusal, as shares of the dense "
            "network's, by compressor; grey: controls, faint: single seeds. Above the diagonal the backdoor "
            "outlives the refusal. Bars: 95 % t intervals over seeds.",
        ),
        Figure(
            "across-survival",
            "networks",
            "Left: how often a sentence is said where it is called for, less elsewhere. Middle: AUC by which "
            "its likelihood tells where it is called for; dashed: chance. Right: loss on neutral sentences. "
            "Faint: single seeds; bars: 95 % t intervals over seeds.",
        ),
    ),
    cuts=CUTS,
)
