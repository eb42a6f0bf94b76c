"""The declaration of the backdoor study: its paper, stages and figures."""

from __future__ import annotations

from retrace.studies.backdoor.params import Attack, Defend, Measure, Prepare, Train
from retrace.studies.backdoor.rehearse import CUTS
from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="backdoor",
    title="Can a backdoor be taken out of a language model without its trigger or a clean copy?",
    papers={"bdvax": "BD-VAX: Purifying Generative LLMs from Backdoors (ICLR 2026)"},
    stages=(
        Stage("prepare", params=Prepare, arrays=True, torch=False),
        Stage("train", params=Train, needs=("prepare",), arrays=True, scratch=True),
        Stage("attack", params=Attack, needs=("prepare", "train"), arrays=True),
        Stage("defend", params=Defend, needs=("prepare", "train"), arrays=True, scratch=True),
        Stage("measure", params=Measure, needs=("prepare", "train", "defend"), arrays=True),
    ),
    figures=(
        Figure(
            "bdvax",
            "plane",
            "Attack success against what purification costs: answers' likelihood beside the released "
            "model's. Left: the adapter is purified, right: the merged weights. Bars: 95 % t intervals over "
            "seeds.",
        ),
        Figure(
            "bdvax",
            "sanity",
            "What is left of the backdoor when parts of its change are taken out: attention's, the last MLP "
            "blocks', both, or MLP changes that trade blocks. Bars: 95 % t intervals over seeds.",
        ),
        Figure(
            "bdvax",
            "variants",
            "Without repair: attack success and the sentence's log-likelihood by the share of channels "
            "silenced, by order, and by the number of variants. Bars: 95 % t intervals over seeds.",
        ),
        Figure(
            "bdvax",
            "overlap",
            "Flagged channels that two orders share (Jaccard index), beside chance. Bars: 95 % t intervals "
            "over seeds.",
        ),
        Figure(
            "bdvax",
            "rebound",
            "Attack success, answers that go off without a trigger, and the margin: suspicious, purified, "
            "and after a further clean fine-tuning. Bars: 95 % t intervals over seeds.",
        ),
    ),
    cuts=CUTS,
)
