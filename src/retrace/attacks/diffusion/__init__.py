"""Membership attacks on diffusion models: what a model predicts of an image's noise, as scores."""
