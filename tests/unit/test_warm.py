"""Jobs started by the run's server are as those that start by themselves, and no kill leaves one at work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from retrace.recipe import SOURCE
from retrace.warm import server
from retrace.warm.client import VARIABLE

# the real door, client and server, and a job that does what its spec says
FAKE = """
import json
def run(text, root):
    name = {}
    exec(json.loads(text)["do"], name)
    return name.get("status", 0)
"""
HOLD = """
import sys
from retrace.warm.host import Host
host = Host()
host.start()
print(__import__("os").environ["RETRACE_WARM"], host._process.pid, flush=True)
sys.stdin.read()
host.stop()
"""
STREAMS = {**dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE), "text": True}
SLEEP = "import os, time; open('pid', 'a').write(f'{os.getpid()} '); time.sleep(60)"


class Run:
    """A folder with the fake package, and what stands for Snakemake's process: it holds the server."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.code = root / "src" / "retrace"
        shutil.copytree(SOURCE / "retrace" / "warm", self.code / "warm")
        for name in ("job.py", "errors.py"):
            shutil.copy(SOURCE / "retrace" / name, self.code)
        (self.code / "__init__.py").touch()
        (self.code / "verbs").mkdir()
        (self.code / "verbs" / "dispatch.py").write_text(FAKE)
        self.env = {**os.environ, "PYTHONPATH": str(root / "src")}
        self.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.env.pop(VARIABLE, None)
        self.holder: subprocess.Popen[str] | None = None

    def hold(self) -> None:
        words = [sys.executable, "-c", HOLD]
        self.holder = subprocess.Popen(words, cwd=self.root, env=self.env, preexec_fn=heed_ctrl_c, **STREAMS)
        path, pid = self.holder.stdout.readline().split()
        self.env[VARIABLE], self.server = path, int(pid)
        self.folder = Path(path).parent

    def release(self) -> str:
        """Let what stands for Snakemake's process end its run; what it says."""
        return self.holder.communicate(timeout=30)[1]

    def start(self, do: str, kind: str = "kind", **env: str) -> subprocess.Popen[str]:
        """A job's process, as a rule's shell line starts it."""
        spec = json.dumps({"kind": kind, "context": {}, "do": do})
        words = ["python", "-m", "retrace.job", spec]
        return subprocess.Popen(
            words, cwd=self.root, env={**self.env, **env}, preexec_fn=heed_ctrl_c, **STREAMS
        )

    def job(self, do: str, kind: str = "kind", given: str = "", **env: str) -> tuple[int, str, str]:
        """Status, output and error output of a job that ends."""
        process = self.start(do, kind, **env)
        out, err = process.communicate(given, timeout=60)
        return process.returncode, out, err

    def parent(self, **env: str) -> int:
        """The process that started the process in which a job is done."""
        return int(self.job("import os; print(os.getppid())", **env)[1])

    def at_work(self, jobs: int = 1) -> list[int]:
        """The processes of jobs that sleep, once there are so many."""
        return wait_for(lambda: (pids := self.pids()) and len(pids) >= jobs and pids)

    def pids(self) -> list[int]:
        path = self.root / "pid"
        return [int(word) for word in path.read_text().split()] if path.exists() else []


def heed_ctrl_c():
    """As in a terminal, though these tests may run in the background, where it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(what):
    for _ in range(3000):
        if found := what():
            return found
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def hears(job):
    """Whether the process of a job passes signals on by now."""
    caught = next(
        line for line in Path(f"/proc/{job.pid}/status").read_text().splitlines() if "SigCgt" in line
    )
    return int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1


def gone(pid):
    """Whether a process does no more work: it is not there, or its parent has yet to ask for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path)
    yield made
    if made.holder is not None and made.holder.returncode is None:
        made.release()


@pytest.fixture
def held(run):
    run.hold()
    return run


DOES = """
import os, sys
print(sys.stdin.read(), os.getcwd(), os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"])
print("to the log", file=sys.stderr)
status = 3
"""


