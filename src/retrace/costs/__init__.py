"""What runs will cost: meters of what was run, rates fitted to them, forecasts."""
