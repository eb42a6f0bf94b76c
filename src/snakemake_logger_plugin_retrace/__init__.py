"""Snakemake logger plugin: one line a finished job with a count and a time to go (`--logger retrace`)."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase

from snakemake_logger_plugin_retrace.slurm import reason, told

LOG_LINES = 15
REASON = 90  # characters of a dry run's reason
# What Snakemake says on every run. All else it says is passed on: better a line too many than a lost one.
CHATTER = (
    "Assuming unrestricted", "Building DAG", "Complete log", "Conda environments", "Elapsed time", "Execute ",
    "Group jobs: inactive", "Host:", "Processed ", "Provided ", "Removing output files of failed",
    "Removing temporary", "Rules claiming more", "Select jobs", "Singularity containers",
    "Some jobs were triggered by provenance", "Touching output file", "Using shell", "Workflow has started",
    "Would remove temporary",
)  # fmt: skip
# Told by the job's own error line and by the closing line.
AGAIN = re.compile(r"Trying to restart job (\d+)\.")
LOCKED = re.compile(r".*Directory cannot be locked\..*?directory:\n(.*?)\n", re.DOTALL)
TOLD = ("RuleException:\nCalledProcessError", "Exiting because", "Shutting down", "WorkflowError:\nAt least")
STOPPED = ("Terminating processes on user request", "Will exit after finishing currently running jobs")
STOPPED_JOB = "retrace: stopped"  # the last line of a job's log after Ctrl-C or SIGTERM


class LogHandler(LogHandlerBase):
    """Prints the plan, one line for each finished or failed job, and Snakemake's own errors in full."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self.stream = sys.stdout if self.common_settings.stdout else sys.stderr
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.todo: Counter[str] = Counter()  # rule -> jobs not yet finished
        self.spent: defaultdict[str, list[float]] = defaultdict(list)  # rule -> seconds of finished jobs
        self.running: dict[int, tuple[str, str, float]] = {}  # job -> rule, name, start
        self.failed: list[str] = []
        self.names: dict[int, str] = {}  # of jobs that failed, which may be tried again
        self.stopped = False
        self.done = self.total = self.cores = 0
        self.begin = time.time()

    def emit(self, record: logging.LogRecord) -> None:
        """Print what this record calls for; an error in here never stops the run."""
        try:
            event = getattr(record, "event", None)
            handle = getattr(self, f"_on_{event}", None)
            text = handle(record) if handle else self._pass_on(record)
            if self.live:
                self.stream.write("\r\033[K")
            if text:
                self.stream.write(text + "\n")
            if self.live and self.done < self.total:
                self.stream.write(self._bar(record.created))
            self.stream.flush()
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Clear the bar and print the closing line."""
        if self.total and not self.common_settings.dryrun:
            stopped = "stopped; " if self.stopped else ""
            text = f"{stopped}{self.done} of {self.total} jobs done in {clock(time.time() - self.begin)}"
            fate = f"; {len(self.failed)} failed: {', '.join(self.failed)}" if self.failed else ""
            self.stream.write(("\r\033[K" if self.live else "") + text + fate + "\n")
            self.stream.flush()
            self.total = 0
        super().close()

    def _on_run_info(self, record: Any) -> str:
        if self.total:
            return ""  # a dry run tells it twice
        self.todo = Counter({rule: n for rule, n in record.stats.items() if rule != "total"})
        self.total, self.begin = sum(self.todo.values()), record.created
        where = f" on {self.cores} cores" if self.cores else " on a cluster"
        end = " would run (dry run)" if self.common_settings.dryrun else where
        rows = [f"{n:6d}  {rule}" for rule, n in self.todo.items()]
        return "\n".join([f"{self.total} jobs{end}", *rows])

    def _on_resources_info(self, record: Any) -> None:
        self.cores = getattr(record, "cores", self.cores)

    def _on_job_info(self, record: Any) -> str:
        rule, values = record.rule_name, getattr(record, "wildcards", None) or {}
        # rules of stages have no message: it would cost Snakemake a seventh of the time of a large plan
        told = [str(value) for wildcard, value in values.items() if wildcard != "key"]
        name = record.rule_msg or " ".join([rule.removesuffix("_job").replace("_", " "), *told])
        self.running[record.jobid] = (rule, name, record.created)
        if not self.common_settings.dryrun:
            return ""
        reason = " ".join(str(getattr(record, "reason", "") or "").split())
        return f"  {name}: {reason[:REASON]}{'...' if len(reason) > REASON else ''}"

    def _on_job_finished(self, record: Any) -> str:
        self.done += 1
        width, share = len(str(self.total)), 100 * self.done // (self.total or 1)
        head = f"[{self.done:{width}d}/{self.total} {share:3d}%]"
        if record.job_id not in self.running:  # --quiet rules keeps the job's name from us
            return f"{head} job {record.job_id}"
        rule, name, start = self.running.pop(record.job_id)
        self.todo[rule] -= 1
        self.spent[rule].append(record.created - start)
        self.failed = [other for other in self.failed if other != name]  # a retry went well
        left = self._eta(record.created)
        return f"{head} {name}   {record.created - start:.1f} s" + (f"   (ETA {left})" if left else "")

    def _on_job_error(self, record: Any) -> str:
        rule, name, _ = self.running.pop(record.jobid, (record.rule_name, record.rule_name, 0.0))
        tails = {path: _tail(path) for path in map(Path, map(str, record.log or []))}
        silent = self.stopped and not any(tails.values())  # told to end before it could say so
        if silent or any(tail[-1:] == [STOPPED_JOB] for tail in tails.values()):
            self.stopped = True
            return ""
        self.names[record.jobid] = name
        if name not in self.failed:
            self.failed.append(name)
        why = reason(str(getattr(record, "rule_msg", None) or ""))
        lines = [f"FAILED {name} (rule {rule}){f': {why}' if why else ''}"]
        for path, tail in tails.items():
            lines += [f"  {path}:" if tail else f"  {path}: no text"] + [f"    {line}" for line in tail]
        if not record.log and record.shellcmd:
            lines.append(f"  the rule has no log; its command: {record.shellcmd.strip()}")
        return "\n".join(lines)

    _on_job_started = _on_group_info = _on_workflow_started = _on_rulegraph = lambda self, record: None
    _on_progress = _on_job_started  # its total counts jobs that --until leaves out

    def _pass_on(self, record: logging.LogRecord) -> str:
        text = str(self.format(record) or "").strip("\n")
        if self.failed and text.startswith("Complete log"):
            return text
        if again := AGAIN.match(text):
            return f"again: {self.names.get(int(again[1]), f'job {again[1]}')}"
        if locked := LOCKED.match(text):
            return (
                f"retrace: {locked[1]} cannot be locked: another run makes the same files there; "
                "wait for it, or, after a hard kill, run snakemake --unlock and start again"
            )
        quiet = CHATTER if record.levelno <= logging.INFO and not self.common_settings.verbose else ()
        self.stopped |= text.startswith(STOPPED)
        known = TOLD if self.failed or self.stopped else TOLD[:1]
        return "" if text == "None" or text.startswith((*quiet, *known)) else told(text)

    def _eta(self, now: float) -> str:
        times = [t for spent in self.spent.values() for t in spent]
        left = +self.todo
        if not times or not left:
            return ""
        mean = {rule: sum(self.spent[rule] or times) / len(self.spent[rule] or times) for rule in left}
        run = [(mean.get(rule, 0.0), now - start) for rule, _, start in self.running.values()]
        work = sum(n * mean[rule] for rule, n in left.items()) - sum(min(pair) for pair in run)
        at_once = (sum(times) + sum(spent for _, spent in run)) / max(now - self.begin, 1e-3)
        return clock(work / max(min(at_once, left.total()), 1e-3))

    def _bar(self, now: float) -> str:
        bar = ("#" * (20 * self.done // (self.total or 1))).ljust(20, "-")
        names = ", ".join(name for _, name, _ in self.running.values())
        line = f"[{bar}] {self.done}/{self.total} ETA {self._eta(now) or '?'} {names}"
        return line[: shutil.get_terminal_size().columns - 1]


def _tail(log: Path) -> list[str]:
    """The last lines of a log; none where there is no such file."""
    return log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.is_file() else []


def clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
