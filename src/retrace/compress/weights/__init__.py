"""Weights of linear layers made smaller after training, one matrix and its input's moments at a time."""
