"""Hand a job to its verb; whatever goes wrong is said in one line."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

from retrace.errors import RetraceError
from retrace.recipe import code_digest


def run(spec: dict[str, Any], root: Path) -> int:
    """Run the job of a spec; 0 when done, 1 after a one-line error."""
    try:
        _dispatch(spec, root)
    except RetraceError as error:
        print(f"retrace: {spec['label']}: {error}", file=sys.stderr)
        return 1
    except MemoryError:
        print(f"retrace: {spec['label']}: out of memory; run fewer jobs at once (--cores 1)", file=sys.stderr)
        return 1
    except Exception as error:
        traceback.print_exc()
        print(f"retrace: {spec['label']}: unexpected {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def check_code(planned: dict[str, str]) -> None:
    """Refuse to run modules that were edited after the run was planned: the key would be another's."""
    for module, digest in planned.items():
        if code_digest(module) != digest:
            raise RetraceError(f"{module} changed since this run was planned; start the run again")


def _dispatch(spec: dict[str, Any], root: Path) -> None:
    # imported here so that a drawing job never pays for the meter, nor a stage for matplotlib
    verb = spec.pop("verb")
    if "code" in spec:
        check_code(spec["code"])
    if verb == "judge":
        from retrace.verbs import judge

        judge.run(spec, root)
    elif verb == "draw":
        from retrace.verbs import draw

        draw.run(spec, root)
    elif verb == "report":
        from retrace.verbs import report

        report.run(spec, root)
    elif verb == "publish":
        from retrace.verbs import publish

        publish.run(spec, root)
    else:
        from retrace.verbs import stage

        stage.run(stage.StageJob(verb=verb, **spec), root)
