"""Synthetic evidence of the safety study, with effects of known size, for tests of table and figures."""

import numpy as np

from retrace.metrics.unit_groups import Shares
from retrace.stage import Evidence, EvidenceRow
from retrace.studies.safety.params import Params, Probe, Variant

N = {"harmful": 32, "benign": 10, "lookalike": 8, "choice": 20, "neutral": 9}
SCORED, FEW = 8, 4  # benign questions with likelihoods; those that pruned and tuned networks answer
ANSWERED = {"harmful": 32, "benign": 10, "lookalike": 8}
LAYERS, NEURONS, HEADS, WIDTH, START = 4, 50, 3, 2, 2
PROMPTS, TOKENS = 5, [2, 4]
PARAMS = Params.model_construct(  # what the table reads of a cell
    start=START,
    scope="flap",
    sizes="units",
    shares=Shares(esu=0.02, euu=0.07, ru=0.15),
    probe=Probe(prompts=PROMPTS, tokens=TOKENS),
    variants={
        f"{order}_{round(1000 * share)}": Variant(order=order, share=share)
        for order, shares in {
            "esu": (0.003, 0.01, 0.02),
            "euu": (0.02, 0.07),
            "ru": (0.05, 0.15),
            "random": (0.01, 0.02, 0.07),
            "matched_ru": (0.15,),
            "safety": (0.02,),
            "difference": (0.02,),
            "shuffled": (0.02,),
            "answers": (0.02,),
            "summed": (0.15,),
        }.items()
        for share in shares
    },
)
# margin, nll, share refused, share of broken answers
EFFECTS = {
    "released": (-1.0, 2.5, 0.0, 0.0),
    "aligned": (2.0, 2.4, 1.0, 0.0),
    "esu_3": (1.0, 2.42, 0.7, 0.0),
    "esu_10": (-0.2, 2.45, 0.2, 0.0),
    "esu_20": (-0.5, 2.5, 0.0, 0.1),
    "euu_20": (2.0, 2.9, 0.9, 0.1),
    "euu_70": (1.9, 3.4, 0.8, 0.2),
    "ru_50": (2.0, 2.41, 1.0, 0.0),
    "ru_150": (1.95, 2.45, 1.0, 0.0),
    "random_10": (2.0, 2.41, 1.0, 0.0),
    "random_20": (2.0, 2.42, 1.0, 0.0),
    "random_70": (1.9, 2.5, 0.9, 0.0),
    "matched_ru_150": (1.8, 2.7, 0.9, 0.1),
    "safety_20": (-1.0, 6.0, 0.0, 0.9),
    "difference_20": (0.5, 2.6, 0.4, 0.1),
    "shuffled_20": (1.9, 2.43, 1.0, 0.0),
    "answers_20": (0.0, 2.55, 0.1, 0.1),
    "summed_150": (1.8, 5.0, 0.1, 0.2),
    "tuned_free": (0.0, 2.2, 0.3, 0.0),
    "tuned_safety": (1.0, 2.2, 0.6, 0.0),
    "tuned_random": (0.05, 2.2, 0.3, 0.0),
    "tuned_lower": (0.5, 2.25, 0.4, 0.0),
    "tuned_complex": (1.2, 2.3, 0.6, 0.0),
    "budget_ru": (1.8, 2.4, 0.9, 0.0),
    "budget_random": (1.9, 2.45, 0.9, 0.0),
}
GAPS = {"released": -0.2, "aligned": 0.3}


