"""The declaration of the dummy study."""

from __future__ import annotations

from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="dummy",
    title="Does a linear classifier suffer from noise?",
    papers={"dummy-paper": "A paper that nobody wrote"},
    stages=(
        Stage(
            "prepare",
            uses=("dataset", "per_class"),
            reads=("dataset",),
            by=("dataset",),
            seeded=False,
            arrays=True,
            torch=False,
        ),
        Stage(
            "train", uses=("ridge",), needs=("prepare",), by=("dataset", "ridge"), scratch=True, torch=False
        ),
        Stage("defend", uses=(), needs=("train",), torch=False),
        Stage("attack", uses=("noises",), needs=("prepare", "train"), arrays=True, torch=False),
        Stage("measure", uses=("top",), needs=("prepare", "attack"), torch=False),
    ),
    figures=(Figure("dummy-paper", "error_by_noise", "Error of the classifier at each noise."),),
)
