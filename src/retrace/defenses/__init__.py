"""Defences against membership inference, each with its paper's settings as options."""
