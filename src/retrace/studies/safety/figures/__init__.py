"""Figures of the safety study: a file a figure, their words, and `draw`."""
