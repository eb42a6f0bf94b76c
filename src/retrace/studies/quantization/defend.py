"""Networks that go on training while they round: what that does for the smallest groups, what else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retrace import device
from retrace.compress.quantizing.layers import LayerBits, layers, quantized
from retrace.compress.quantizing.learned import learn_steps
from retrace.compress.quantizing.mixed import allocate, average_bits, sensitivities
from retrace.compress.quantizing.tune import TuneSettings, tune
from retrace.metrics.curvature import Curvature
from retrace.seeds import derive
from retrace.stage import Inputs, Output
from retrace.studies.quantization.curves import first_images
from retrace.studies.quantization.outcome import group_outcomes, passed
from retrace.studies.quantization.setup import Data, calibration, restored, set_up, uniform

if TYPE_CHECKING:
    from retrace.studies.quantization.params import Defend, Mitigation

FULL = 32  # bits of a weight that is not rounded
PER_CHANNEL = True


def run(params: Defend, inputs: Inputs, seed: int) -> Output:
    """`results["states"][mitigation]`: outcomes by group, `bits` a weight on average, and by layer.

    All start from the same trained network and take the same ranges of activations.
    """
    chosen = device.current()
    data = set_up(inputs, chosen)
    net = restored(params, "full", inputs, data, chosen)
    plain = passed(net, data.x["test"])
    sample = calibration(net, data, params.calibration_images, "random", seed)
    sizes = {name: layer.weight.numel() for name, layer in layers(net).items()}
    mixed = any(m.mixed != "none" for m in params.mitigations.values())
    traces = _traces(net, data, params, seed) if mixed else {}
    groups = torch.from_numpy(data.g["train"])
    states: dict[str, Any] = {}
    for name, mitigation in params.mitigations.items():
        bits = _bits(net, mitigation, params, traces)
        rounding = {} if mitigation.pruned else bits
        tuned = quantized(net, rounding, sample.ranges("minmax", rounding), PER_CHANNEL)
        if mitigation.learned:
            learn_steps(tuned)
        masks = _largest(tuned, (mitigation.bits or FULL) / FULL) if mitigation.pruned else None
        settings = TuneSettings(
            params.tune_epochs,
            params.batch,
            params.tune_rate,
            params.weight_decay,
            mitigation.sampling,
            mitigation.weighting,
        )
        order = derive(seed, "quantization", "tuning")
        steps = tune(tuned, data.x["train"], data.y["train"], groups, settings, order, masks)
        found = group_outcomes(passed(tuned, data.x["test"]), plain, data)
        widths = {n: b.weights or FULL for n, b in bits.items()}
        states[name] = found | {"steps": steps, "bits": average_bits(widths, sizes), "layers": widths}
    return Output({"states": states})


def _bits(
    net: nn.Module, mitigation: Mitigation, params: Defend, traces: dict[str, dict[str, float]]
) -> dict[str, LayerBits]:
    """Bits by layer; with mixed precision its inputs get as many as its weights, and at least `bits`."""
    if mitigation.bits is None or mitigation.mixed == "none":
        return uniform(net, mitigation.bits, mitigation.bits)
    weights = {name: layer.weight.detach() for name, layer in layers(net).items()}
    costs = sensitivities(weights, traces[mitigation.mixed], params.widths, PER_CHANNEL)
    sizes = {name: weight.numel() for name, weight in weights.items()}
    chosen = allocate(costs, sizes, mitigation.budget or mitigation.bits)
    return {name: LayerBits(b, max(b, mitigation.bits)) for name, b in chosen.items()}


def _traces(net: nn.Module, data: Data, params: Defend, seed: int) -> dict[str, dict[str, float]]:
    """Each layer's Hessian trace: of the training loss, and of the group where it is largest."""
    found: dict[str, list[float]] = {name: [] for name in layers(net)}
    weights = [layer.weight for layer in layers(net).values()]
    for group in range(data.count):
        x, y = first_images(data, "train", group, params.trace_images)
        curvature = Curvature(F.cross_entropy(net(x), y), weights, f"group {group}")
        estimates = curvature.traces(params.trace_probes, derive(seed, "quantization", "traces"))
        for own, trace in zip(found.values(), estimates, strict=True):
            own.append(trace)
    sizes = np.bincount(data.g["train"])
    return {
        "mean": {name: float(np.average(own, weights=sizes)) for name, own in found.items()},
        "worst": {name: max(own) for name, own in found.items()},
    }


def _largest(net: nn.Module, share: float) -> dict[str, Tensor]:
    """Masks that keep this share of all layers' weights, the largest, and put the others to zero."""
    weights = {f"{name}.weight": layer.weight for name, layer in layers(net).items()}
    flat = torch.cat([w.detach().abs().flatten() for w in weights.values()])
    least = flat.topk(max(1, round(share * len(flat)))).values[-1]
    masks = {name: w.detach().abs() >= least for name, w in weights.items()}
    with torch.no_grad():
        for name, w in weights.items():
            w.mul_(masks[name])
    return masks
