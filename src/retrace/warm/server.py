"""Start jobs at once: fork them from a process that has their third-party packages loaded.

Loading PyTorch takes a job two seconds, often more than its work. Snakemake's process starts this file as a
script (`warm.host`); a job's process (`warm.client`) sends its spec, standard streams and surroundings; a
fork of this process does the job, and the job's process ends as the fork did. What holds:

- nothing depends on it: a job that is not served starts by itself, as without a server;
- no module of `retrace` is loaded here: a fork reads the code that is there when its job starts. Loaded is
  what earlier jobs of the same kind loaded of the installed packages; each fork leaves their names;
- libraries read the environment when they are imported, so all served jobs share interpreter, folder, search
  path and environment: the first job sets them, and a job with others starts by itself;
- it never forks beside a second thread or with CUDA initialised, nor where it cannot tell (no /proc);
- a fork is killed when its job's process ends early (the connection closes) and when this process dies (the
  kernel sees to it). This process ends with Snakemake's (its standard input closes); first it removes the
  folder of its socket, by which a job's process knows that the run is over.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import sysconfig
import threading
from pathlib import Path
from typing import Any, NamedTuple

LIFELINE = 0  # standard input: a pipe that Snakemake's process holds open
PATIENCE = 10.0  # seconds that a request may take to come
PR_SET_PDEATHSIG = 1
INSTALLED = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))


class Fork(NamedTuple):
    """A job at work: its process, and its kind, by which packages are remembered."""

    pid: int
    kind: str


class Server:
    """Serves at a listening socket; `folder` is the socket's, removed when the run is over."""

    def __init__(self, listener: socket.socket) -> None:
        self.folder = Path(listener.getsockname()).parent
        self._listener = listener
        self._pid = os.getpid()
        self._place: Any = None
        self._forks: dict[socket.socket, Fork] = {}
        self._packages: dict[str, dict[str, None]] = {}  # by kind; in the order in which jobs loaded them
        self._ended, self._tell = socket.socketpair()
        self._tell.setblocking(False)
        signal.set_wakeup_fd(self._tell.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> dict[str, Any] | None:
        """None when the run is over; in a fork, the request it is to do."""
        while True:
            watched: list[int | socket.socket] = [LIFELINE, self._listener, self._ended, *self._forks]
            ready = select.select(watched, [], [])[0]
            if LIFELINE in ready:
                shutil.rmtree(self.folder, ignore_errors=True)
                for client in list(self._forks):
                    self._kill(client)
                return None
            if self._ended in ready:
                self._ended.recv(4096)
                self._report()
            for client in [client for client in self._forks if client in ready]:
                self._kill(client)  # it never says a second thing: this is its end
            if self._listener in ready:
                request = self._answer()
                if request is not None:
                    return request

    def _answer(self) -> dict[str, Any] | None:
        """Fork for the next client, or close its connection, so that its job starts by itself."""
        client = self._listener.accept()[0]
        streams: list[int] = []
        request: dict[str, Any] = {}
        pid = -1
        with contextlib.suppress(OSError, ValueError):
            client.settimeout(PATIENCE)
            request = _receive(client, streams)
            if self._prepare(request):
                pid = os.fork()
        if pid == 0:
            self._become(client, streams)
            return request
        for stream in streams:
            os.close(stream)
        if pid < 0:
            client.close()
            return None
        os.setpgid(pid, pid)
        self._forks[client] = Fork(pid, request["kind"])
        with contextlib.suppress(OSError):  # a client that is gone is seen to in the next round
            client.sendall(b"%d\n" % pid)
        return None

    def _prepare(self, request: dict[str, Any]) -> bool:
        """Load what jobs of this kind load; whether a fork of this process may do the job."""
        place = request["place"]
        if self._place is None and place["python"] == [sys.executable, sys.version]:
            self._place = place
            os.chdir(place["folder"])
            os.environ.clear()
            os.environ.update(place["environment"])
            sys.path[:] = place["path"]
        if place != self._place:
            return False
        for name in self._packages.get(request["kind"], {}):
            if name not in sys.modules:
                with contextlib.suppress(Exception):  # the job that needs it will say what is wrong
                    importlib.import_module(name)
        gc.freeze()
        return may_fork()

    def _become(self, client: socket.socket, streams: list[int]) -> None:
        """Turn a fork into a job's process: its own group, the job's streams, nothing of the server's."""
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._pid:  # it died before the line above
            os.kill(os.getpid(), signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for connection in (client, self._listener, self._ended, self._tell, *self._forks):
            connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)

    def _report(self) -> None:
        """Tell the clients of forks that have ended how they did, and remember what they had to load."""
        for client, fork in list(self._forks.items()):
            pid, status = os.waitpid(fork.pid, os.WNOHANG)
            if pid == 0:
                continue
            del self._forks[client]
            left = self.folder / str(pid)
            with contextlib.suppress(OSError, ValueError):
                self._packages.setdefault(fork.kind, {}).update(dict.fromkeys(json.loads(left.read_bytes())))
            left.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                client.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            client.close()

    def _kill(self, client: socket.socket) -> None:
        fork = self._forks.pop(client)
        os.killpg(fork.pid, signal.SIGKILL)
        os.waitpid(fork.pid, 0)
        client.close()


def _receive(client: socket.socket, streams: list[int]) -> dict[str, Any]:
    """The request of a client; its three standard streams are added to `streams`."""
    head, received, *_ = socket.recv_fds(client, 8, 3)
    streams += received
    if len(streams) != 3:
        raise ValueError("no standard streams came")
    with client.makefile("rb") as stream:
        request: dict[str, Any] = json.loads(stream.read(int.from_bytes(head, "big")))
    return request


def may_fork() -> bool:
    """Whether this process has one thread and no CUDA context; False where that cannot be seen."""
    torch = sys.modules.get("torch")
    try:
        alone = len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False
    return alone and not (torch is not None and torch.cuda.is_initialized())


def work(request: dict[str, Any], folder: Path) -> int:
    """Do the job of a request in this process, which is a fork; leave the names of what it had to load."""
    known = set(sys.modules)
    importlib.invalidate_caches()
    # by its name: no file of the house may load the door that it is called through
    status = int(importlib.import_module("retrace.job").main(request["text"], Path.cwd()))
    loaded = [name for name in sys.modules if name not in known and _is_installed(name)]
    if loaded:
        (folder / str(os.getpid())).write_text(json.dumps(loaded))
    return status


def _is_installed(name: str) -> bool:
    spec = getattr(sys.modules[name], "__spec__", None)
    return name.split(".")[0] != "retrace" and str(getattr(spec, "origin", None)).startswith(INSTALLED)


def leave(status: int) -> None:
    """End a fork without taking the interpreter down piece by piece, which would copy all its memory."""
    if threading.active_count() > 1:
        sys.exit(status)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    gc.disable()  # while importing; what is loaded never needs it
    server = Server(socket.socket(fileno=int(sys.argv[1])))
    received = server.serve()
    if received is not None:
        gc.enable()
        leave(work(received, server.folder))
