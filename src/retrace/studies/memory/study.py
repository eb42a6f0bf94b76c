"""The declaration of the memory study: its paper, stages and figures."""

from __future__ import annotations

from retrace.studies.memory.params import Measure, Prepare, Train
from retrace.studies.memory.rehearse import CUTS
from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="memory",
    title="Does a memory addressed by the hidden state alone learn faster and cost less?",
    papers={"armin": "ARMIN: Auto-addressing and Recurrent Memory Integrating Network (arXiv 1906.12087)"},
    stages=(
        Stage(
            "prepare",
            params=Prepare,
            reads=("dataset",),
            scratch=True,
            torch=False,
        ),
        Stage(
            "train",
            params=Train,
            needs=("prepare",),
            scratch=True,
        ),
        Stage(
            "measure",
            params=Measure,
            needs=("prepare", "train"),
            arrays=True,
        ),
    ),
    figures=(
        Figure(
            "armin",
            "learning_curves",
            "Share of errors while learning: means and 95 % t intervals over seeds; dot: every seed reached "
            "the strict level and stopped.",
        ),
        Figure(
            "armin",
            "cost_and_quality",
            "CPU seconds of training against the error reached, means and 95 % t intervals over seeds; "
            "hollow: some seed did not reach the strict level.",
        ),
        Figure(
            "armin",
            "truncation",
            "Bits and CPU time per character against the length of truncation, at equal memory.",
        ),
        Figure(
            "armin",
            "past_truncation",
            "Bits and share of errors against the length of truncation, copying where every answer lies "
            "further back than a shorter gradient reaches; the longest is the whole gradient.",
        ),
        Figure(
            "armin",
            "step_costs",
            "Costs of a training step on the copy task: operations (counted), CPU time, activation memory.",
        ),
        Figure(
            "armin", "reads", "Weights of the memory reads over time, one test sequence of the first seed."
        ),
    ),
    cuts=CUTS,
)
