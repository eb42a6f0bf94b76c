"""The declaration of the reuse study: its papers, stages and figures."""

from __future__ import annotations

from retrace.study import Figure, Stage, Study

_COSTS = "one curve per corruption type; points are seeds, bands their 95 % interval"

STUDY = Study(
    name="reuse",
    title="What does retraining after a shift cost, and which index foretells it?",
    papers={
        "arm": "Aggregate Representation Measure for Predictive Model Reusability (arXiv 2405.09600)",
        "preindex": "Estimating Environmental Cost Throughout Model's Adaptive Life Cycle (AIES 2024)",
        "resque": "RESQUE: Quantifying Estimator to Task and Distribution Shift (AAAI 2025)",
    },
    stages=(
        Stage(
            "prepare",
            uses=("dataset", "per_class", "reserve", "test", "other_dataset", "other_reserve"),
            reads=("dataset", "other_dataset"),
            by=("dataset",),
            scratch=True,
            torch=False,
        ),
        Stage(
            "attack",
            uses=("shift", "conditions", "overflow"),
            needs=("prepare",),
            by=("dataset", "shift"),
            scratch=True,
            torch=False,
        ),
        Stage(
            "train",
            uses=("dataset", "network", "epochs", "learning_rate", "drop_at", "weight_decay", "batch"),
            needs=("prepare",),
            by=("dataset", "network"),
            scratch=True,
        ),
        Stage(
            "defend",
            uses=(
                "network",
                "shift",
                "conditions",
                "optimizer",
                "retrain_rate",
                "weight_decay",
                "batch",
                "target",
                "margins",
                "eval_every",
                "max_epochs",
                "repetitions",
            ),
            needs=("prepare", "attack", "train"),
        ),
        Stage(
            "measure",
            uses=("network", "shift", "conditions", "index_images"),
            needs=("prepare", "attack", "train"),
        ),
    ),
    figures=(
        Figure("arm", "arm_cost", f"ARM against each cost of retraining: {_COSTS}."),
        Figure("arm", "between_networks", "Which network costs more at the same shift?"),
        Figure("preindex", "preindex_cost", f"PreIndex against each cost of retraining: {_COSTS}."),
        Figure("preindex", "indices_and_costs", "Rank correlation of indices and rivals with costs."),
        Figure("preindex", "between_networks", "Which network costs more at the same shift?"),
        Figure("resque", "resque_cost", f"RESQUE (distribution) against each cost of retraining: {_COSTS}."),
        Figure("resque", "tasks", "RESQUE (task) against epochs to reach the target on each new task."),
        Figure("resque", "between_networks", "Which network costs more at the same shift?"),
    ),
)
