"""Figures of the membership study: a file a figure, their words, and `draw`."""
