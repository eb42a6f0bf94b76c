"""Words for the memory study's networks and columns, and which of them figures show."""

from __future__ import annotations

LABELS = {
    "lstm": "LSTM",
    "lstm_large": "LSTM, 4x the parameters",
    "lstm_small": "LSTM, smaller",
    "armin_soft": "ARMIN, soft reads",
    "armin_hard": "ARMIN, hard reads",
    "armin_small": "ARMIN, memory overflows",
    "random_address": "random address",
    "awta": "awta",
    "tardis": "TARDIS",
    "ntm": "NTM",
    "dnc": "DNC",
    "sam": "SAM",
    "cpu_seconds": "CPU seconds of training",
    "us_rate": "CPU microseconds a character",
    "ms_step": "CPU ms of an optimiser step",
    "mops_step": "million operations of a time step",
    "kib_step": "KiB of activations of a time step",
    "errors": "share of errors, held out",
    "bits": "bits per character, held out",
    "repeat": "repeat copy",
    "recall": "associative recall",
    "sort": "priority sort",
    "digits": "permuted digits",
    "text": "characters",
    "truncation": "steps of back-propagation",
}
READERS = ("armin_soft", "armin_hard", "awta", "tardis", "ntm", "dnc", "sam", "random_address")
MAIN = ("lstm", "armin_soft", "armin_hard", "ntm", "dnc", "sam", "tardis", "awta", "random_address",
        "armin_small", "lstm_large")  # fmt: skip
STEP_COSTS = ("mops_step", "ms_step", "kib_step")
SHOWN = "_t50"  # of the text's networks this truncation stands in the figures of all tasks
