"""Ask the run's server to do a job (see `warm.server`); imports little, since every job pays for it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import BinaryIO

VARIABLE = "RETRACE_WARM"  # the path of the server's socket; "0": no server


def ask(text: str, kind: str) -> int | None:
    """The exit status of the job of a spec, done by the server; None when it must be done here.

    A fork that died of a signal makes this process die of it. When the run is over (Snakemake was killed),
    the job is not done: a line, status 1.
    """
    path = os.environ.get(VARIABLE, "0")
    if path == "0":
        return None
    place = {
        "python": [sys.executable, sys.version],
        "folder": os.getcwd(),
        "path": sys.path,
        "environment": dict(os.environ),
    }
    data = json.dumps({"text": text, "kind": kind, "place": place}).encode()
    with socket.socket(socket.AF_UNIX) as server, server.makefile("rb") as answers:
        try:
            server.connect(path)
        except OSError:
            return None
        with contextlib.suppress(OSError):
            socket.send_fds(server, [len(data).to_bytes(8, "big")], [0, 1, 2])
            server.sendall(data)
        fork = int(_line(answers) or 0)
        if fork:
            with _passing_signals(fork):
                status = _line(answers)
            if status:
                return _end_as(int(status))
            with contextlib.suppress(OSError):
                os.killpg(fork, signal.SIGKILL)  # the kernel does it, too, a moment later
    if os.path.exists(path):
        return None
    print("retrace: the run that started this job is over; start it again", file=sys.stderr)
    return 1


def _line(answers: BinaryIO) -> bytes:
    """The next answer; empty when the connection has ended."""
    try:
        return answers.readline()
    except OSError:
        return b""


@contextlib.contextmanager
def _passing_signals(fork: int) -> Iterator[None]:
    """Pass on to the fork what a terminal or a user sends this process."""

    def send(number: int) -> None:
        with contextlib.suppress(OSError):
            os.killpg(fork, number)

    def pause() -> None:
        send(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)

    passed = (signal.SIGINT, signal.SIGTERM, signal.SIGCONT, signal.SIGTSTP)
    before = {number: signal.getsignal(number) for number in passed}
    for number in passed:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: pause() if number == signal.SIGTSTP else send(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_as(status: int) -> int:
    """The exit status of a fork; this process dies of the signal that a fork died of."""
    if status < 0:
        with contextlib.suppress(OSError):  # what kills at once has no handler to reset
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status
