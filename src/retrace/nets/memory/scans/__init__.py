"""Scans with backward passes of their own for ARMIN's rivals: each equals its network's plain step."""
