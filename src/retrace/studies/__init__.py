"""The studies: one package each, discovered by name."""
