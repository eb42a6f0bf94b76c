"""The progress lines of `snakemake --logger retrace`."""

import io
import logging
import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

import snakemake_logger_plugin_retrace as plugin

SRC = Path(plugin.__file__).parents[1]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def make(monkeypatch, stream=None, **settings):
    stream = stream or io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    known = {"stdout": False, "dryrun": False, "verbose": False, "quiet": set(), **settings}
    return plugin.LogHandler(types.SimpleNamespace(**known), None), stream


def send(handler, event=None, at=0.0, level=logging.INFO, msg=None, **fields):
    record = logging.LogRecord("snakemake", level, __file__, 1, msg, (), None)
    record.__dict__.update(fields, created=at, **({"event": event} if event else {}))
    handler.emit(record)


def start(handler, job, rule="train", name=None, at=0.0, **fields):
    send(handler, "job_info", at, jobid=job, rule_name=rule, rule_msg=name, wildcards={}, **fields)


def test_banner_lines_and_closing(monkeypatch):
    handler, stream = make(monkeypatch)
    send(handler, "resources_info", cores=2)
    send(handler, "run_info", stats={"train": 2, "all": 1, "total": 3}, msg="Job stats ...")
    start(handler, 7, name="reuse train fashion-cnn s1")
    send(handler, "job_finished", 11.25, job_id=7)
    send(handler, "progress", 11.25, done=1, total=3)
    assert stream.getvalue().splitlines() == [
        "3 jobs on 2 cores",
        "     2  train",
        "     1  all",
        "[1/3  33%] reuse train fashion-cnn s1   11.2 s   (ETA 0:22)",
    ]
    handler.close()
    assert stream.getvalue().splitlines()[-1].startswith("1 of 3 jobs done in ")


def test_name_without_a_message(monkeypatch):
    handler, stream = make(monkeypatch)
    send(handler, "run_info", stats={"toy_train_job": 1, "total": 1})
    send(
        handler,
        "job_info",
        0.0,
        jobid=1,
        rule_name="toy_train_job",
        rule_msg=None,
        wildcards={"group": "c1", "seed": "s3", "key": "0123456789ab"},
    )
    send(handler, "job_finished", 1.0, job_id=1)
    assert stream.getvalue().splitlines()[-1] == "[1/1 100%] toy train c1 s3   1.0 s"


def test_eta_uses_the_mean_of_each_rule_and_the_real_parallelism(monkeypatch):
    handler, _ = make(monkeypatch)
    send(handler, "run_info", stats={"slow": 3, "fast": 11, "total": 14})
    for job in (1, 2):  # two at once, 100 s each
        start(handler, job, "slow")
    for job in (1, 2):
        send(handler, "job_finished", 100.0, job_id=job)
    start(handler, 3, "fast", at=100.0)
    send(handler, "job_finished", 110.0, job_id=3)
    # left: 1 slow and 10 fast = 200 s of work; so far 210 s of work in 110 s
    assert handler._eta(110.0) == plugin.clock(200 / (210 / 110))
    start(handler, 4, "slow", at=110.0)  # half an hour into a job of 100 s: only its 100 s are taken off
    assert handler._eta(2000.0) == plugin.clock(100 / ((210 + 1890) / 2000))


def test_failed_job_shows_the_end_of_its_log(monkeypatch, tmp_path):
    log = tmp_path / "job.log"
    log.write_text("\n".join(f"line {i}" for i in range(40)))
    handler, stream = make(monkeypatch)
    send(handler, "run_info", stats={"train": 2, "total": 2})
    start(handler, 1, name="reuse train x s1")
    told = 'RuleException:\nCalledProcessError in file "Snakefile", line 4:\nCommand ... returned 1'
    send(handler, "error", level=logging.ERROR, exception="RuleException", msg=told)
    send(handler, "job_error", 1.0, logging.ERROR, jobid=1, rule_name="train", log=[str(log)], shellcmd="x")
    send(
        handler,
        "error",
        level=logging.ERROR,
        msg="WorkflowError:\nAt least one job did not complete successfully.",
    )
    send(handler, msg="Complete log(s): /x/y.log")
    handler.close()
    text = stream.getvalue()
    assert "FAILED reuse train x s1 (rule train)" in text
    assert "line 39" in text
    assert "line 25" in text
    assert "line 24" not in text
    assert "CalledProcessError" not in text
    assert "At least one job" not in text
    assert "Complete log(s): /x/y.log" in text
    assert text.splitlines()[-1].endswith("1 failed: reuse train x s1")


def test_retry_that_succeeds_is_no_failure(monkeypatch):
    handler, stream = make(monkeypatch)
    send(handler, "run_info", stats={"a": 1, "total": 1})
    start(handler, 1, "a")
    send(handler, "job_error", 1.0, logging.ERROR, jobid=1, rule_name="a", log=[], shellcmd="false")
    start(handler, 1, "a", at=1.0)
    send(handler, "job_finished", 2.0, job_id=1)
    handler.close()
    assert "its command: false" in stream.getvalue()
    assert "failed" not in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "MissingInputException in rule x ...",
        "WorkflowError:\nAt least one job died",
        "LockException:\nError: Directory cannot be locked.",
        "RuleException:\nother",
    ],
)
def test_errors_of_snakemake_are_shown_in_full(monkeypatch, text):
    handler, stream = make(monkeypatch)
    send(handler, "error", level=logging.ERROR, exception="X", msg=text + "\n  detail")
    assert stream.getvalue() == text + "\n  detail\n"


