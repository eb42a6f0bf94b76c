"""Dimensions of trust, a file each; `registry` has them all. Proxies: likelihoods where the paper generates."""
