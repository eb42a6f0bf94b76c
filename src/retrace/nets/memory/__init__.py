"""Recurrent networks with an external memory (ARMIN and its baselines) behind one interface."""
