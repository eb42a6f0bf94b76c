"""Figures of the dummy study: a file a figure, their words, and `draw`."""
