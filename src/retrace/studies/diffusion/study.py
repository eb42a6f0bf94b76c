"""The declaration of the diffusion study: its paper, stages and figures."""

from __future__ import annotations

from retrace.studies.diffusion.params import Attack, Defend, Measure, Prepare, Train
from retrace.studies.diffusion.rehearse import CUTS
from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="diffusion",
    title="Does fine-tuning a diffusion model on its own images leak more of those it was trained on?",
    papers={"s2l": "Shake to Leak (SaTML 2024)"},
    stages=(
        Stage("prepare", params=Prepare, reads=("dataset", "other"), scratch=True, torch=False),
        Stage("train", params=Train, needs=("prepare",), scratch=True),
        Stage("defend", params=Defend, needs=("prepare", "train"), scratch=True),
        Stage("attack", params=Attack, needs=("prepare", "train"), scratch=True),
        Stage(
            "measure",
            params=Measure,
            needs=("prepare", "train", "defend", "attack"),
            arrays=True,
            torch=False,
        ),
    ),
    figures=(
        Figure(
            "s2l",
            "gains",
            "Change of the AUC of membership by each tuning, 95 % intervals over seeds; grey: published.",
        ),
        Figure(
            "s2l",
            "drawn",
            "Images drawn before and after tuning, above the private images nearest to them; first seed.",
        ),
        Figure("s2l", "scores", "Scores of members and non-members before and after tuning, all seeds."),
        Figure("s2l", "roc", "Log-log ROC before and after tuning, mean over seeds; grey: guessing."),
        Figure("s2l", "ablations", "Change of the AUC by rank, new words, tuning steps and size of the set."),
        Figure(
            "s2l",
            "split",
            "AUC of the loss before and after tuning, by where the non-members come from.",
        ),
    ),
    cuts=CUTS,
)
