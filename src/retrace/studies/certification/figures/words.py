"""Words for the certification study's methods and columns, and which of them figures show."""

from __future__ import annotations

LABELS = {
    "dense": "dense",
    "imp": "IMP",
    "imp_nrs": "IMP and NRS",
    "imp_rs": "IMP and RS",
    "slim": "Slim",
    "struct_lth": "StructLTH",
    "snip": "SNIP",
    "taylor": "Taylor",
    "hydra": "HYDRA",
    "hydra_nrs": "HYDRA and NRS",
    "random": "random masks",
    "shuffled": "random masks, IMP's layers",
    "reinit": "IMP masks, weights redrawn",
    "unretrained": "IMP masks, not retrained",
    "narrow": "narrow, as many conv weights",
    "narrow_refilled": "narrow, as many weights",
    "decay": "dense, weight decay",
    "long": "dense, trained longer",
    "doubled": "dense, gradient at 2x",
    "standard": "dense, standard training",
    "clean": "clean accuracy",
    "pgd": "accuracy under PGD",
    "crown": "certified by CROWN",
    "unstable": "unstable ReLUs, all layers",
    "unstable_1": "unstable ReLUs, layer 1",
    "unstable_2": "unstable ReLUs, layer 2",
    "unstable_3": "unstable ReLUs, layer 3",
    "ibp_slice": "IBP",
    "crown_slice": "CROWN",
    "alpha_slice": "optimised slopes",
    "verified": "branch and bound",
    "pgd_slice": "survives PGD (upper bound)",
}
# methods of the curves, at most eight, so that colours tell them apart
CURVES = ("dense", "imp", "imp_nrs", "slim", "narrow_refilled", "decay", "long", "random")
ACROSS = ("dense", "long")  # dotted lines
