"""Noise on gradients and its privacy accountant: DP-SGD."""
