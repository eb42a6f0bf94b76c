"""Diffusion models: a small conditional UNet, its prompts, its noise schedule and its samplers."""
