"""Words for the safety study's networks, orders and quantities, and which of them figures show."""

from __future__ import annotations

LABELS = {
    "released": "released",
    "aligned": "aligned",
    "tuned_free": "tuned, nothing frozen",
    "tuned_safety": "tuned, safety frozen",
    "tuned_random": "tuned, random frozen",
    "tuned_lower": "tuned, lower frozen",
    "tuned_complex": "tuned, ESU and CU frozen",
    "budget_ru": "only RU trained",
    "budget_random": "only random trained",
    "esu": "safety units (ESU)",
    "euu": "utility units (EUU)",
    "cu": "complex units (CU)",
    "ru": "redundant units (RU)",
    "random": "random units",
    "matched_esu": "random, heads as ESU",
    "matched_euu": "random, heads as EUU",
    "matched_ru": "random, heads as RU",
    "safety": "by safety score alone",
    "difference": "Wei set difference",
    "shuffled": "ESU of shuffled rows",
    "answers": "ESU of answers alone",
    "summed": "RU, heads summed first",
    "whole": "whole",
    "tuned": "fine-tuned on benign rows",
    "budget": "alignment budget",
    "rivals": "rivals",
    "margin": "refusing margin (nats/token)",
    "nll": "benign NLL (nats/token)",
    "refused": "harmful: refused",
    "met": "harmful: met",
    "broken": "harmful: answer broken",
    "benign_refused": "benign: refused",
    "harmful": "harmful requests",
    "benign": "benign questions",
    "lookalike": "look-alikes",
    "answer_refused": "refused",
    "answer_met": "met",
    "answer_broken": "broken",
    "refusal": "to a refusing opening",
    "compliance": "to a complying opening",
}
CURVES = ("margin", "nll", "refused", "broken", "met", "benign_refused")
KEYWORDS = ("refused", "broken", "met", "benign_refused")  # shares of answers
ORDERS = (
    *("esu", "euu", "ru", "matched_esu", "matched_euu", "matched_ru", "random"),
    *("safety", "difference", "shuffled", "answers", "summed"),
)
ACROSS = ("aligned", "released")  # lines across the pruning curves
CLOSE = ("tuned", "budget")  # families that lie close together in the plane
MODELS = ("released", "aligned")  # probed
ANSWERS = {
    "harmful": ("refused", "met", "broken"),
    "benign": ("benign_refused", "benign_met", "benign_broken"),
    "lookalike": ("lookalike_refused", "lookalike_met", "lookalike_broken"),
}
OUTCOMES = ("answer_refused", "answer_met", "answer_broken")
CROWD = 0.5  # nats a token above the whole networks from which a network stands at the plane's edge
