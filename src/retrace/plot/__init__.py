"""Figures: one style, drawn from tidy tables and verdict records."""
