"""Words for the study's methods and columns, and which of them figures show."""

from __future__ import annotations

LABELS = {
    "accuracy": "accuracy",
    "worst": "accuracy of the worst group",
    "loss": "loss (nats)",
    "excess_loss": "excess loss (nats)",
    "variance": "variance of the logits",
    "confidence": "largest probability",
    "gradient_norm": "gradient norm",
    "eigenvalue": "largest eigenvalue",
    "fp_gradient_norm": "gradient norm before",
    "fp_eigenvalue": "largest eigenvalue before",
    "fp_loss": "loss before (nats)",
    "fashion-classes": "Fashion-MNIST, classes",
    "digits-pairs": "digits, pairs",
    "digits-classes": "digits, classes",
    "elpv-types": "solar cells, types",
    "rounded": "rounded",
    "noise": "noise of the same norm",
    "random": "rounded, groups drawn at random",
    "enlarged": "rounded, smallest group enlarged",
    "fp32": "full precision",
    "ptq_5": "5 bits",
    "ptq_4": "4 bits",
    "ptq_3": "3 bits",
    "ptq_2": "2 bits",
    "tuned_fp32": "full precision, tuned",
    "tuned_fp32_over": "full precision, resampled",
    "qat_3": "QAT",
    "qat_3_over": "QAT, resampled",
    "qat_3_under": "QAT, under-sampled",
    "qat_3_balanced": "QAT, balanced batches",
    "qat_3_inverse": "QAT, weighted",
    "qat_3_over_inverse": "QAT, resampled and weighted",
    "qat_3_under_inverse": "QAT, under-sampled and weighted",
    "qat_3_balanced_inverse": "QAT, balanced and weighted",
    "lsq_3": "QAT, learned steps",
    "mixed_3": "mixed QAT",
    "mixed_3_over": "mixed, resampled",
    "mixed_3_under": "mixed, under-sampled",
    "mixed_3_balanced": "mixed, balanced batches",
    "mixed_3_inverse": "mixed, weighted",
    "mixed_3_over_inverse": "mixed, resampled and weighted",
    "mixed_3_under_inverse": "mixed, under-sampled and weighted",
    "mixed_3_balanced_inverse": "mixed, balanced and weighted",
    "group_mixed_3": "group-aware mixed",
    "group_mixed_3_over": "group-aware, resampled",
    "pruned_3": "pruned to the same size",
    "smaller_fp32": "small from the start",
}
BITS = (32, 8, 6, 5, 4, 3, 2)  # from left to right; 32 is full precision
BARS = ("fp32", "ptq_5", "ptq_4", "ptq_3", "ptq_2")
CHAIN = ("excess_loss", "variance", "confidence", "gradient_norm", "eigenvalue")
LOGARITHMIC = ("variance", "gradient_norm", "eigenvalue")
PREDICTORS = ("fp_gradient_norm", "fp_eigenvalue", "fp_loss")
_WAYS = (
    "",
    "_under",
    "_over",
    "_balanced",
    "_inverse",
    "_under_inverse",
    "_over_inverse",
    "_balanced_inverse",
)
MITIGATED = (
    *("fp32", "tuned_fp32_over", "ptq_3", "smaller_fp32", "pruned_3", "lsq_3"),
    *(f"qat_3{way}" for way in _WAYS),
    *(f"mixed_3{way}" for way in _WAYS),
    *("group_mixed_3", "group_mixed_3_over"),
)
