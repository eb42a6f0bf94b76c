"""Pruning: which weights or channels to drop, and networks without them."""
