"""The order of tunings in figures."""

from __future__ import annotations


def untuned_first(name: str) -> tuple[bool, str]:
    """A sort key of tunings: the untuned model, then the others by name."""
    return name != "none", name
