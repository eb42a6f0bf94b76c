"""Pruning: importance, masks, and the smaller networks that are left."""
