"""Run the cell's defences on every model alike: each is the target once, so every shadow is defended too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retrace.defenses.membership.bench import Bench
from retrace.defenses.membership.run import defend
from retrace.device import current
from retrace.nets.targets import Head
from retrace.seeds import derive
from retrace.stage import Array, Inputs, Output
from retrace.studies.membership.setup import Setup, schedule, set_up, untrained
from retrace.training.shadows import Shadows, groups, join

if TYPE_CHECKING:
    from retrace.studies.membership.params import Defend


def run(params: Defend, inputs: Inputs, seed: int) -> Output:
    """Defend all models by each method; leaves their weights as `<method>/<tensor>`, (K,...).

    Results of each method: `notes`, name -> a number a model, and `pictures`, what its figures draw.
    """
    device = current()
    setup = set_up(inputs, device)
    weights = inputs["train"].read_scratch()
    one = untrained(params, setup, range(params.models), seed, device)
    trained = one.loaded(weights)
    benches = [
        _bench(params, setup, trained, group, seed, device)
        for group in groups(one.base, params.models, device)
    ]
    scratch: dict[str, Array] = {}
    notes: dict[str, dict[str, list[float]]] = {}
    pictures: dict[str, Any] = {}
    for name, method in params.methods.items():
        done = [defend(bench, method) for bench in benches]
        models = join([part.models for part in done])
        scratch |= {f"{name}/{tensor}": values for tensor, values in models.arrays().items()}
        notes[name] = {note: [v for part in done for v in part.notes[note]] for note in done[0].notes}
        pictures[name] = done[0].pictures
    return Output({"notes": notes, "pictures": pictures}, scratch=scratch)


def _bench(params: Defend, setup: Setup, trained: Shadows, group: range, seed: int, device: str) -> Bench:
    def fresh(head: Head) -> Shadows:
        return untrained(params, setup, group, seed, device, head)

    return Bench(
        setup.x["pool"],
        setup.y["pool"],
        setup.rows[list(group)],
        setup.x["reference"],
        setup.y["reference"],
        setup.classes,
        schedule(params),
        derive(seed, "order"),
        untrained(params, setup, group, seed, device),
        trained.of(group),
        fresh,
    )
