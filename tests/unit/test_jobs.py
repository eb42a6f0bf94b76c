"""A job's text is read as it was written, or refused in one line; and it may be as long as it wants."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.shell import shell

from retrace import jobs
from retrace.config import Config
from retrace.errors import RetraceError
from retrace.planning.workflow import Workflow
from retrace.recipe import SOURCE, canonical
from retrace.verbs import dispatch

ROOT = Path(__file__).resolve().parents[2]
LINUX_LONGEST_ARGUMENT = 131_072
CONTEXT = jobs.Context("cpu", 1, "data/external", False, jobs.MeterSettings("FRA", 0.4, 15.0, 3.0), "")
SHELL_LINE = re.compile(r'"(python -m retrace\.job[^"]*)"')
SHELL = re.compile(r"shell:\s+(\S.*)")


@pytest.fixture(scope="module")
def texts():
    """One text of each kind of job."""
    flow = Workflow.plan(Config(scale="smoke", studies=["reuse"]), ROOT)
    task = next(reversed(flow.plans["reuse"].tasks))
    made = [flow.judged["arm"], flow.drawn["arm"], flow.report, flow.published["report"]]
    return [flow.task_spec(task), *(flow.product_spec(product.key) for product in made)]


def test_what_is_written_is_read(texts):
    found = [jobs.read_job(text) for text in texts]
    assert {type(job) for job in found} == set(jobs.KINDS.values())
    assert [jobs.write_job(job) for job in found] == texts
    assert found[1].rows[0].cell in found[1].cells
    assert found[0].context.meter.country == "FRA"


def refusal(text):
    with pytest.raises(RetraceError) as caught:
        jobs.read_job(text)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 300
    return line


def test_an_unknown_or_missing_field_is_one_line(texts):
    for text in texts:
        values = json.loads(text)
        for where in (values, values["context"], values["context"]["meter"]):
            for name in [name for name in where if name != "kind"]:
                kept = where.pop(name)
                assert f"job{'' if where is values else ': context'}" in refusal(canonical(values))
                assert f"no field {name!r}" in refusal(canonical(values))
                where[f"{name}s"] = kept
                assert f"unknown field '{name}s' (did you mean" in refusal(canonical(values))
                del where[f"{name}s"]
                where[name] = kept


def test_what_is_no_job_is_one_line(texts):
    values = json.loads(texts[1])
    assert "kind of job 'jugde' (did you mean 'judge'?)" in refusal(canonical({**values, "kind": "jugde"}))
    assert "not JSON" in refusal(texts[1][:-5])
    for text in ("[]", "null", "{}", '"judge"'):
        assert "unknown kind of job" in refusal(text)
    assert "not a JSON object, got 7" in refusal(canonical({**values, "context": 7}))


def publication(folder, letters):
    """A job that copies one file, its text `letters` long and full of what a shell could take for its own."""
    (folder / "from.txt").write_text("whole")
    label = ('it\'s $HOME `x` "y" \\ é ' * letters)[:letters]
    return jobs.write_job(jobs.PublishJob(label, CONTEXT, ["stamp"], {"to.txt": "from.txt"}))


def lines_of_rules():
    found = [
        line
        for path in sorted((ROOT / "rules").glob("*.smk"))
        for line in SHELL_LINE.findall(path.read_text())
    ]
    assert len(found) == 1  # which every rule of a job runs
    shells = [s for path in (ROOT / "rules").glob("*.smk") for s in SHELL.findall(path.read_text())]
    assert sorted(shells) == ["COMMAND"] * 4 + ["PUBLISH", "REHEARSE"]  # the same line
    return sorted(set(found))


@pytest.mark.parametrize("line", lines_of_rules())
def test_a_text_of_any_length_reaches_its_job(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    text = publication(tmp_path, 300_000)
    assert len(text) > 2 * LINUX_LONGEST_ARGUMENT
    shell(
        line.replace("{params.spec:q}", shlex.quote(text).replace("{", "{{").replace("}", "}}")),
        log="log.txt",
    )
    assert (tmp_path / "to.txt").read_text() == "whole"


def test_a_storage_provider_s_folder_is_found_by_one_of_the_job_s_files(tmp_path):
    kept = tmp_path / ".snakemake/storage/fs/lab"
    kept.mkdir(parents=True)
    words = [sys.executable, "-m", "retrace.job", "--to", ".snakemake/storage/fs/lab/from.txt"]
    words.append(publication(kept, 20))  # only there
    done = subprocess.run(words, cwd=tmp_path, env={"PYTHONPATH": str(SOURCE)}, check=False)
    assert done.returncode == 0
    assert (tmp_path / "to.txt").read_text() == "whole"
    assert not (kept / "to.txt").exists()


def test_a_file_that_is_none_of_the_job_s_says_nothing_of_where_they_are(tmp_path):
    words = [sys.executable, "-m", "retrace.job", "--to", ".snakemake/elsewhere.txt"]
    words.append(publication(tmp_path, 20))
    env = {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    wanted = "--to .snakemake/elsewhere.txt: is none of the job's files; give the place of stamp"
    assert done.stderr == f"retrace: {wanted}\n"
    assert not (tmp_path / "to.txt").exists()


@pytest.mark.parametrize("by_argument", [True, False])
def test_a_job_is_its_text_as_an_argument_or_on_standard_input(tmp_path, by_argument):
    def run(text):
        words = [sys.executable, "-m", "retrace.job", *([text] if by_argument else [])]
        how = {"cwd": tmp_path, "env": {"PYTHONPATH": str(SOURCE)}, "capture_output": True, "text": True}
        return subprocess.run(words, input="" if by_argument else text, check=False, **how)

    assert run(publication(tmp_path, 20)).returncode == 0
    assert (tmp_path / "to.txt").read_text() == "whole"
    done = run('{"kind": "jugde"}')
    assert done.returncode == 1
    assert done.stderr == "retrace: unknown kind of job 'jugde' (did you mean 'judge'?)\n"


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("CUDA error: in a value"), False),
    ],
)
def test_an_accelerator_that_fails_is_one_line(texts, tmp_path, monkeypatch, capsys, error, lost):
    def fail(job, root):
        raise error

    monkeypatch.setattr(dispatch, "_dispatch", fail)
    assert dispatch.run(texts[0], tmp_path) == 1
    said = capsys.readouterr().err
    assert ("Traceback" not in said) is lost
    assert ("the accelerator failed (CUDA error: unspecified launch failure); nvidia-smi" in said) is lost
    assert said.splitlines()[-1].startswith("retrace: ")


def alone(code):
    """What an interpreter of its own says to the code."""
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    words = (sys.executable, "-c", code)
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False)


def test_a_job_that_ctrl_c_reaches_says_one_line():
    code = (
        "import runpy, sys\nfrom retrace.warm import client\n"
        "def interrupted(*_):\n    raise KeyboardInterrupt\n"
        "client.ask = interrupted\nsys.argv = ['job', '{\"kind\": \"judge\"}']\n"
        "runpy.run_module('retrace.job', run_name='__main__')"
    )
    done = alone(code)
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (-signal.SIGINT, ["retrace: stopped"])
    assert "Traceback" not in done.stderr


def test_a_job_that_is_told_to_end_says_one_line():
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom retrace import job, meter\n"
        "from retrace.verbs import dispatch\n"
        "def told(*_):\n    os.kill(os.getpid(), signal.SIGTERM)\n    signal.pause()\n"
        "signal.signal(signal.SIGTERM, meter._raise_exit)\ndispatch.run = told\n"
        "sys.exit(job.main('{}', Path.cwd()))"
    )
    done = alone(code)
    assert (done.returncode, done.stderr.splitlines()) == (128 + signal.SIGTERM, ["retrace: stopped"])
