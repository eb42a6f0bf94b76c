"""Compressors of weights in words, in the order in which figures have them."""

from __future__ import annotations

METHODS = {
    "rtn": "RTN",
    "nf4": "NF4",
    "hqq": "HQQ",
    "awq": "AWQ",
    "gptq": "GPTQ",
    "magnitude": "magnitude",
    "wanda": "Wanda",
    "sparsegpt": "SparseGPT",
    "random": "random mask",
    "noise": "noise",
}
SETTINGS = {"24": "2:4", "48": "4:8", "30": "30 %", "50": "50 %"}  # as names of sheets write them