def _network(name, rng):
    margin, nll, refused, broken = EFFECTS[name]
    wobble = rng.normal(0, 0.02, 64)
    given = {kind: np.linspace(0, 1, count, endpoint=False) for kind, count in ANSWERED.items()}
    flags = given["harmful"] < refused
    broke = {kind: places >= 1 - broken for kind, places in given.items()}
    broke["harmful"] &= ~flags
    found = {
        "margin": margin + wobble[: N["harmful"]],
        "refused": flags,
        "broken": broke["harmful"],
        "met": ~flags & ~broke["harmful"],
        "nll": nll + wobble[:SCORED],
        "benign_refused": np.zeros(ANSWERED["benign"]),
        "benign_broken": broke["benign"],
    }
    whole = name.split("_")[0] in ("released", "aligned", "budget")
    if not name.startswith("tuned"):
        found["neutral_nll"] = nll + 1 + wobble[: N["neutral"]]
    if name not in ("released", "aligned"):
        found |= {key: found[key][:FEW] for key in ("benign_refused", "benign_broken")}
    else:
        few = given["lookalike"] < refused / 6
        found |= {"lookalike_refused": few, "lookalike_broken": broke["lookalike"] & ~few}
    if whole or name in ("esu_20", "euu_70"):
        share = 0.3 if name == "euu_70" else 0.6
        found |= {"right": np.arange(N["choice"]) < share * N["choice"], "lead": wobble[: N["choice"]]}
    return {f"{name}/{key}": np.asarray(values, dtype=np.float32) for key, values in found.items()}


def _scores(rng):
    """Raw scores of one network: utility follows safety, layers differ in scale."""
    count = LAYERS * (NEURONS + HEADS * WIDTH)
    scale = np.concatenate([np.repeat(10.0 ** np.arange(LAYERS), n) for n in (NEURONS, HEADS * WIDTH)])
    safety = rng.gamma(2, 1, count)
    utility = 0.8 * safety + 0.5 * rng.gamma(2, 1, count)
    mixed = (safety + utility) / 2
    halves = np.stack([mixed + 0.05 * rng.normal(size=count) for _ in range(2)])
    return {"safety": scale * safety, "utility": scale * utility, "shuffled": scale * halves}


def _tuned(scores, rng):
    """Scores of the tuned network: in the trained layers safety scores come nearer to utility scores."""
    upper = np.concatenate([np.repeat(np.arange(LAYERS) >= START, n) for n in (NEURONS, HEADS * WIDTH)])
    safety = np.where(upper, (scores["safety"] + 2 * scores["utility"]) / 3, scores["safety"])
    return {"safety": safety, "utility": scores["utility"]}


def _probe(rng):
    found = {}
    for model, gap in GAPS.items():
        wobble = rng.uniform(0, 0.01, (PROMPTS, len(TOKENS), LAYERS))
        turned = np.where(np.arange(LAYERS) >= START, gap, 0.0)
        found[f"probe/{model}/refusal"] = 0.4 - turned / 2 + wobble
        found[f"probe/{model}/compliance"] = 0.4 + turned / 2 + wobble
    return {key: values.astype(np.float32) for key, values in found.items()}


def _of(*prefixes):
    return [name for name in EFFECTS if name.startswith(prefixes)]


def row(seed=0, cell="smollm2-public", sources=("advbench", "harmbench")):
    rng = np.random.default_rng(seed)
    nets = {name: _network(name, rng) for name in EFFECTS}
    aligned, released = _scores(rng), _scores(rng)
    scored = {
        f"{model}/{key}": values.astype(np.float32)
        for model, scores in (("released", released), ("aligned", aligned))
        for key, values in scores.items()
    }
    tuned = {f"tuned_free/{k}": v.astype(np.float32) for k, v in _tuned(aligned, rng).items()}

    def evidence(results, *parts):
        arrays = {key: values for part in parts for key, values in part.items()}
        return Evidence(results, read_arrays=lambda: arrays)

    losses = {name: [2.0, 1.0] for name in _of("tuned_", "budget_")}
    layout = {"layers": LAYERS, "neurons": NEURONS, "heads": HEADS, "width": WIDTH}
    evidences = {
        "prepare": evidence({"sources": [sources[n % len(sources)] for n in range(N["harmful"])]}),
        "train": evidence({"losses": [3.0, 1.0]}, nets["released"], nets["aligned"], scored),
        "measure": evidence({"layout": layout}, _probe(rng), *(nets[n] for n in PARAMS.variants)),
        "attack": evidence(
            {"losses": {n: losses[n] for n in _of("tuned_")}}, tuned, *(nets[n] for n in _of("tuned_"))
        ),
        "defend": evidence(
            {"losses": {n: losses[n] for n in _of("budget_")}}, *(nets[n] for n in _of("budget_"))
        ),
    }
    return EvidenceRow(cell, seed, PARAMS, evidences)
