"""`retrace cost`: what a scale takes, before it is run."""

from __future__ import annotations

from pathlib import Path

from retrace.config import Config
from retrace.costs import meters
from retrace.costs.forecast import Estimate
from retrace.costs.summary import GIB, caps, duration, summed, without_rate
from retrace.errors import RetraceError
from retrace.planning.expected import Expected
from retrace.planning.plan import plan_all

HEAD = ("study", "jobs", "time (90 %)", "longest job", "kWh", "kg CO2e", "memory", "scratch", "evidence")


def text(config: Config, root: Path) -> str:
    """The table by study and device, all together at last; then caps, and kinds without a rate.

    Raises RetraceError, one line, where no evidence gives a rate or a study does not count its work.
    """
    if not meters.files(root):
        raise RetraceError("cost: no evidence here says how long a stage takes; `retrace pull` brings some")
    plans = plan_all(config, root)
    expected = Expected(root, config, plans)
    if expected.lacking:
        raise RetraceError(expected.lacking[0])
    rows: list[tuple[str, ...]] = [HEAD]
    every: dict[str, Estimate] = {}
    for name, plan in plans.items():
        own = {task.label: expected.estimates[key] for key, task in plan.tasks.items()}
        rows += _rows(f"{name} ({', '.join(plan.study.papers)})", own, config)
        every |= own
    rows += _rows("all", every, config) if len(plans) > 1 else []
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    notes = [*caps(every), *without_rate(every), FOOT]
    return "\n".join([*lines, "", *notes])


FOOT = (
    "Stages alone: judging and drawing take seconds more. Bytes are counted, not measured. GiB, kg CO2e at "
    "the configured factor; docs/cost.md says how all this is worked out."
)


def _rows(name: str, estimates: dict[str, Estimate], config: Config) -> list[tuple[str, ...]]:
    rows = []
    for one in summed(estimates):
        label, seconds = one.longest
        rows.append(
            (
                name,
                str(one.jobs),
                one.time,
                f"{duration(seconds)} {label.partition(' ')[2].rpartition(' ')[0]}",
                f"{one.kwh:.2g}",
                f"{one.kwh * config.carbon.factor_kg_per_kwh:.2g}",
                *(f"{value / GIB:.1f}" for value in (one.memory, one.scratch)),
                f"{one.evidence / GIB:.3f}",
            )
        )
    return rows
