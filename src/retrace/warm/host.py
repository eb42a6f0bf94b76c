"""The server of a run (`warm.server`), as Snakemake's process starts and ends it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from retrace.warm.client import VARIABLE

ROOM = 80  # characters of a folder's path that leave a socket in it below the system's limit of 107


class Host:
    """Starts the server and names its socket to the jobs' processes by the environment."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server (milliseconds; it loads nothing yet), unless RETRACE_WARM is 0 or it cannot be.

        Jobs may connect when this returns. The server ends with this process, however that ends.
        """
        if os.environ.get(VARIABLE) == "0":
            return
        place = tempfile.gettempdir()
        self._folder = Path(tempfile.mkdtemp(prefix="retrace-", dir=place if len(place) < ROOM else "/tmp"))
        path = str(self._folder / "socket")
        try:
            with socket.socket(socket.AF_UNIX) as listener, (self._folder / "said").open("wb") as said:
                listener.bind(path)
                listener.listen(128)
                self._process = subprocess.Popen(
                    # as the rules start Python; -P: not beside this package's modules
                    ["python", "-P", str(Path(__file__).with_name("server.py")), str(listener.fileno())],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    pass_fds=[listener.fileno()],
                    start_new_session=True,  # Ctrl-C is for the jobs, not for the server
                )
        except OSError as error:
            shutil.rmtree(self._folder)
            _warn(f"could not start ({error})")
        else:
            os.environ[VARIABLE] = path

    def stop(self) -> None:
        """End the server and what it left; a line when it had ended by itself."""
        if self._process is None:
            return
        del os.environ[VARIABLE]
        early = self._process.poll()
        self._process.communicate()
        if early is not None:
            said = (self._folder / "said").read_text(errors="replace").strip().splitlines()
            _warn(f"ended early (status {early}{''.join(f', {line}' for line in said[-1:])})")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._process = None


def _warn(what: str) -> None:
    print(
        f"retrace: the process that starts jobs at once {what}; without it they only take longer",
        file=sys.stderr,
    )
