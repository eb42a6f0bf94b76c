"""Areas, rates and counts from the scores: for every tuning and domain, against the untuned model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from retrace.attacks.diffusion.loss import calibrated_scores, loss_scores
from retrace.attacks.extraction.nearest import extracted, nearest
from retrace.attacks.roc import auc, roc
from retrace.seeds import generator
from retrace.stage import Array, Inputs, Output

if TYPE_CHECKING:
    from retrace.studies.diffusion.params import Measure

MAIN = ("loss", "calibrated")  # attacks that every tuning is measured by
DEFENDED = ("blank", "half", "dedup", "private")
FPR = np.logspace(-3, 0, 40)
SHUFFLES, SHOWN = 20, 8
FALSE = 0.01  # share of the untuned model's images that may come near a held-out one
BINS = np.linspace(-4, 4, 41)  # standard deviations of the untuned model's non-members


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Results: `leak`, AUCs on the calibration domain; `main`, the better of `MAIN` there; `within`, the
    distances that count as extraction; `rows`, one a tuning or defence and domain; `curves` of the main
    attack, judged domains pooled. Arrays: a few drawn images and the private ones nearest to them.
    """
    scores = inputs["attack"].read_scratch()
    guarded = inputs["defend"].read_scratch()
    images = inputs["prepare"].read_scratch()
    member = np.arange(params.members + params.others) < params.members
    rng = generator(seed, "diffusion", "shuffled")
    shuffled = np.stack([rng.permutation(member) for _ in range(SHUFFLES)])
    leak = {a: auc(s, member) for a, s in _attacks(scores, "none", "calibration").items()}
    main = max(MAIN, key=lambda name: leak[name])
    own_sets = inputs["train"].read_scratch()["own"]
    within = [_near(own_sets[k], images["others"][k]) for k in range(params.domains - 1)]
    rows = []
    for k in [*map(str, range(params.domains - 1)), "untrained"]:
        for name in params.tunings:
            if f"{name}/{k}/errors" in scores:
                found = _attacks(scores, name, k)
                row = _row(found, member, shuffled, main, params.fpr) | {"method": name, "domain": k}
                if k != "untrained":
                    row |= _elsewhere(scores, name, k, params)
                    row |= _extraction(scores, f"{name}/{k}", images, int(k), within[int(k)], params)
                rows.append(row)
    kept = inputs["defend"].results["kept"]
    for name in DEFENDED:
        for k in map(str, range(params.domains - 1)):
            found = _main(guarded[f"{name}/{k}/errors"], guarded[f"reference/{k}/errors"])
            row = _row(found, member, shuffled, main, params.fpr) | {"method": name, "domain": k}
            if name in ("half", "dedup"):  # on the members that are left when near duplicates go
                stay = np.concatenate([kept[int(k)], np.ones(params.others, bool)]).astype(bool)
                row["kept"] = auc(found[main][stay], member[stay])
                row["kept_loss"] = auc(found["loss"][stay], member[stay])
                row["removed"] = int((~stay).sum())
            rows.append(row)
    for row in rows:
        if row["domain"] != "untrained":
            of = guarded if row["method"] in DEFENDED else scores
            place = "{domain}/errors".format(**row)
            row["error"] = _held(of[f"{row['method']}/{place}"], guarded[f"blank/{place}"], member)
    about = {"leak": leak, "main": main, "within": within, "rows": rows}
    curves = _curves(scores, params, main, member)
    return Output(about | {"curves": curves}, arrays=_pictured(scores, images, params))


