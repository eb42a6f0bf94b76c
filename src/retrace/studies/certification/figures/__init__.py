"""Figures of the certification study: a file a figure, their words, and `draw`."""
