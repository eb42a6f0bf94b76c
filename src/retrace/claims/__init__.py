"""Claims of the papers as typed, executable assertions, and the verdicts on them."""
