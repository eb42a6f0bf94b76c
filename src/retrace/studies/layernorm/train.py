"""Fine-tune the checkpoint under every run of the cell and follow what becomes of wrong labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrace.llm.encoders import Encoder
from retrace.nets.layernorms import distance_from_reset, find
from retrace.nets.parts import apply
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.layernorm.following import QUANTITIES, Watch
from retrace.studies.layernorm.setup import Case, case
from retrace.training.finetune import Tuning, tune

if TYPE_CHECKING:
    from retrace.studies.layernorm.params import Run, Train

SETTLED = 2  # epochs with every given label fitted, after which a run stops; its last values are held


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """Arrays `<run>/<quantity>` (epochs + 1, the first before training) and, of the kept network,
    `kept/gradients_<learn|mem|clean>` (epochs + 1, M) at its M norms in the order of `layernorms.find`.

    Scratch: the kept network's weights. Results: by run the epochs trained, the entries reset or frozen and
    wrong labels; of the checkpoint how far its norms are from a reset.
    Errors: StageError when training diverges, or a run does not suit the checkpoint.
    """
    shared = case(params, inputs, seed)
    arrays: dict[str, Array] = {}
    about: dict[str, object] = {}
    scratch: dict[str, Array] = {}
    for name, one in params.runs.items():
        net = shared.network(one.form, params.embedding)
        if name == "kept":
            norms = find(net.backbone)
            about["norms"] = {"count": len(norms), **distance_from_reset(norms)}
        found, facts = follow(net, one, name == "kept", shared, params)
        arrays |= {f"{name}/{quantity}": values for quantity, values in found.items()}
        about[name] = facts
        if name == "kept":
            weights = {n: p for n, p in net.named_parameters() if p.requires_grad}
            scratch = {n: p.detach().cpu().numpy() for n, p in weights.items()}
    about_it = shared.pretrained.about
    note = {"note": about_it.note, "order": about_it.order, "layers": shared.pretrained.layers}
    return Output({**note, "runs": about}, arrays=arrays, scratch=scratch)


def follow(
    net: Encoder, one: Run, watched: bool, shared: Case, params: Train
) -> tuple[dict[str, Array], dict[str, object]]:
    """Train one network; what is measured by epoch, and facts of the run."""
    seed, settings = shared.seed, params.tuning
    tuning = Tuning(
        settings.epochs, settings.batch, settings.rate, one.optimiser, settings.muon_rate, settings.half
    )
    noise = shared.rows.noisy(one.noise or params.noise, params.noisy_class, seed)
    applied = apply(
        net.backbone,
        one.kind,
        one.group,
        one.reset,
        one.freeze,
        params.ends,
        derive(seed, "layernorm", "held"),
    )
    watch = Watch(shared, noise, tuning, params.watched)
    norms = [norm.module for norm in find(net.backbone)]
    steps = [watch.outcome(net)]
    gradients = [watch.gradients(net, norms)] if watched else []
    settled = 0
    losses = tune(
        net,
        shared.train,
        net.targets(shared.tensor(noise.y)),
        tuning,
        derive(seed, "layernorm", "order"),
        lambda: [held.put_back() for held in applied.held],
    )
    for _ in losses:
        steps.append(watch.outcome(net))
        if watched:
            gradients.append(watch.gradients(net, norms))
        settled = settled + 1 if steps[-1]["gap"] + steps[-1]["learning"] == 1 else 0
        if settled == SETTLED:
            break
    length = settings.epochs + 1
    arrays = {q: _held(np.array([step[q] for step in steps]), length) for q in QUANTITIES}
    if watched:
        for kind in ("learn", "mem", "clean"):
            arrays[f"gradients_{kind}"] = _held(np.stack([found[kind] for found in gradients]), length)
    facts: dict[str, object] = {
        "epochs": len(steps) - 1,
        "entries": applied.entries,
        "noisy": len(noise.rows),
        "fell_back": noise.fell_back,
    }
    return arrays, facts


def _held(values: Array, length: int) -> Array:
    """Values by epoch (E,...), the last repeated up to `length`."""
    return np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)]).astype(np.float64)
