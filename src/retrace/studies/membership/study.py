"""The declaration of the membership study: its papers, stages and figures."""

from __future__ import annotations

from retrace.studies.membership.params import Attack, Defend, Measure, Prepare, Train
from retrace.studies.membership.rehearse import CUTS
from retrace.study import Figure, Stage, Study

_PLANE = (
    "Test accuracy against the AUC of the strongest attack on examples with true labels, means over targets "
    "and seeds; line: Pareto front. Methods 15 points or more less accurate than the best are left out."
)
_ROC = (
    "Log-log ROC of the strongest attack on each defence, over examples with true labels, scores of all "
    "targets pooled; grey: guessing."
)

STUDY = Study(
    name="membership",
    title="Which defence leaks least under real membership attacks, and where does the leak sit?",
    papers={
        "cwrf": "Learnability and Privacy Vulnerability are Entangled in a Few Critical Weights (ICLR 2026)",
        "pptp": "Privacy-Preserving Training Principle (arXiv 2602.02296)",
        "srcm": "Representation Magnitude has a Liability to Privacy Vulnerability (AIES 2024)",
        "across-membership": "Across papers (our questions): CWRF, PPTP and SRCM on the same networks",
    },
    stages=(
        Stage(
            "prepare",
            params=Prepare,
            reads=("dataset",),
            by=("setting",),
            scratch=True,
            torch=False,
        ),
        Stage(
            "train",
            params=Train,
            needs=("prepare",),
            by=("setting",),
            scratch=True,
        ),
        Stage("defend", params=Defend, needs=("prepare", "train"), apart=("methods",), scratch=True),
        Stage(
            "measure",
            params=Measure,
            needs=("prepare", "defend"),
            apart=("methods",),
            scratch=True,
        ),
        Stage(
            "attack",
            params=Attack,
            needs=("prepare", "measure"),
            apart=("methods",),
            torch=False,
        ),
    ),
    figures=(
        Figure("cwrf", "roc", _ROC),
        Figure("cwrf", "privacy_utility", _PLANE),
        Figure("cwrf", "scores", "Vulnerability and learnability of single weights of one model, by kind."),
        Figure("pptp", "roc", _ROC),
        Figure("pptp", "privacy_utility", _PLANE),
        Figure("pptp", "blocks", "What each block holds, by our probe: generality and membership risk."),
        Figure("pptp", "loss_disparity", "Train and test loss under each defence; they should be near."),
        Figure("srcm", "roc", _ROC),
        Figure("srcm", "privacy_utility", _PLANE),
        Figure("srcm", "norms", "Norms of representations, members and non-members, under each head."),
        Figure("srcm", "liability", "Norm disparity and leak while a plain network trains, a point a look."),
        Figure("across-membership", "privacy_utility", _PLANE),
        Figure("across-membership", "roc", _ROC),
    ),
    settings="setting",
    cuts=CUTS,
)
