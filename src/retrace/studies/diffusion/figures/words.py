"""Words for the study's tunings and columns, which of them figures show, and the paper's own numbers."""

from __future__ import annotations

LABELS = {
    "mnist": "MNIST, 16 x 16",
    "digits": "digits, 8 x 8",
    "cifar10": "CIFAR-10",
    "none": "pretrained",
    "end_to_end": "end-to-end",
    "out_of_domain": "end-to-end, another domain's set",
    "real_others": "end-to-end, real other images",
    "dreambooth": "DreamBooth",
    "dreambooth_prior": "DreamBooth, prior kept",
    "words_1": "new word (1)",
    "words_4": "new words (4)",
    "words_4_clean": "new words (4), clean set",
    "lora": "LoRA, all layers",
    "hyper": "hypernetwork",
    "hyper_clean": "hypernetwork, clean set",
    "db_hyper": "DreamBooth + hypernetwork",
    "db_lora": "DreamBooth + LoRA",
    "db_lora_clean": "DreamBooth + LoRA, clean set",
    "db_lora_rank_1": "rank 1",
    "db_lora_rank_12": "rank 12",
    "db_lora_long": "twice as long",
    "db_lora_few": "a quarter of the set",
    "db_lora_plain": "set drawn without guidance",
    "noise_0_0002": "noise, sigma 0.0002",
    "noise_0_0008": "noise, sigma 0.0008",
    "noise_0_0032": "noise, sigma 0.0032",
    "auc_loss": "non-members of the same source",
    "auc_loss_from_shifted": "the same, moved by a pixel",
    "auc_loss_from_other": "another data set",
    "gain_auc": "strongest on the calibration domain",
    "gain_auc_secmi": "SecMI, as in the paper",
}
GAINS = (
    "end_to_end",
    "out_of_domain",
    "real_others",
    "dreambooth",
    "dreambooth_prior",
    "words_1",
    "words_4",
    "words_4_clean",
    "lora",
    "hyper",
    "hyper_clean",
    "db_hyper",
    "db_lora",
    "db_lora_clean",
    "noise_0_0002",
    "noise_0_0008",
    "noise_0_0032",
)
# the paper's main table, AUC less that of the pretrained model; noise: its row "small-1, 10M images"
PUBLISHED = {
    "end_to_end": 0.010,
    "out_of_domain": -0.030,
    "dreambooth": 0.046,
    "words_4": 0.026,
    "lora": 0.033,
    "hyper": 0.022,
    "db_hyper": 0.035,
    "db_lora": 0.054,
    "noise_0_0002": -0.001,
    "noise_0_0008": 0.043,
    "noise_0_0032": -0.051,
}
ABLATIONS = {  # panel -> the points from left to right
    "rank of DreamBooth + LoRA": (("1", "db_lora_rank_1"), ("4", "db_lora"), ("12", "db_lora_rank_12")),
    "new words": (("1", "words_1"), ("4", "words_4")),
    "steps of DreamBooth + LoRA": (("as set", "db_lora"), ("twice", "db_lora_long")),
    "set tuned on": (("a quarter", "db_lora_few"), ("no guidance", "db_lora_plain"), ("as set", "db_lora")),
}
SOURCES = ("auc_loss", "auc_loss_from_shifted", "auc_loss_from_other")
ATTACKS = ("gain_auc_secmi", "gain_auc")
