"""Dimensions of trust, a file each; `registry` has them all. Likelihoods are proxies."""
