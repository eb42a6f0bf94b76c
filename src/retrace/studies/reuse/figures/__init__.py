"""Figures of the reuse study: a file a figure, their words, and `draw`."""
