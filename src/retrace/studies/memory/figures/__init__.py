"""Figures of the memory study: a file a figure, their words, and `draw`."""
