"""Words for the dummy study's columns."""

from __future__ import annotations

LABELS = {"error": "share of wrong answers", "intensity": "noise"}
