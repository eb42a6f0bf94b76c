"""Bounds of ReLU networks over boxes, and a complete verifier."""
