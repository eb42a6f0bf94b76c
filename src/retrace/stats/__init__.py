"""Statistics of the verdicts: correlations, resampling, intervals, tests, sample size; numpy and scipy only."""
