"""Time the planning of large runs in a copy of the checkout: a dry run, and runs with nothing left to do.

python benchmarks/bench_plan.py [--seeds 30 150 440] [--scale laptop]

With `--seeds`: the smoke scale of `reuse` with that many seeds. With `--scale`: all studies at that scale. No
stage runs: empty evidence and products stand in for what a run leaves, so that planning finds all of it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_run import copy, timed

SHEET = "config/studies/reuse.yaml"
SEEDS = "seeds: [0, 1]\n"  # of the smoke scale
STAND_IN = """
import json, sys
from pathlib import Path
from retrace import files
from retrace.claims.cost import total_cost
from retrace.claims.record import PaperVerdict
from retrace.claims.sealed import write_verdict
from retrace.config import load_config
from retrace.planning.workflow import Workflow
from retrace.records.evidence import seal, write_evidence
from retrace.verbs import publish
root = Path.cwd()
flow = Workflow.plan(load_config(json.loads(sys.argv[1])), root)
def leave(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"stands in")
for plan in flow.plans.values():
    for task in plan.tasks.values():
        for kind, path in task.outputs.items():
            leave(root / path)
        digests = {kind: files.sha256(b"stands in") for kind in task.outputs if kind != "evidence"}
        blocks = {"results": {}, "timing": {}, "meter": {}, "environment": {}, "files": digests}
        write_evidence(root / task.evidence, seal({"recipe": task.recipe, **blocks}))
for product in flow.judged.values():
    job = product.job
    verdict = PaperVerdict(paper=job.paper, title="", study=job.study, scale=job.scale, claims=[], meters={},
                           cost=total_cost([]), environment={}, figures=job.figures)
    write_verdict(root / product.outputs[0], verdict)
for product in [*flow.drawn.values(), flow.report]:
    for path in product.outputs:
        leave(root / path)
for product in flow.published.values():
    publish.run(product.job, root, root)
    leave(root / product.outputs[0])
print(sum(len(plan.tasks) for plan in flow.plans.values()))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=[], help="seeds of `reuse` at scale smoke")
    parser.add_argument("--scale", nargs="*", default=[], help="plan all studies at these scales")
    options = parser.parse_args()
    runs = [(f"reuse, {n} seeds", n, "smoke", '["reuse"]') for n in options.seeds]
    runs += [(f"scale {scale}", 0, scale, "all") for scale in options.scale]
    print(f"{'':24s} {'stages':>7s} {'CPU s (wall s)':>16s}")
    for name, seeds, scale, studies in runs:
        with tempfile.TemporaryDirectory(prefix="retrace-bench-") as folder:
            measure(name, Path(folder), seeds, scale, studies)


def measure(name: str, place: Path, seeds: int, scale: str, studies: str) -> None:
    """Print one line a command."""
    copy(place)
    if seeds:
        sheet = (place / SHEET).read_text()
        assert sheet.count(SEEDS) == 1
        (place / SHEET).write_text(sheet.replace(SEEDS, f"seeds: {list(range(seeds))}\n"))
    words = ["all", "--config", f"scale={scale}", f"studies={studies}"]
    said = place / "said.txt"
    first = timed(place, [*words, "-n"], said)
    again = timed(place, [*words, "-n"], said)
    config = f'{{"scale": "{scale}", "studies": {studies if seeds else chr(34) + studies + chr(34)}}}'
    script = [sys.executable, "-c", STAND_IN, config]
    made = subprocess.run(script, cwd=place, capture_output=True, text=True, check=True)
    lines = {
        "-n, fresh clone": first,
        "-n, again": again,
        "nothing to do, first": timed(place, words, said),
        "nothing to do, again": timed(place, words, said),
    }
    assert "Nothing to be done" in said.read_text()
    print(f"{name:24s} {int(made.stdout):7d}")
    for command, (wall, cpu, _) in lines.items():
        print(f"  {command:30s} {cpu:8.1f} ({wall:.1f})", flush=True)


if __name__ == "__main__":
    main()