def test_a_job_is_done_alike_with_and_without_a_server(run):
    alone = run.job(DOES, given="said")
    run.hold()
    assert run.job(DOES, given="said") == alone == (3, f"said {run.root} 1 PASSIVE\n", "to the log\n")
    assert run.parent() == run.server
    assert run.release() == ""
    assert run.job(DOES, given="said") == alone  # the variable names a server that is no more
    assert not run.folder.exists()


def test_a_spec_may_come_on_standard_input(held):
    spec = json.dumps({"kind": "kind", "context": {}, "do": "print('x' * 9)", "long": "x" * 300_000})
    words = ["python", "-m", "retrace.job"]
    done = subprocess.run(words, cwd=held.root, env=held.env, input=spec, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "x" * 9 + "\n")


def test_the_variable_switches_the_server_off(run):
    run.env[VARIABLE] = "0"
    code = HOLD.replace("host._process.pid", "host._process")
    done = subprocess.run([sys.executable, "-c", code], env=run.env, input="", capture_output=True, text=True)
    assert done.stdout == "0 None\n", done.stderr


def test_a_server_that_cannot_be_started_is_done_without(run):
    words = [sys.executable, "-c", HOLD.replace("print(", "0 and print(")]
    env = {**run.env, "PATH": "", "TMPDIR": str(run.root)}
    done = subprocess.run(words, env=env, input="", capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.startswith("retrace: the process that starts jobs at once could not start")
    assert not list(run.root.glob("retrace-*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT])
def test_a_job_that_dies_of_a_signal_is_seen_to(held, number):
    no_core = "import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); "
    assert held.job(f"{no_core}os.kill(os.getpid(), {number})")[0] == -number
    assert held.parent() == held.server


def test_errors_and_exits_of_a_job_are_those_of_any_python(run):
    do = ["raise SystemExit(143)", "1 / 0", "import sys; sys.exit('a line')"]
    alone = [run.job(what)[0] for what in do]
    run.hold()
    assert [run.job(what)[0] for what in do] == alone == [143, 1, 1]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 5), (signal.SIGINT, 6)])
def test_what_a_terminal_sends_reaches_the_job(held, number, status):
    catch = f"import signal, sys; signal.signal({number}, lambda *_: sys.exit({status}))\n"
    job = held.start(catch + SLEEP)
    held.at_work()
    wait_for(lambda: hears(job))
    job.send_signal(number)
    assert job.wait(30) == status


def test_ctrl_c_ends_a_job_as_without_a_server(run):
    def interrupted():
        job = run.start(SLEEP)
        run.at_work()
        wait_for(lambda: VARIABLE not in run.env or hears(job))
        job.send_signal(signal.SIGINT)
        (run.root / "pid").unlink()
        return job.communicate(timeout=30)[1].splitlines()[-1], job.returncode

    alone = interrupted()
    run.hold()
    assert interrupted() == alone == ("retrace: stopped", -signal.SIGINT)


def test_a_suspended_job_rests_until_it_is_continued(held):
    job = held.start(SLEEP)
    (pid,) = held.at_work()
    wait_for(lambda: hears(job))
    state = lambda: Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]  # noqa: E731
    job.send_signal(signal.SIGTSTP)
    wait_for(lambda: state() == "T")
    os.kill(job.pid, signal.SIGCONT)
    wait_for(lambda: state() == "S")
    job.kill()
    job.communicate()


def test_a_killed_client_takes_the_job_and_what_it_started_with_it(held):
    job = held.start("import subprocess; other = subprocess.Popen(['sleep', '60'])\n" + SLEEP)
    (pid,) = held.at_work()
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    job.kill()
    wait_for(lambda: gone(pid) and gone(child))
    assert held.parent() == held.server


def test_a_killed_server_takes_the_job_with_it_and_its_client_does_it_itself(held):
    do = "import os; open('pid', 'a').write(f'{os.getpid()} ')\n"
    do += f"if os.getppid() == {held.server}: import time; time.sleep(60)"
    job = held.start(do)
    (pid,) = held.at_work()
    os.kill(held.server, signal.SIGKILL)
    assert job.wait(30) == 0
    assert held.pids() == [pid, job.pid]
    wait_for(lambda: gone(pid))
    assert held.parent() == os.getpid()  # those that come later, too
    assert "ended early (status -9)" in held.release()
    assert not held.folder.exists()


