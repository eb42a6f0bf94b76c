"""Reuse: what retraining after a shift costs, and which index foretells it (ARM, PreIndex, RESQUE)."""
