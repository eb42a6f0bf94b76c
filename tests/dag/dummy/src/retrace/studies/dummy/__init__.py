"""Dummy: the smallest study that has every part, for the tests of the workflow."""
