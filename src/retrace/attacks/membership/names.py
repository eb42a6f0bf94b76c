"""Which membership attacks there are; free of what runs them, so that planning is quick."""

from __future__ import annotations

METRICS = ("loss", "confidence", "entropy", "modified_entropy", "correctness")
PER_CLASS = "_per_class"
LABEL_ONLY = "label_only"  # attacks that ask for labels of noisy copies
WHITE_BOX = "gradient_"  # attacks that need the model itself and not its answers alone
NETWORKS = ("nn", "nn_published")
# all that an audit can run on outputs, answers to altered copies and gradient norms
ATTACKS = (
    *(name + end for name in (*METRICS, "gradient_input", "gradient_weights") for end in ("", PER_CLASS)),
    *("attack_r", "attack_p", "difficulty_calibration", *NETWORKS),
    *("lira_online", "lira_offline", "lira_online_fixed", "lira_offline_fixed"),
    # at temperature 2, at 1 (plain probabilities), and with the Taylor softmax
    *(f"rmia_{side}{how}" for side in ("online", "offline") for how in ("", "_t1", "_taylor")),
    # what an order, a label or several queries give away
    *("lira_rank_online", "lira_rank_offline", "label_only", "label_only_lira"),
    *("lira_online_augmented", "lira_rank_online_augmented", "rmia_online_augmented"),
)
