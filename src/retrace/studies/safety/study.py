"""The declaration of the safety study: its paper, stages and figures."""

from __future__ import annotations

from retrace.studies.safety.params import Attack, Defend, Measure, Prepare, Train
from retrace.studies.safety.rehearse import CUTS
from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="safety",
    title="Do a few units carry a language model's refusals, and does freezing them keep its safety?",
    papers={"ssah": "Superficial Safety Alignment Hypothesis (ICLR 2026)"},
    stages=(
        Stage("prepare", params=Prepare, arrays=True, torch=False),
        Stage(
            "train",
            params=Train,
            needs=("prepare",),
            arrays=True,
            scratch=True,
        ),
        Stage(
            "measure",
            params=Measure,
            needs=("prepare", "train"),
            arrays=True,
        ),
        Stage(
            "defend",
            params=Defend,
            needs=("prepare", "train"),
            arrays=True,
        ),
        Stage(
            "attack",
            params=Attack,
            needs=("prepare", "train"),
            arrays=True,
        ),
    ),
    figures=(
        Figure(
            "ssah",
            "pruning_curves",
            "What is left of the aligned model when units are pruned, by order. Broken answers count apart: "
            "they are neither refused nor met. Bars: 95 % t intervals over seeds; a value in words lies "
            "beyond the edge.",
        ),
        Figure(
            "ssah",
            "answers",
            "Answers refused, met and broken, by network; means over seeds. A network with many broken "
            "answers was damaged, not persuaded.",
        ),
        Figure(
            "ssah",
            "composition",
            "Groups of units before and after, with the flows between them, by the aligned network's bounds; "
            "means over seeds.",
        ),
        Figure(
            "ssah",
            "direction",
            "Distance of the bare request's hidden states to those after a refusing and after a complying "
            "opening. The nearer side is where the model is heading. Bands: 95 % t intervals over seeds.",
        ),
        Figure(
            "ssah",
            "plane",
            "Safety upwards, loss of utility to the right; pruned networks of one order are joined, from few "
            "units to many. What lies in the frame is drawn larger, and named, below. Bars: 95 % t intervals "
            "over seeds.",
        ),
    ),
    cuts=CUTS,
)
