"""Words for the forgetting study's networks and kinds of damage."""

from __future__ import annotations

LABELS = {
    "rounding": "rounding to fewer bits",
    "pruning": "pruning by magnitude",
    "noise": "Gaussian noise",
    "norms": "LayerNorm parameters removed in training",
    "others": "as many others removed in training",
    "start": "before training",
    "kept": "whole network",
}
