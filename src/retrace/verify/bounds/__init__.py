"""Bounds of a network's values over boxes: intervals, CROWN, optimised slopes."""
