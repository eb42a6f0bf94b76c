"""Figures of the quantization study."""