def test_chatter_is_dropped_and_the_rest_kept(monkeypatch):
    handler, stream = make(monkeypatch)
    for text in (
        "Building DAG of jobs...",
        "Using shell: /bin/bash",
        "Complete log(s): x",
        "Nothing to be done",
    ):
        send(handler, msg=text)
    send(handler, level=logging.WARNING, msg="Building on sand")
    send(handler, "progress", done=0, total=0)
    send(handler, "workflow_started", msg="Workflow has started!")
    assert stream.getvalue().splitlines() == ["Nothing to be done", "Building on sand"]


def test_dry_run_prints_the_table_once(monkeypatch):
    handler, stream = make(monkeypatch, dryrun=True)
    for _ in range(2):
        send(handler, "run_info", stats={"a": 4, "total": 4})
    start(handler, 1, "a")
    send(handler, msg="Reasons:\n    code changed: a")
    handler.close()
    assert stream.getvalue().splitlines() == [
        "4 jobs would run (dry run)", "     4  a", "  a: ", "Reasons:", "    code changed: a"
    ]  # fmt: skip


def test_unknown_job_and_broken_record_do_no_harm(monkeypatch):
    handler, stream = make(monkeypatch)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    send(handler, "job_finished", job_id=3)  # its job_info was filtered by --quiet rules
    send(handler, "job_finished")
    send(handler, msg="still here")
    assert stream.getvalue().splitlines() == ["[1/0 100%] job 3", "still here"]


def test_bar_only_on_a_terminal(monkeypatch):
    handler, stream = make(monkeypatch, Terminal())
    send(handler, "run_info", stats={"a": 2, "total": 2})
    start(handler, 1, "a", name="first")
    send(handler, "job_finished", 60.0, job_id=1)
    handler.close()
    assert "\r\033[K[##########----------] 1/2 ETA 1:00" in "\r\033[K" + stream.getvalue().split("\n")[-2]
    assert stream.getvalue().split("\r\033[K")[-1].startswith("1 of 2 jobs")
    plain, text = make(monkeypatch)
    send(plain, "run_info", stats={"a": 2, "total": 2})
    assert "\r" not in text.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0:00"), (59.6, "1:00"), (200, "3:20"), (3725, "1:02:05")]
)
def test_clock(seconds, text):
    assert plugin.clock(seconds) == text


def test_in_snakemake(tmp_path):
    (tmp_path / "Snakefile").write_text(
        textwrap.dedent("""
        rule all:
            input: "a1", "a2"
        rule a:
            output: "a{i}"
            log: "logs/{i}.log"
            message: "toy a s{wildcards.i}"
            shell: "echo why > {log}; [ {wildcards.i} = 1 ] && touch {output}"
        """)
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "-k", "--logger", "retrace"]
    env = os.environ | {"PYTHONPATH": str(SRC)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert done.returncode == 1, done.stderr
    assert lines[0] == "3 jobs on 1 cores"
    assert sum(line.startswith("[1/3  33%] toy a s1   ") for line in lines) == 1
    at = lines.index("FAILED toy a s2 (rule a)")
    assert lines[at + 1 : at + 3] == ["  logs/2.log:", "    why"]
    assert lines[-1].endswith("1 failed: toy a s2")
    assert len(lines) <= 10, done.stderr


CANCELLED = (
    "SLURM-job '12' failed, SLURM status is: 'CANCELLED'. Detailed failure reason unavailable "
    "(status command is not 'sacct').For further error details see the cluster/cloud log and the log files"
)
REFUSED = (
    "SLURM sbatch failed. The error message was 'sbatch: error: invalid partition specified: x\n"
    "sbatch: error: Batch job submission failed: Invalid partition name'.\n"
    "    sbatch call:\n        sbatch --parsable ...\n"
)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (CANCELLED, "FAILED a (rule a): Slurm job 12 was cancelled"),
        (
            CANCELLED.replace("CANCELLED'", "CANCELLED by 1000'"),
            "FAILED a (rule a): Slurm job 12 was cancelled",
        ),
        (CANCELLED.replace("CANCELLED", "DEADLINE"), "FAILED a (rule a): Slurm job 12 ended as DEADLINE"),
        (
            REFUSED,
            "FAILED a (rule a): Slurm refused it: Batch job submission failed: Invalid partition name",
        ),
        (
            "Job submission failed with exception: x\nmore",
            "FAILED a (rule a): Job submission failed with exception: x",
        ),
        (None, "FAILED a (rule a)"),
    ],
)
def test_why_slurm_ended_a_job_is_one_line(monkeypatch, message, line):
    handler, stream = make(monkeypatch)
    start(handler, 3, "a")
    send(handler, "job_error", jobid=3, rule_name="a", rule_msg=message, log=[], shellcmd="")
    assert stream.getvalue().splitlines() == [line]


