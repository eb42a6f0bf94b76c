"""Figures that the membership study alone draws."""
