"""What one job's own Snakemake is told of the plan, so that a cluster's jobs do not plan the run again.

An executor such as Slurm's starts Snakemake anew for every job (twice, in fact), which reads the rules from
the start. The planning process leaves one small file for each job that it will send, `.snakemake/orders/KEY`;
`Orders` reads those of a job and stands in for `Workflow` there. Nothing depends on them: a job without its
orders (no shared folder) or with those of another configuration plans for itself. The job checks code and
data against its recipe, as ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrace.errors import RetraceError
from retrace.recipe import canonical, digest

if TYPE_CHECKING:  # every job of a cluster reads this file, twice
    from retrace.planning.workflow import Workflow

FOLDER = ".snakemake/orders"


@dataclass(frozen=True)
class Order:
    """One task: its rule (study, verb, outputs with wildcards, resources), inputs, its job's text."""

    study: str
    verb: str
    outputs: dict[str, str]
    resources: dict[str, int]
    inputs: list[str]
    spec: str
    minutes: int
    megabytes: int


@dataclass(frozen=True)
class Granted:
    """What the tasks of a job are expected to take: `Expected`, for a job that has its place already."""

    orders: Mapping[str, Order]

    @property
    def chains(self) -> dict[str, float]:
        """Nothing waits for its turn any more."""
        return dict.fromkeys(self.orders, 0.0)

    def minutes(self, key: str, attempt: int) -> int:
        """Minutes, as asked for at first."""
        return self.orders[key].minutes

    def megabytes(self, key: str, attempt: int) -> int:
        """Megabytes, as asked for at first."""
        return self.orders[key].megabytes


class Orders:
    """The plan of a few tasks by key, with what the rules ask of a `Workflow`: no products, no targets."""

    papers: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()

    def __init__(self, orders: Mapping[str, Order]) -> None:
        self._orders = orders
        self.expected = Granted(orders)
        self._rules = {(order.study, order.verb): order for order in orders.values()}

    @classmethod
    def read(cls, keys: Iterable[str], config: Mapping[str, Any], root: Path) -> Orders | None:
        """The orders of these keys; None where one is missing or was left under another configuration."""
        found = {}
        for key in keys:
            try:
                body = json.loads((root / FOLDER / key).read_bytes())
                if body.pop("config") != digest(dict(config)):
                    return None
                found[key] = Order(**body)
            except (OSError, ValueError, KeyError, TypeError):
                return None
        return cls(found) if found else None

    @property
    def stages(self) -> list[tuple[str, str]]:
        """Study and verb of every stage among the tasks."""
        return list(self._rules)

    def output_patterns(self, study: str, verb: str) -> dict[str, str]:
        """Output paths of a stage with Snakemake's wildcards group, seed and key."""
        return self._rules[study, verb].outputs

    def resources(self, study: str, verb: str) -> dict[str, int]:
        """What a job of the stage holds beside its core."""
        return self._rules[study, verb].resources

    def task_inputs(self, key: str, whole: bool) -> list[str]:
        """A file of each task that the task of a key needs, as the planning process chose them."""
        return self._orders[key].inputs

    def all_inputs(self, key: str) -> list[str]:
        """Every file that the task of a key reads, if a storage provider brings them."""
        return self._orders[key].inputs

    def task_spec(self, key: str) -> str:
        """The text that a task's job is started with."""
        return self._orders[key].spec


def plan_of_run(
    config: Mapping[str, Any], root: Path, targets: Sequence[Sequence[str]], keys: Sequence[str]
) -> Workflow | Orders:
    """The plan (`Workflow.load`), or for jobs of these keys what the planning process left of it.

    `targets` are those asked for, then the rules that --until and --omit-from name.
    """
    orders = Orders.read(keys, config, root)
    if orders:
        return orders
    from retrace.planning.workflow import Workflow

    return Workflow.load(dict(config), root, *targets)


def leave_orders(
    flow: Workflow, keys: Iterable[str], config: Mapping[str, Any], whole: bool, stored: bool = False
) -> None:
    """Write the orders of these tasks; where nothing can be written, jobs plan for themselves.

    `stored`: a storage provider has to bring every file that a job reads.
    """
    from retrace.files import write_atomic

    under = digest(dict(config))
    for key in keys:
        task = flow.task(key)
        verb = task.stage.verb
        order = Order(
            task.study,
            verb,
            flow.output_patterns(task.study, verb),
            flow.resources(task.study, verb),
            flow.all_inputs(key) if stored else flow.task_inputs(key, whole),
            flow.task_spec(key),
            flow.expected.minutes(key, 1),
            flow.expected.megabytes(key, 1),
        )
        try:
            write_atomic(flow.root / FOLDER / key, canonical({**vars(order), "config": under}).encode())
        except RetraceError:
            return
