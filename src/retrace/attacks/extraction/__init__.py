"""Training examples drawn out of generative models."""
