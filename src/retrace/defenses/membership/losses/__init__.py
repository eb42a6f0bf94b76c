"""Losses of their own, in place of cross-entropy."""
