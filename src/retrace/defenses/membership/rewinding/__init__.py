"""Weights or blocks set back to their start and tuned again: CWRF and PPTP."""
