"""The declaration of the safety study: its paper, stages and figures."""

from __future__ import annotations

from retrace.study import Figure, Stage, Study

_NETWORK = ("model", "texts", "precision", "kinds", "tests")

STUDY = Study(
    name="safety",
    title="Do a few units carry a language model's refusals, and does freezing them keep its safety?",
    papers={"ssah": "Superficial Safety Alignment Hypothesis (ICLR 2026)"},
    stages=(
        Stage("prepare", uses=("texts", "rows", "tests"), arrays=True, torch=False),
        Stage(
            "train",
            uses=(*_NETWORK, "start", "alignment"),
            needs=("prepare",),
            arrays=True,
            scratch=True,
        ),
        Stage(
            "measure",
            uses=(*_NETWORK, "scope", "shares", "variants", "probe"),
            needs=("prepare", "train"),
            arrays=True,
        ),
        Stage(
            "defend",
            uses=(*_NETWORK, "start", "scope", "alignment", "budget"),
            needs=("prepare", "train"),
            arrays=True,
        ),
        Stage(
            "attack",
            uses=(*_NETWORK, "start", "scope", "tuning", "shares", "freezes"),
            needs=("prepare", "train"),
            arrays=True,
        ),
    ),
    figures=(
        Figure(
            "ssah",
            "pruning_curves",
            "Refusing margin and answer likelihood against the share of units pruned, by group of units; "
            "bars: 95 % intervals.",
        ),
        Figure(
            "ssah",
            "composition",
            "Groups of units before and after fine-tuning, and the flows between them.",
        ),
        Figure(
            "ssah",
            "direction",
            "Distance of hidden states after a refusing and a complying opening to those of the bare "
            "request, over tokens and layers, by model.",
        ),
        Figure(
            "ssah",
            "plane",
            "Safety against utility of every network: pruned, attacked, defended.",
        ),
    ),
)
