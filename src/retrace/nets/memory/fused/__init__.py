"""The ARMIN cell as one scan over a whole sequence, with a backward pass written by hand."""
