"""The one door between the workflow and the library: `python -m retrace.job SPEC`, or SPEC on standard input.

Every rule's shell line calls it with one canonical JSON text. It fixes the thread counts before any
numerical library loads. Then the run's server does the job (`warm.server`: packages are loaded there
already) or, without one, this process does. What is imported above is what a served job waits for.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from retrace.warm.client import ask


def start(text: str) -> int:
    """Do the job of a spec, by the run's server if there is one; its exit status."""
    spec: dict[str, Any] = json.loads(text)
    _limit_threads(spec["context"])
    status = ask(text, spec.get("recipe", {}).get("module", spec["verb"]))
    return main(text, Path.cwd()) if status is None else status


def main(text: str, root: Path) -> int:
    """Run the job of a spec in this process; 0 when done, 1 after a one-line error."""
    spec: dict[str, Any] = json.loads(text)
    _limit_threads(spec["context"])
    os.environ["RETRACE_DEVICE"] = spec["context"].get("device", "cpu")
    from retrace.verbs.dispatch import run

    return run(spec, root)


def _limit_threads(context: dict[str, Any]) -> None:
    # one thread a job: two jobs of one thread beat one job of two; passive waits spare a busy machine
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(context.get("threads", 1))
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


if __name__ == "__main__":
    sys.exit(start(sys.argv[1] if len(sys.argv) > 1 else sys.stdin.read()))
