"""Data sets, their splits, and the shifts that studies put on them."""
