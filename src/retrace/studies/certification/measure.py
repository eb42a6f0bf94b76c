"""How accurate, how robust and how certifiable every network is, image by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrace.device import current
from retrace.stage import Array, Inputs, Output
from retrace.studies.certification.bounds import Setting, bound, decide, folded, validate
from retrace.studies.certification.setup import load_network, set_up

if TYPE_CHECKING:
    from retrace.studies.certification.params import Measure, Method


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """Bounds and attacks of every network; complete verification of those that a method asks for.

    Leaves, per test image, `<method>/<state>/<quantity>` (see `retrace.studies.certification.bounds`).
    Results of each method: `chosen`, the pruned state with the highest certified accuracy on the validation
    slice, the denser one where two are equal (0 for a dense method, null where no state could be pruned), and
    of each state what the slice showed and the share of unstable ReLUs by layer.
    """
    data = set_up(inputs, current())
    setting = Setting(params.training.epsilon, params.verification)
    trained: dict[str, Any] = inputs["train"].results["methods"]
    weights = inputs["train"].read_scratch()
    results: dict[str, Any] = {}
    timing: dict[str, Any] = {}
    arrays: dict[str, Array] = {}
    for name, method in params.methods.items():
        own = trained[name]["own"]
        networks = {n: folded(load_network(weights, f"{name}/{n}", params.network, data), data) for n in own}
        states, hidden = [], {}
        for number, network in networks.items():
            found = bound(network, data, setting)
            hidden[number] = found.hidden
            arrays |= {f"{name}/{number}/{quantity}": values for quantity, values in found.images.items()}
            # a dense network is no candidate beside pruned ones, and one candidate needs no choice
            several = sum(_candidate(n, method) for n in own) > 1
            seen = validate(network, data, setting) if several and _candidate(number, method) else {}
            states.append({"number": number, "unstable": found.unstable, "validation": seen})
        chosen = _chosen(states, method)
        results[name] = {"chosen": chosen, "states": states}
        for number in sorted(_decided(chosen, states, method)):
            outcome = decide(networks[number], data, setting, hidden[number])
            arrays |= {f"{name}/{number}/{quantity}": v for quantity, v in outcome.images.items()}
            timing[f"{name}/{number}"] = outcome.seconds
    return Output({"methods": results}, timing, arrays)


def _chosen(states: list[dict[str, Any]], method: Method) -> int | None:
    """Number of the state to speak of: by the validation slice, among the pruned ones of a pruner."""
    candidates = [s for s in states if _candidate(s["number"], method)] if method.kept else states
    if not candidates:
        return None
    best = max(candidates, key=lambda s: (s["validation"].get("certified", 0.0), -s["number"]))
    return int(best["number"])


def _decided(chosen: int | None, states: list[dict[str, Any]], method: Method) -> set[int]:
    """Numbers of the states that branch and bound decides."""
    if chosen is None:
        return set()
    wanted = {chosen} if method.complete else set()
    return wanted | ({states[-1]["number"]} if method.complete_last else set())


def _candidate(number: int, method: Method) -> bool:
    return number > 0 or method.pruner.startswith("narrow")
