"""Figures that the certification study alone draws."""
