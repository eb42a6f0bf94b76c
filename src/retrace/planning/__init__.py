"""The plan of a run: which tasks, products and targets there are."""
