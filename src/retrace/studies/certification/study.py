"""The declaration of the certification study: its paper, stages and figures."""

from __future__ import annotations

from retrace.studies.certification.params import Measure, Prepare, Train
from retrace.studies.certification.rehearse import CUTS
from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="certification",
    title="Does pruning make networks easier to certify, or would a smaller dense one do as well?",
    papers={
        "certifiedpruning": "Can pruning improve certified robustness of neural networks? (TMLR 2023)",
    },
    stages=(
        Stage(
            "prepare",
            params=Prepare,
            reads=("dataset",),
            by=("dataset",),
            seeded=False,
            scratch=True,
            torch=False,
        ),
        Stage("train", params=Train, needs=("prepare",), scratch=True),
        Stage(
            "measure",
            params=Measure,
            needs=("prepare", "train"),
            apart=("methods",),
            arrays=True,
        ),
    ),
    figures=(
        Figure(
            "certifiedpruning",
            "accuracy",
            "Accuracy against kept weights: clean, under PGD, certified by CROWN; the last two bracket the "
            "true robust accuracy. Bars: 95 % t intervals over seeds.",
        ),
        Figure(
            "certifiedpruning",
            "stability",
            "Share of ReLUs that CROWN bounds leave unstable, by layer, against kept weights.",
        ),
        Figure(
            "certifiedpruning",
            "cactus",
            "Complete verification: images decided within so many CPU seconds each, all seeds together; "
            "dashed lines count those verified only.",
        ),
        Figure(
            "certifiedpruning",
            "tightness",
            "Certified accuracy by each bound, and accuracy under PGD, on the same images: where the truth "
            "can lie.",
        ),
        Figure(
            "certifiedpruning",
            "pairwise",
            "Test images that the row's network certifies and the column's does not, less the reverse, in "
            "points; marked where McNemar's test, Holm-corrected, tells them apart.",
        ),
    ),
    cuts=CUTS,
)
