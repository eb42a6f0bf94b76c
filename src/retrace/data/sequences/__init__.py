"""Sequences: algorithmic tasks, images pixel by pixel, a text character by character."""
