"""Figures that the memory study alone draws."""
