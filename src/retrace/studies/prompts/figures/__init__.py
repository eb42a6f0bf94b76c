"""Figures of the prompts study."""
