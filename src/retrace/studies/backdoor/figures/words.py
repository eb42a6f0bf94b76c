"""Words for the backdoor study's networks and quantities, and which networks figures show."""

from __future__ import annotations

LABELS = {
    "base": "released",
    "none": "suspicious, nothing done",
    "tuned": "clean fine-tuning",
    "vax": "BD-VAX",
    "random": "random channels",
    "own": "own norm",
    "spectral": "spectral, not repaired",
    "sham": "triggers shuffled, not repaired",
    "full_tuned": "clean fine-tuning",
    "full_vax": "BD-VAX",
    "full_random": "random channels",
    "full_own": "norm of weights, not repaired",
    "full_spectral": "spectral, not repaired",
    "full_wanda": "Wanda",
    "full_wanda_tuned": "Wanda, fine-tuned",
    "full_nf4": "NF4",
    "full_crow": "CROW",
    "hit": "attack success",
    "false": "goes off without trigger",
    "reach": "sentence after trigger (nats)",
    "margin": "with less without trigger (nats)",
    "cost": "answers: nats a token above released",
    "zero_mlp": "MLPs' change out",
    "zero_attention": "attention's change out",
    "zero_both": "attention's and last MLP blocks' out",
    "permuted_mlp": "MLP changes permuted",
}
PAIRS = {  # whose flags are compared
    "variants": "variants, each two",
    "sham": "all, and with triggers shuffled",
    "own": "all, and own norm",
    "spectral": "all, and spectral signature",
    "random": "all, and random channels",
    "chance": "chance",
}
ADAPTER = ("base", "none", "tuned", "vax", "random", "own", "spectral", "sham", "zero_mlp")
WEIGHTS = (
    *("base", "none", "full_tuned", "full_vax", "full_random", "full_own", "full_spectral"),
    *("full_wanda", "full_wanda_tuned", "full_nf4", "full_crow"),
)
ORDERS = ("vax", "own", "random")  # whose shares make curves
OVERLAPS = ("variants", "sham", "own", "spectral", "random", "chance")
LEVEL = 0.95
