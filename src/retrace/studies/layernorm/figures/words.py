"""Words for the layernorm study's runs and quantities, and which of them figures show."""

from __future__ import annotations

LABELS = {
    "kept": "kept",
    "all": "all removed",
    "early": "early removed",
    "middle": "middle removed",
    "late": "late removed",
    "kept_token": "kept, next token",
    "all_token": "all removed, next token",
    "kept_muon": "kept, Muon",
    "all_muon": "all removed, Muon",
    "kept_1": "kept, 1 % wrong",
    "all_1": "all removed, 1 % wrong",
    "kept_2": "kept, 2 % wrong",
    "all_2": "all removed, 2 % wrong",
    "unfrozen": "all reset, trainable",
    "frozen": "all frozen, not reset",
    "random": "random as many, frozen",
    "others": "other kind, reset, frozen",
    "learning": "test accuracy",
    "clean": "accuracy on clean training samples",
    "memorisation": "memorised",
    "recovery": "recovered",
    "gap": "train-test gap",
}
REMOVED = ("kept", "all", "early", "middle", "late")  # whose curves are drawn; the others are controls
CONTROLS = ("unfrozen", "frozen", "random", "others")
