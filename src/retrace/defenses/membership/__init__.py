"""Defences against membership inference: how each trains or changes a network."""