def test_a_job_that_is_tried_again_is_named_and_counted_once(monkeypatch):
    handler, stream = make(monkeypatch)
    send(handler, "run_info", stats={"a": 1, "total": 1})
    for _ in range(2):
        start(handler, 3, "a", name="a s0")
        send(handler, "job_error", jobid=3, rule_name="a", rule_msg=CANCELLED, log=[], shellcmd="")
        send(handler, msg="Trying to restart job 3.")
    assert stream.getvalue().splitlines()[-1] == "again: a s0"
    handler.close()
    assert stream.getvalue().splitlines()[-1].endswith("1 failed: a s0")


def test_chatter_of_slurm_is_left_out_and_its_news_told(monkeypatch):
    handler, stream = make(monkeypatch)
    send(handler, msg="SLURM run ID: 4986aed6")
    send(handler, msg="Job 6 has been submitted with SLURM jobid 1 (log: x).")
    send(handler, msg="Job dc3e3e9b-3f76-55b7 has been submitted with SLURM jobid 2 (log: x).")
    send(handler, level=logging.WARNING, msg="No SLURM account given, trying to guess.")
    send(handler, level=logging.WARNING, msg="Guessed SLURM account: chem")
    send(
        handler,
        level=logging.WARNING,
        msg="\n===== A Job preemption  occured! =====\nLeave Snakemake running",
    )
    assert stream.getvalue().splitlines() == [
        "Guessed SLURM account: chem",
        "Slurm preempted a job; it is left in the queue until it may start again",
    ]


def test_the_lock_of_another_run_is_one_line(tmp_path):
    (tmp_path / "Snakefile").write_text('rule a:\n    output: "b"\n    shell: "touch {output}"\n')
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.output.lock").write_text("b\n")
    words = [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "retrace"]
    env = os.environ | {"PYTHONPATH": str(SRC)}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "lock" in line]
    assert line.startswith(f"retrace: {tmp_path} cannot be locked: another run")
    assert line.endswith("run snakemake --unlock and start again")


def test_the_count_is_that_of_the_jobs_that_run(monkeypatch):
    """With --until, Snakemake's own total counts the jobs that are left out."""
    handler, stream = make(monkeypatch)
    send(handler, "run_info", stats={"a": 2, "total": 2})
    for job in (1, 2):
        start(handler, job, "a", name=f"job {job}")
        send(handler, "job_finished", 1.0, job_id=job)
        send(handler, "progress", 1.0, done=job, total=22)
    handler.close()
    assert "[2/2 100%] job 2" in stream.getvalue()
    assert stream.getvalue().splitlines()[-1].startswith("2 of 2 jobs done in ")


@pytest.mark.parametrize(
    ("said_first", "text"),
    [(True, "a warning\nretrace: stopped\n"), (False, "a warning\nretrace: stopped\n"), (True, "")],
)
def test_jobs_that_ctrl_c_stopped_are_not_failed(monkeypatch, tmp_path, said_first, text):
    log = tmp_path / "job.log"
    log.write_text(text)
    handler, stream = make(monkeypatch)
    send(handler, "run_info", stats={"a": 3, "total": 3})
    start(handler, 1, "a")
    send(handler, "job_finished", 1.0, job_id=1)
    start(handler, 2, "a")
    said = {"msg": "Terminating processes on user request, this might take some time."}
    ended = {"jobid": 2, "rule_name": "a", "log": [str(log)], "shellcmd": "x"}
    for event in ("said", "ended") if said_first else ("ended", "said"):
        if event == "said":
            send(handler, **said)
        else:
            send(handler, "job_error", 2.0, logging.ERROR, **ended)
    send(handler, "error", level=logging.ERROR, msg="WorkflowError:\nAt least one job did not complete.")
    handler.close()
    text = stream.getvalue()
    assert "FAILED" not in text
    assert "At least one job" not in text
    assert text.splitlines()[-1].startswith("stopped; 1 of 3 jobs done in ")
    assert "failed" not in text


def test_a_run_that_is_told_to_end_has_no_failed_job(monkeypatch):
    handler, stream = make(monkeypatch)
    send(handler, "run_info", stats={"a": 3, "total": 3})
    send(handler, msg="Will exit after finishing currently running jobs (scheduler).")
    send(handler, "error", level=logging.ERROR, msg="WorkflowError:\nAt least one job did not complete.")
    handler.close()
    assert "At least one job" not in stream.getvalue()
    assert stream.getvalue().splitlines()[-1].startswith("stopped; 0 of 3 jobs done in ")


def test_a_dumb_terminal_gets_no_bar(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    handler, stream = make(monkeypatch, Terminal())
    send(handler, "run_info", stats={"a": 2, "total": 2})
    assert "\r" not in stream.getvalue()
