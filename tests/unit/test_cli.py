"""The command line: what it prints, to whom, and when nobody listens any more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrace import cli
from retrace.config import Config
from retrace.errors import RetraceError
from retrace.upkeep import index

ROOT = Path(__file__).resolve().parents[2]
PRINTS = (
    "import sys; from retrace import cli; cli._verdicts = lambda *_: print({text!r} * {times}); "
    "sys.exit(cli.main(['verdicts']))"
)


def started(text, times=1, **env):
    words = (sys.executable, "-c", PRINTS.format(text=text, times=times))
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **env}
    return subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("times", [2, 100_000])
def test_a_reader_that_has_seen_enough_is_no_error(times):
    process = started("a line\n", times)
    assert process.stdout.readline() == b"a line\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


def test_a_terminal_without_the_letters_gets_the_rest():
    out, err = started("Überraschung αβγ", PYTHONIOENCODING="latin-1").communicate()
    assert (out.decode("latin-1").strip(), err) == ("Überraschung ???", b"")


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        cli.main(["--version"])
    assert capsys.readouterr().out.startswith("retrace ")


def test_evidence_is_listed_where_nothing_may_be_written(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(index, "lines", lambda *_: [dict.fromkeys(index.COLUMNS, "here")])

    def refuse(path, data):
        raise RetraceError(f"{path}: cannot be written")

    monkeypatch.setattr(index, "write_atomic", refuse)
    assert cli.main(["index"]) == 1
    told = capsys.readouterr()
    assert told.out.count("here") == len(index.COLUMNS)
    assert told.err.endswith("results/index.csv: cannot be written\n")


def test_a_job_for_all_seeds_is_listed_as_such():
    rows = index.lines(Config(scale="smoke", studies=["certification"]), ROOT)
    assert {row["seed"] for row in rows if "/all/" in row["path"]} == {"all"}
    assert {row["seed"] for row in rows if "/s0/" in row["path"]} == {"0"}


def test_another_checkouts_command_says_whose_code_it_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "config/studies").mkdir(parents=True)
    (tmp_path / "src/retrace").mkdir(parents=True)
    (tmp_path / "config/config.yaml").write_text("newer_key: 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["verdicts"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert f"not of {tmp_path}/src/retrace" in first
    assert "newer_key" in second
    (tmp_path / "src/retrace").rmdir()
    (tmp_path / "src/retrace").symlink_to(Path(cli.__file__).parent)
    assert cli.main(["verdicts"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
