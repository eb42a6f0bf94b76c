"""A run's jobs are started by its server, with the results of jobs that start by themselves."""

from __future__ import annotations

import contextlib
import os
import time

import psutil
from dag_clone import STAGES, read
from test_kill import start

PAUSE = "src/retrace/studies/dummy/pause.py"
# Every stage notes what started its process, and finds there what others load (as if PyTorch).
# The code is in its key, so only clones with the same edit compare.
NOTE = """
    import os
    import sys
    from types import SimpleNamespace

    sys.modules["torch"] = SimpleNamespace(__version__="0", get_num_threads=lambda: 1)
    with open("parents", "a") as stream:
        stream.write(open(f"/proc/{os.getppid()}/cmdline").read().replace("\\0", " ") + "\\n")
"""


def with_note(source, root):
    clone = source.copy(root)
    docstring = '    """Sleep for RETRACE_DUMMY_PAUSE seconds (default none)."""\n'
    clone.edit(PAUSE, docstring, docstring + NOTE)
    return clone


def test_jobs_started_by_the_server_give_the_same_results(source, tmp_path):
    warm, cold = (with_note(source, tmp_path / name) for name in ("warm", "cold"))
    assert warm.run("dummy_judge") == cold.run("dummy_judge", RETRACE_WARM="0")
    parents = [(clone.root / "parents").read_text().splitlines() for clone in (warm, cold)]
    assert [len(lines) for lines in parents] == [sum(STAGES.values())] * 2
    assert ["warm/server.py" in line for line in parents[0]] == [True] * len(parents[0])
    assert not any("warm/server.py" in line for line in parents[1])
    assert warm.results() == cold.results()
    assert warm.verdict() == cold.verdict()
    seen = [
        [read(path)["environment"] for path in clone.files("evidence/**/*.json")] for clone in (warm, cold)
    ]
    assert seen[0] == seen[1]
    assert {environment["torch"] for environment in seen[0]} == {
        None
    }  # the stages say that they do not use it
    assert not at_work(warm)


def at_work(clone):
    """Processes whose folder is the clone's."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(clone.root):
                found.append(process)
    return found


def test_a_killed_snakemake_leaves_no_job_at_work(source, tmp_path):
    clone = with_note(source, tmp_path / "clone")
    run = start(clone, "dummy_judge", pause="600")
    while not (clone.root / "parents").exists():
        assert run.poll() is None
        time.sleep(0.05)
    assert at_work(clone)
    os.kill(run.pid, 9)
    run.wait(60)
    deadline = time.monotonic() + 60
    while at_work(clone):
        assert time.monotonic() < deadline, at_work(clone)
        time.sleep(0.05)
    assert not clone.files("evidence/**/*.json")
