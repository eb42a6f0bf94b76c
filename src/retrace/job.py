"""The one door between the workflow and the library: `python -m retrace.job <<< SPEC`, or SPEC as argument.

With `--to PATH`, files go and are found where a storage provider of the workflow keeps them: PATH is where
it has one of the job's own. Every rule's shell line calls it with one canonical JSON text (`retrace.jobs`).
It fixes the thread counts before any numerical library loads. Then the run's server does the job
(`warm.server`: packages are loaded there already) or, without one, this process does. What is imported above
is what a served job waits for.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from retrace.errors import RetraceError
from retrace.warm.client import ask

STOPPED = "retrace: stopped"
TERMINATED = 128 + signal.SIGTERM  # as the meter ends a stage that is told to end


def start(text: str, path: str = "") -> int:
    """Do the job of a text, by the run's server if there is one; its exit status.

    `path`: where the workflow has one of the job's files, if that is not below the working folder itself.
    """
    try:
        text = _kept_by(path, text) if path else text
    except RetraceError as error:
        print(f"retrace: {error}", file=sys.stderr)
        return 1
    spec = _limit_threads(text)
    status = ask(text, _kind(spec)) if spec else None
    return main(text, Path.cwd()) if status is None else status


def main(text: str, root: Path) -> int:
    """Run the job of a text in this process; 0 when done, 1 after a one-line error."""
    spec = _limit_threads(text)
    os.environ["RETRACE_DEVICE"] = str(_within(spec, "context").get("device", "cpu"))
    from retrace.verbs.dispatch import run

    try:
        return run(text, root)
    except KeyboardInterrupt:  # Ctrl-C reaches every job of a run, by whatever process it is done
        _stop()
    except SystemExit as ended:
        if ended.code == TERMINATED:
            print(STOPPED, file=sys.stderr, flush=True)
        raise


def _stop() -> NoReturn:
    """End as Ctrl-C ends a program, but in one line."""
    print(STOPPED, file=sys.stderr, flush=True)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    sys.exit(1)


def _limit_threads(text: str) -> dict[str, Any]:
    """What the text says; empty when it is no job's, which `dispatch` will say. Sets the environment."""
    try:
        spec = json.loads(text)
    except ValueError:
        spec = None
    spec = spec if isinstance(spec, dict) else {}
    # one thread a job: two jobs of one thread beat one job of two; passive waits spare a busy machine
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(_within(spec, "context").get("threads", 1))
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    return spec


def _kept_by(path: str, text: str) -> str:
    """The job's text, told of the folder in which `path` is one of the files that it leaves or copies.

    RetraceError where it is none of these.
    """
    try:
        spec = json.loads(text)
        out, context = spec["out"], spec["context"]
    except (ValueError, TypeError, KeyError):
        return text  # `dispatch` will say it
    files = [*(out.values() if isinstance(out, dict) else out), *spec.get("copies", {}).values()]
    for own in files:
        if path.endswith(f"/{own}"):
            context["kept"] = path.removesuffix(own)
            return json.dumps(spec, sort_keys=True, separators=(",", ":"))
    raise RetraceError(f"--to {path}: is none of the job's files; give the place of {files[0]}")


def _kind(spec: dict[str, Any]) -> str:
    """What jobs that load the same packages share: the stage's module, or the verb of a product."""
    return str(_within(spec, "recipe").get("module", spec.get("kind")))


def _within(spec: dict[str, Any], name: str) -> dict[str, Any]:
    found = spec.get(name)
    return found if isinstance(found, dict) else {}


def _arguments() -> tuple[str, str]:
    """The job's text, and what `--to` says, empty without it."""
    words = sys.argv[1:]
    path, words = (words[1], words[2:]) if words[:1] == ["--to"] and words[1:] else ("", words)
    return (words[0] if words else sys.stdin.read()), path


if __name__ == "__main__":
    try:
        sys.exit(start(*_arguments()))
    except KeyboardInterrupt:
        _stop()
