"""Texts out of pinned packages, and the few that are our own."""
