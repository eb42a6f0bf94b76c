"""Whom quantization hurts: groups of unlike size, bit by bit, and what helps the smallest."""
