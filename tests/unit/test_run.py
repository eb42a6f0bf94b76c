"""envs/run.py clears nothing but what it made itself, and says in one line where it cannot work."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
create = venv.create


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The script as a module, without pip: `pip` is what it would return, `calls` what was started."""
    spec = importlib.util.spec_from_file_location("run", ROOT / "envs" / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.pip, module.calls = 0, []

    def start(words, env=None, check=False, pass_fds=()):
        module.calls.append(SimpleNamespace(words=words, env=env))
        return subprocess.CompletedProcess(words, module.pip if "pip" in words else 0)

    monkeypatch.setattr(
        module.venv, "create", lambda place, clear=False, with_pip=False: create(place, clear=clear)
    )
    monkeypatch.setattr(module.subprocess, "run", start)
    monkeypatch.setattr(module, "attend", lambda words, variables: start(words, variables).returncode)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("RETRACE_VENV", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return module


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def refusal(run):
    """The one line with which it leaves."""
    with pytest.raises(SystemExit) as caught:
        run.main(["true"])
    line = str(caught.value)
    assert line.startswith("retrace: ")
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    "variables",
    [
        {"RETRACE_VENV": ""},
        {"XDG_CACHE_HOME": ""},
        {"XDG_CACHE_HOME": "cache"},
        {"RETRACE_VENV": "", "XDG_CACHE_HOME": "./cache"},
    ],
)
def test_empty_is_unset_and_a_relative_cache_folder_is_ignored(run, tmp_path, monkeypatch, variables):
    Path("thesis.tex").write_text("chapter 1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run.main(["true"]) == 0
    assert files(Path()) == {"thesis.tex": b"chapter 1"}
    (place,) = (tmp_path / "home/.cache/retrace").iterdir()
    assert (place / "complete").is_file()
    assert run.calls[-1].env["XDG_CACHE_HOME"] == str(tmp_path / "home/.cache")


@pytest.mark.parametrize(
    "held",
    [
        ["results/run1.csv"],
        ["complete", "results/run1.csv"],  # the file's name alone proves nothing
        ["pyvenv.cfg", "lib/mine.py"],  # someone's own environment
        ["made-by-retrace/notes.txt"],
    ],
)
@pytest.mark.parametrize("given", ["some/folder", "."])
def test_a_folder_that_holds_anything_else_is_refused(run, monkeypatch, held, given):
    for name in held:
        path = Path(given) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    before = files(Path())
    monkeypatch.setenv("RETRACE_VENV", given)
    line = refusal(run)
    assert str(Path(given).absolute()) in line
    assert "RETRACE_VENV" in line
    assert files(Path()) == before
    assert not run.calls


def test_a_half_made_environment_is_made_again_and_links_are_not_followed(run, monkeypatch):
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("chapter 1")
    monkeypatch.setenv("RETRACE_VENV", "new")
    run.pip = 1
    assert "pip could not install" in refusal(run)
    with Path("new", run.MARK).open("a") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)  # who failed holds it no longer
    Path("new/lib/half").write_text("half a package")
    Path("new/link").symlink_to(Path("mine").absolute())
    run.pip = 0
    assert run.main(["true"]) == 0
    made = files(Path("new"))
    assert {"complete", "pyvenv.cfg", run.MARK} <= set(made)
    assert "lib/half" not in made
    assert not Path("new/link").exists()
    assert files(Path("mine")) == {"thesis.tex": b"chapter 1"}


def test_a_complete_environment_is_used_as_it_is(run, monkeypatch):
    """Those of earlier versions bear no mark."""
    create("old")
    Path("old/complete").touch()
    before = files(Path("old"))
    monkeypatch.setenv("RETRACE_VENV", "old")
    assert run.main(["true"]) == 0
    assert files(Path("old")) == before
    assert [call.words[1:] for call in run.calls] == [[]]


def test_two_commands_at_once_install_once(run, monkeypatch):
    """The second would clear what the first one installs."""
    Path("new/lib").mkdir(parents=True)
    Path("new/lib/half").write_text("half a package")
    monkeypatch.setenv("RETRACE_VENV", "new")
    waits = threading.Event()
    monkeypatch.setattr(run, "print", lambda *_, **__: waits.set(), raising=False)
    second = threading.Thread(target=run.main, args=(["true"],))
    with Path("new", run.MARK).open("a") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second.start()
        assert waits.wait(60)
        for name in ("complete", "pyvenv.cfg"):
            Path("new", name).touch()
    second.join(60)
    assert Path("new/lib/half").read_text() == "half a package"
    assert [call.words[1:] for call in run.calls] == [[]]


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME"])
def test_a_cache_folder_that_cannot_be_made_is_one_line(run, monkeypatch, name):
    monkeypatch.setenv(name, "/dev/null")
    assert "set XDG_CACHE_HOME" in refusal(run)


def test_a_cache_folder_that_cannot_be_written_is_one_line(run, monkeypatch):
    monkeypatch.setattr(run.os, "access", lambda path, mode: not mode & run.os.W_OK)
    assert "may not be written; set XDG_CACHE_HOME" in refusal(run)


def no_home():
    raise RuntimeError("Could not determine home directory.")


def test_no_home_at_all_is_one_line(run, monkeypatch):
    monkeypatch.setattr(run.Path, "home", no_home)
    assert "set XDG_CACHE_HOME" in refusal(run)


def test_an_environment_that_cannot_be_made_is_one_line(run, monkeypatch):
    monkeypatch.setenv("RETRACE_VENV", "/dev/null/venv")
    assert "set RETRACE_VENV" in refusal(run)


def test_a_user_whom_the_system_does_not_know_gets_a_name_and_a_home(run, tmp_path, monkeypatch):
    def unknown():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(run.getpass, "getuser", unknown)
    monkeypatch.setattr(run.Path, "home", no_home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert run.main(["true"]) == 0
    env = run.calls[-1].env
    assert (env["LOGNAME"], env["HOME"]) == (str(run.os.getuid()), str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("trap", "status", "told"),
    [("sleep 1; echo stopped by itself; exit 7", 7, "stopped by itself\n"), ("kill -9 $$", 137, "")],
)
def test_ctrl_c_waits_for_the_command_to_stop_and_prints_nothing_of_its_own(tmp_path, trap, status, told):
    create(tmp_path / "venv")
    (tmp_path / "venv/complete").touch()
    script = f"trap '{trap}' INT; echo ready; for k in 1 2 3 4 5 6 7 8 9; do sleep 1; done"
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "envs/run.py"), "sh", "-c", script],
        env={**os.environ, "RETRACE_VENV": str(tmp_path / "venv")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (status, told, "")


def test_who_tells_the_launcher_to_end_tells_the_command(tmp_path):
    create(tmp_path / "venv")
    (tmp_path / "venv/complete").touch()
    script = (
        "trap 'echo stopped by itself; exit 7' TERM; echo ready; for k in 1 2 3 4 5 6 7 8 9; do sleep 1; done"
    )
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "envs/run.py"), "sh", "-c", script],
        env={**os.environ, "RETRACE_VENV": str(tmp_path / "venv")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert (process.communicate(timeout=60)[0], process.returncode) == ("stopped by itself\n", 7)