def test_a_job_dies_with_server_and_client_killed_at_once(held):
    job = held.start(SLEEP)
    (pid,) = held.at_work()
    os.kill(held.server, signal.SIGSTOP)  # so that it cannot see to the connection
    job.kill()
    os.kill(held.server, signal.SIGKILL)
    wait_for(lambda: gone(pid))


def test_a_killed_run_leaves_nothing_at_work(held):
    jobs = [held.start(SLEEP) for _ in range(2)]
    pids = held.at_work(2)
    held.holder.kill()
    for job in jobs:
        assert job.communicate(timeout=30)[1] == (
            "retrace: the run that started this job is over; start it again\n"
        )
        assert job.returncode == 1
    wait_for(lambda: all(gone(pid) for pid in (*pids, held.server)))
    assert not held.folder.exists()
    assert len(held.pids()) == 2


def test_jobs_get_the_installed_packages_that_their_kind_loaded_before(held):
    probe = "import sys; print('yaml' in sys.modules)\n"
    assert held.job(probe + "import yaml")[1] == "False\n"
    assert held.job(probe, "another")[1] == "False\n"
    assert held.job(probe + "import yaml")[1] == "True\n"
    assert held.job(probe, "another")[1] == "True\n"  # the server has it now


def test_a_job_runs_the_code_that_is_there_when_it_starts(held):
    for value in ("first", "second"):
        (held.code / "verbs" / "dispatch.py").write_text(f"{FAKE}print({value!r})\n")
        assert held.job("")[1] == f"{value}\n"
        (held.code / "verbs" / "dispatch.py").write_text(FAKE)
        assert held.parent() == held.server


@pytest.mark.parametrize("name", ["OMP_DYNAMIC", "PYTHONHASHSEED"])
def test_a_job_with_another_environment_starts_by_itself(held, name):
    assert held.parent() == held.server
    assert held.parent(**{name: "1"}) == os.getpid()
    assert held.parent(OMP_WAIT_POLICY="ACTIVE") == held.server  # every job's is set before it asks


def test_nothing_stays_of_a_job(held):
    held.job("import yaml")
    folder = Path(f"/proc/{held.server}")
    before = len(list((folder / "fd").iterdir()))
    for _ in range(5):
        held.parent()
    jobs = [held.start(SLEEP) for _ in range(2)]
    held.at_work(2)
    for job in jobs:
        job.kill()
        job.communicate()
    wait_for(lambda: all(map(gone, held.pids())))
    held.parent()
    assert len(list((folder / "fd").iterdir())) == before
    assert (folder / "task" / str(held.server) / "children").read_text() == ""
    assert {path.name for path in held.folder.iterdir()} == {"said", "socket"}


def test_no_fork_beside_a_second_thread_or_with_cuda_initialised(monkeypatch):
    def torch(initialised):
        return SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: initialised))

    alone = [str(os.getpid())]
    monkeypatch.setattr(os, "listdir", lambda place: alone)
    monkeypatch.setitem(sys.modules, "torch", torch(False))
    assert server.may_fork()
    monkeypatch.setitem(sys.modules, "torch", torch(True))
    assert not server.may_fork()
    monkeypatch.delitem(sys.modules, "torch")
    assert server.may_fork()
    monkeypatch.undo()
    wait = threading.Event()
    thread = threading.Thread(target=wait.wait)
    thread.start()
    try:
        assert not server.may_fork()
    finally:
        wait.set()
        thread.join()


def test_the_server_loads_installed_packages_and_never_our_own(monkeypatch):
    import yaml  # noqa: F401

    assert server._is_installed("yaml")
    assert not server._is_installed("json")
    monkeypatch.setattr(server, "INSTALLED", (str(SOURCE),))  # as without `-e`
    assert not server._is_installed("retrace.recipe")
