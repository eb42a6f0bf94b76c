"""Figures of the backdoor study."""
