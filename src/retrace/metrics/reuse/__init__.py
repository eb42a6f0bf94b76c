"""Indices that foretell the cost of retraining: ARM, PreIndex, RESQUE and their rivals."""
