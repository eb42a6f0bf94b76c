"""Quantizers: weights and activations on a grid of few values, after training or during it."""
