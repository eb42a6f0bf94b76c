"""The declaration of the forgetting study: our questions across papers, its stages and figures."""

from __future__ import annotations

from retrace.studies.forgetting.params import Measure, Train
from retrace.studies.forgetting.rehearse import CUTS
from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="forgetting",
    title="What do rounding, pruning and LayerNorm removal make a classifier forget, and whom do they hide?",
    papers={
        "across-forgetting": "Across papers (our questions): LayerNorm memorization, disparate quantization, "
        "pruning and membership inference on the same networks"
    },
    stages=(
        Stage("train", params=Train, reads=("dataset",), arrays=True, scratch=True),
        Stage("measure", params=Measure, needs=("train",), reads=("dataset",), arrays=True),
    ),
    figures=(
        Figure(
            "across-forgetting",
            "order_of_loss",
            "Wrong labels that are still given against test accuracy that is left, both above chance and as "
            "shares of the whole network's, along growing damage: means over seeds, faint dots are single "
            "seeds. Below the diagonal a network forgets wrong labels first. Squares: removed in training.",
        ),
        Figure(
            "across-forgetting",
            "members",
            "AUC of a membership attack on rightly (left) and wrongly (right) labelled training texts, at "
            "the end of training and where damage has cost a tenth of test accuracy: a dot a seed, bars 95 % "
            "t intervals over seeds. The broken line is chance.",
        ),
    ),
    cuts=CUTS,
)