def _pictured(scores: dict[str, Array], images: dict[str, Array], params: Measure) -> dict[str, Array]:
    """A few drawn images of each judged domain by tuning, and the private image nearest to each."""
    found = {}
    for k in range(params.domains - 1):
        private = images["members"][k]
        for name in params.deep:
            drawn = scores[f"{name}/{k}/drawn"]
            apart, which = nearest(drawn / 255, private / 255)
            chosen = np.argsort(apart, kind="stable")[:: max(1, len(apart) // SHOWN)][:SHOWN]
            found[f"{name}/{k}/drawn"] = drawn[chosen]
            found[f"{name}/{k}/nearest"] = private[which[chosen]]
    return found


def _near(drawn: Array, held: Array) -> float:
    """The distance within which a share `FALSE` of drawn images come to half of the held-out ones."""
    apart, _ = nearest(drawn / 255, held[: len(held) // 2] / 255)
    return float(np.quantile(apart, FALSE))


def _held(own: Array, blank: Array, member: Array) -> float:
    """Mean error of held-out images over the untrained model's, from errors (K,n+N); 1: nothing is learnt."""
    return float(own[:, ~member].mean() / blank[:, ~member].mean())


def _main(own: Array, reference: Array) -> dict[str, Array]:
    return {"loss": loss_scores(own), "calibrated": calibrated_scores(own, reference)}


def _attacks(scores: dict[str, Array], name: str, k: str) -> dict[str, Array]:
    """Scores (n+N,) by attack of a tuning and domain."""
    place = f"{name}/{k}"
    found = _main(scores[f"{place}/errors"], scores[f"reference/{k}/errors"])
    for key, values in scores.items():
        attack = key.removeprefix(f"{place}/")
        if key.startswith(f"{place}/") and not attack.startswith(("errors", "stray.", "drawn")):
            of = attack if k == "calibration" else attack.partition("_")[0]
            found[of] = values
    return found


def _row(found: dict[str, Array], member: Array, shuffled: Array, main: str, fpr: float) -> dict[str, Any]:
    areas = {f"auc_{attack}": auc(s, member) for attack, s in found.items()}
    curve = roc(found[main], member)
    row = areas | {"auc": curve.auc, "tpr": float(curve.tpr_at(fpr))}
    row["auc_shuffled"] = float(np.mean([auc(found[main], one) for one in shuffled]))
    if "secmi" in found:
        row["tpr_secmi"] = float(roc(found["secmi"], member).tpr_at(fpr))
        row["auc_secmi_shuffled"] = float(np.mean([auc(found["secmi"], one) for one in shuffled]))
    return row


def _elsewhere(scores: dict[str, Array], name: str, k: str, params: Measure) -> dict[str, float]:
    """AUC of members against images from elsewhere, by source, where they were looked at."""
    found: dict[str, float] = {}
    members = slice(params.members)
    own, reference = (scores[f"{of}/{k}/errors"][:, members] for of in (name, "reference"))
    for source in ("shifted", "other"):
        key = f"{name}/{k}/stray.{source}"
        if key not in scores:
            continue
        far = scores[f"reference/{k}/stray.{source}"]
        both = _main(np.concatenate([own, scores[key]], 1), np.concatenate([reference, far], 1))
        inside = np.arange(both["loss"].size) < params.members
        found |= {f"auc_{attack}_from_{source}": auc(both[attack], inside) for attack in MAIN}
    return found


def _extraction(
    scores: dict[str, Array], place: str, images: dict[str, Array], k: int, within: float, params: Measure
) -> dict[str, float]:
    """Private images found, and the mean count of as many held-out ones, over disjoint sets of them."""
    if f"{place}/drawn" not in scores:
        return {}
    drawn = scores[f"{place}/drawn"] / 255
    private, held = images["members"][k] / 255, images["others"][k] / 255
    starts = range(len(held) // 2, len(held) - params.members + 1, params.members)
    sets = [held[i : i + params.members] for i in starts] or [held[-params.members :]]
    decoys = float(np.mean([len(extracted(drawn, part, within).found) for part in sets]))
    hit = extracted(drawn, private, within)
    return {
        "extracted": float(len(hit.found)),
        "decoys": decoys,
        "excess": len(hit.found) - decoys,
        "distance": float(nearest(drawn, private)[0].mean()),
        "distance_held": float(np.mean([nearest(drawn, part)[0].mean() for part in sets])),
    }


def _curves(scores: dict[str, Array], params: Measure, main: str, member: Array) -> dict[str, Any]:
    """Of tunings in `deep`: ROC at `FPR` and counts of members' and non-members' scores in `BINS`.

    Scores of a domain are first put on the scale of the untuned model's non-members, then pooled.
    """
    curves: dict[str, Any] = {"fpr": FPR.tolist(), "bins": BINS.tolist()}
    for name in params.deep:
        pooled = []
        for k in map(str, range(params.domains - 1)):
            plain, own = (_attacks(scores, of, k)[main] for of in ("none", name))
            held = plain[~member]
            pooled.append((own - held.mean()) / held.std())
        both, inside = np.concatenate(pooled), np.tile(member, len(pooled))
        clipped = np.clip(both, BINS[0], BINS[-1])
        curves[name] = {
            "tpr": roc(both, inside).tpr_at(FPR).tolist(),
            "members": np.histogram(clipped[inside], BINS)[0].tolist(),
            "others": np.histogram(clipped[~inside], BINS)[0].tolist(),
        }
    return curves
