"""The declaration of the layernorm study: its paper, stages and figures."""

from __future__ import annotations

from retrace.studies.layernorm.params import Measure, Prepare, Train
from retrace.studies.layernorm.rehearse import CUTS
from retrace.study import Figure, Stage, Study

STUDY = Study(
    name="layernorm",
    title="What does removing LayerNorm's parameters do to memorised labels, in Pre- and Post-LN networks?",
    papers={
        "layernorm": "Impact of Layer Norm on Memorization and Generalization in Transformers (NeurIPS 2025)"
    },
    stages=(
        Stage("prepare", params=Prepare, reads=("dataset",), arrays=True),
        Stage("train", params=Train, needs=("prepare",), reads=("dataset",), arrays=True, scratch=True),
        Stage("measure", params=Measure, needs=("prepare", "train"), reads=("dataset",), arrays=True),
    ),
    cuts=CUTS,
    figures=(
        Figure(
            "layernorm",
            "outcomes",
            "At the end of training, a row a run: test accuracy (dot, 95 % t interval over seeds), and what "
            "became of wrongly labelled training samples (bars). Controls stand below the dotted line.",
        ),
        Figure(
            "layernorm",
            "curves",
            "By epoch, means over seeds with 95 % t intervals: test accuracy, shares of wrong labels "
            "memorised and recovered, and the gap between training and test. Every network that learns "
            "passes a phase of recovery.",
        ),
        Figure(
            "layernorm",
            "matched",
            "Memorisation and recovery against accuracy on clean training samples, epoch by epoch: at one "
            "abscissa two networks have learned as much. A line that ends early never fitted its samples; "
            "faint dots are single seeds.",
        ),
        Figure(
            "layernorm",
            "gradients",
            "Gradient norms at the input of every LayerNorm of the kept network, of test and of wrongly "
            "labelled samples, where the latter's loss passes one value; their ratio, and theorem 2's bound "
            "at the end of training. Geometric means over seeds; faint dots are single seeds.",
        ),
    ),
)
