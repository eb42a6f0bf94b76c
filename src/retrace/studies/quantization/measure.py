"""Round the trained networks in every way that is asked for, and follow the chain group by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from retrace import device
from retrace.compress.quantizing.grids import expected_shift
from retrace.compress.quantizing.layers import layer_weights, layers, quantized
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.quantization.curves import group_curves
from retrace.studies.quantization.outcome import Passed, group_outcomes, passed
from retrace.studies.quantization.scaling import rescaling
from retrace.studies.quantization.setup import Calibration, Data, calibration, restored, set_up, uniform

if TYPE_CHECKING:
    from retrace.studies.quantization.params import Measure, Quantizer

BINS = 60


def run(params: Measure, inputs: Inputs, seed: int) -> Output:
    """`results["states"][method]`: outcomes by group, errors of the weights, curvature where asked for.

    Arrays: `<method>.logits` (groups, bins), counts of the logits of the methods in `pictured`, and `edges`.
    """
    chosen = device.current()
    data = set_up(inputs, chosen)
    states: dict[str, Any] = {}
    kept: dict[str, Passed] = {}
    nets: dict[str, nn.Module] = {}
    plain: dict[str, Passed] = {}
    samples: dict[tuple[str, str], Calibration] = {}
    for name, method in params.methods.items():
        which = method.network
        if which not in nets:
            nets[which] = restored(params, which, inputs, data, chosen)
            plain[which] = passed(nets[which], data.x["test"])
        source = (which, method.calibration)
        if source not in samples:
            samples[source] = calibration(
                nets[which], data, params.calibration_images, method.calibration, seed
            )
        net = _rounded(nets[which], method, samples[source], seed)
        found = passed(net, data.x["test"])
        scale = rescaling(method.rescale, nets[which], net, samples[source].images)
        found = Passed(found.logits * np.float32(scale), found.features)
        states[name] = group_outcomes(found, plain[which], data) | _shift(nets[which], net, method)
        states[name]["scale"] = scale
        if method.curvature:
            states[name]["curves"] = group_curves(net, data, params.curvature_images, params.probes, seed)
        if name in params.pictured:
            kept[name] = found
    return Output({"states": states}, arrays=_histograms(kept, data))


def _rounded(net: nn.Module, method: Quantizer, sample: Calibration, seed: int) -> nn.Module:
    bits = uniform(net, method.weights, method.inputs, method.ends)
    noise = torch.Generator().manual_seed(derive(seed, "quantization", "noise")) if method.noise else None
    return quantized(net, bits, sample.ranges(method.ranges, bits), method.per == "channel", noise)


def _shift(net: nn.Module, rounded: nn.Module, method: Quantizer) -> dict[str, float]:
    """Squared distance of the weights, the squared distance of errors uniform in each step, their length."""
    before, after = layer_weights(net), layer_weights(rounded)
    squares = sum(float((after[n] - before[n]).double().square().sum()) for n in before)
    length = sum(float(w.double().square().sum()) for w in before.values())
    names = list(before)
    bits = {
        n: method.ends if method.ends and n in (names[0], names[-1]) else method.weights for n in layers(net)
    }
    expected = sum(expected_shift(before[n], b, method.per == "channel") for n, b in bits.items() if b)
    return {"shift": squares, "expected_shift": expected, "length": length}


def _histograms(kept: dict[str, Passed], data: Data) -> dict[str, Array]:
    if not kept:
        return {"edges": np.zeros(0)}
    values = np.concatenate([found.logits.ravel() for found in kept.values()])
    low, high = np.quantile(values, [0.001, 0.999])
    edges = np.linspace(float(low), float(high), BINS + 1)
    arrays: dict[str, Array] = {"edges": edges}
    for name, found in kept.items():
        own = [found.logits[data.g["test"] == g].ravel() for g in range(data.count)]
        arrays[f"{name}.logits"] = np.stack([np.histogram(z, edges)[0] for z in own])
    return arrays
