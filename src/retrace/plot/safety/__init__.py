"""Figures that the safety study alone draws."""
