"""Fine-tune on labels of which a share is wrong: whole, without LayerNorm parameters, without others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from retrace.nets.parts import Kind, apply
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.forgetting.setup import case, logits
from retrace.training.finetune import Tuning, tune

if TYPE_CHECKING:
    from retrace.studies.forgetting.params import Settings, Train

RUNS: dict[str, Kind] = {"kept": "none", "norms": "norms", "others": "others"}


def run(params: Train, inputs: Inputs, seed: int) -> Output:
    """`start` is the network before training, the others are `RUNS`.

    Arrays `y`, `other` (N,), `wrong` (N,) of the training rows, `test_y`, `test_other` of the test rows;
    `<network>/train`, `<network>/test`: logits (N, classes).
    Scratch: weights of `kept`. Results: mean loss of each epoch by run, entries reset and frozen.
    Errors: StageError when training diverges.
    """
    shared = case(params, inputs, seed)
    settings = _tuning(params.tuning)
    arrays: dict[str, Array] = {
        "y": shared.train.y,
        "other": shared.train.other,
        "wrong": shared.wrong,
        "test_y": shared.test.y,
        "test_other": shared.test.other,
    }
    arrays |= logits("start", shared.network(), shared, settings)
    scratch: dict[str, Array] = {}
    losses, entries = {}, {}
    for name, kind in RUNS.items():
        net = shared.network()
        held = apply(net.backbone, kind, "all", True, True, True, derive(seed, "forgetting", "held"))
        targets = torch.as_tensor(shared.given, device=next(net.parameters()).device)
        steps = tune(
            net,
            shared.train.inputs,
            targets,
            settings,
            derive(seed, "forgetting", "order"),
            lambda held=held: [each.put_back() for each in held.held],  # type: ignore[misc]
        )
        losses[name], entries[name] = list(steps), held.entries
        arrays |= logits(name, net, shared, settings)
        if name == "kept":
            weights = {n: p for n, p in net.named_parameters() if p.requires_grad}
            scratch = {n: p.detach().cpu().numpy() for n, p in weights.items()}
    about = {"note": shared.pretrained.about.note, "order": shared.pretrained.about.order}
    return Output({**about, "losses": losses, "entries": entries}, arrays=arrays, scratch=scratch)


def _tuning(settings: Settings) -> Tuning:
    return Tuning(settings.epochs, settings.batch, settings.rate, half=settings.half)
