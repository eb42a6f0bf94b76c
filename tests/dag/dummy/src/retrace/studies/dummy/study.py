"""The declaration of the dummy study."""

from __future__ import annotations

from retrace.studies.dummy.params import Attack, Measure, Prepare, Train
from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="dummy",
    title="Does a linear classifier suffer from noise?",
    papers={"dummy-paper": "A paper that nobody wrote"},
    stages=(
        Stage(
            "prepare",
            params=Prepare,
            reads=("dataset",),
            by=("dataset",),
            seeded=False,
            arrays=True,
            torch=False,
        ),
        Stage("train", params=Train, needs=("prepare",), by=("dataset", "ridge"), scratch=True, torch=False),
        Stage("defend", needs=("train",), torch=False),
        Stage("attack", params=Attack, needs=("prepare", "train"), arrays=True, torch=False),
        Stage("measure", params=Measure, needs=("prepare", "attack"), torch=False),
    ),
    figures=(Figure("dummy-paper", "error_by_noise", "Error of the classifier at each noise."),),
)
