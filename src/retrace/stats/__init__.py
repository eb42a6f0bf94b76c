"""Statistics of the verdicts: correlations, resampling, intervals, tests, sample size; no torch."""
