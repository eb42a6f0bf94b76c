"""Measures: reuse indices, transferability estimators and what they are computed from."""
