"""Figures of the compression study."""
