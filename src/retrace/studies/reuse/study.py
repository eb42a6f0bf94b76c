"""The declaration of the reuse study: its papers, stages and figures."""

from __future__ import annotations

from retrace.studies.reuse.params import Attack, Defend, Measure, Prepare, Train
from retrace.studies.reuse.rehearse import CUTS
from retrace.study import Figure, Stage, Study

_BETWEEN = (
    "Networks ranked by mean index (left) and by mean epochs (right) over conditions and seeds, one panel "
    "a corruption type; crossing lines are pairs that the index orders wrongly."
)
_COSTS = (
    "one curve per corruption type; small points are seeds, bars 95 % t intervals over seeds; "
    "hollow: at least (censored), pointing down: at most (ended at the first check)"
)
_HEATMAP = (
    "Rank correlation over conditions of every index and rival with every cost, mean of cells and seeds."
)
_TASKS = "RESQUE (task) against the epochs that each new task takes: means and 95 % t intervals over seeds."

STUDY = Study(
    name="reuse",
    title="What does retraining after a shift cost, and which index foretells it?",
    papers={
        "arm": "Aggregate Representation Measure for Predictive Model Reusability (arXiv 2405.09600)",
        "preindex": "Estimating Environmental Cost Throughout Model's Adaptive Life Cycle (AIES 2024)",
        "resque": "RESQUE: Quantifying Estimator to Task and Distribution Shift (AAAI 2025)",
        "across-reuse": "Across papers (our questions): ARM, PreIndex and RESQUE on the same retrainings",
    },
    stages=(
        Stage(
            "prepare",
            params=Prepare,
            reads=("dataset", "other_dataset"),
            by=("dataset",),
            scratch=True,
            torch=False,
        ),
        Stage(
            "attack",
            params=Attack,
            needs=("prepare",),
            by=("dataset", "shift"),
            scratch=True,
            torch=False,
        ),
        Stage(
            "train",
            params=Train,
            needs=("prepare",),
            by=("dataset", "network"),
            scratch=True,
        ),
        Stage(
            "defend",
            params=Defend,
            needs=("prepare", "attack", "train"),
        ),
        Stage(
            "measure",
            params=Measure,
            needs=("prepare", "attack", "train"),
        ),
    ),
    figures=(
        Figure("arm", "arm_cost", f"ARM against each cost of retraining: {_COSTS}."),
        Figure("arm", "between_networks", _BETWEEN),
        Figure("preindex", "preindex_cost", f"PreIndex against each cost of retraining: {_COSTS}."),
        Figure(
            "preindex",
            "indices_and_costs",
            _HEATMAP,
        ),
        Figure("preindex", "between_networks", _BETWEEN),
        Figure("resque", "resque_cost", f"RESQUE (distribution) against each cost of retraining: {_COSTS}."),
        Figure(
            "resque",
            "tasks",
            _TASKS,
        ),
        Figure("resque", "between_networks", _BETWEEN),
        Figure("across-reuse", "indices", f"The three indices against the epochs of retraining: {_COSTS}."),
        Figure("across-reuse", "indices_and_costs", _HEATMAP),
    ),
    cuts=CUTS,
)
