"""The declaration of the prompts study: its paper, stages and figures."""

from __future__ import annotations

from retrace.studies.prompts.params import Attack, Defend, Measure, Prepare, Train
from retrace.studies.prompts.rehearse import CUTS
from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="prompts",
    title="Can a prompt be drawn from private records by votes, what does it cost, and does it help?",
    papers={"dpopt": "DP-OPT: Differentially-Private Offsite Prompt Tuning (ICLR 2024)"},
    stages=(
        Stage("prepare", params=Prepare, reads=("dataset",), seeded=False, arrays=True, scratch=True),
        Stage("train", params=Train, needs=("prepare",), reads=("dataset",), arrays=True, scratch=True),
        Stage("defend", params=Defend, reads=("dataset",), arrays=True),
        Stage("attack", params=Attack, torch=False),
        Stage("measure", params=Measure, needs=("prepare", "train"), reads=("dataset",), arrays=True),
    ),
    figures=(
        Figure(
            "dpopt",
            "accuracy",
            "Accuracy less that of the initial instruction on the same items, against epsilon, with what "
            "competes with DP-OPT as lines across. Bars: 95 % t intervals over seeds.",
        ),
        Figure(
            "dpopt",
            "tokens",
            "Epsilon after so many tokens at the paper's setting (SST-2, 1,025 records a batch): what the "
            "released code says, what is proven, and what real votes give away: a floor under sound bounds.",
        ),
        Figure(
            "dpopt",
            "votes",
            "Votes of the first and the second token, poll by poll, of all seeds' prompts of the first cell; "
            "the line is the margin that LimitedDomain asks for (cut at the panel's edge).",
        ),
        Figure(
            "dpopt",
            "leakage",
            "What a prompt gives away: words in a row that it shares with a private text, not with "
            "the initial instruction; the exposure of a planted secret in bits; membership AUC (chance 0.5).",
        ),
        Figure(
            "dpopt",
            "transfer",
            "Accuracy of each prompt, on the items that all answer, in the template it was made for, in "
            "another one, and by other readers.",
        ),
    ),
    cuts=CUTS,
)
