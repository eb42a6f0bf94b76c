"""What must hold of a Slurm cluster before jobs are sent to it, asked of its own commands."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from retrace.errors import RetraceError, did_you_mean

LONGEST_WAIT = 180  # seconds between two questions of the plugin about its jobs, at most
PATIENCE = 30  # seconds that a command of Slurm may take


def settings() -> dict[str, str]:
    """The cluster's configuration by name, as `scontrol show config` prints it.

    Raises RetraceError when there is no Slurm here or its controller does not answer.
    """
    lines = [line.partition("=") for line in _ask("scontrol", "show", "config").splitlines()]
    return {name.strip(): value.strip() for name, sign, value in lines if sign}


def status_command(cluster: Mapping[str, str], asked: str) -> str:
    """The command that tells when a job has ended: `asked` (sacct, squeue), but squeue without accounting.

    Without accounting sacct knows of no job, and a run that asks it waits for ever. squeue forgets a job a
    while after its end (MinJobAge); raises RetraceError where that may be before the end is noticed.
    """
    if not cluster.get("AccountingStorageType", "").endswith("/none"):
        return asked
    kept = cluster.get("MinJobAge", "").split()[:1]
    if kept and kept[0].isdigit() and int(kept[0]) <= LONGEST_WAIT:
        raise RetraceError(
            f"this Slurm keeps no accounting and forgets a job {kept[0]} s after its end (MinJobAge in "
            f"slurm.conf), so that the end may pass unnoticed; it must be more than {LONGEST_WAIT}"
        )
    return "squeue"


def check_partitions(asked: Iterable[str]) -> None:
    """Raise RetraceError for a partition that the cluster does not have; `a,b` names two."""
    known = _ask("sinfo", "--noheader", "--format=%R").split()
    for name in sorted({part.strip() for names in asked for part in names.split(",")}):
        if name not in known:
            raise RetraceError(
                f"Slurm has no partition {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}; "
                "set slurm_partition=NAME in the profile's default-resources"
            )


def refuse_others(root: Path, keys: Iterable[str]) -> None:
    """Raise RetraceError when Slurm jobs of another run still make something of these keys in this folder.

    After its submitter was killed a job goes on, while Snakemake's lock is gone once it was taken off. The
    plugin names a job's wildcards, of which the key is the last, in its comment.
    """
    wanted = set(keys)
    listed = [line.split("|") for line in _ask("squeue", "--noheader", "--format=%i|%Z|%k").splitlines()]
    others = [
        number
        for number, folder, comment in (line for line in listed if len(line) == 3)
        if folder == str(root) and comment.rpartition("_")[2] in wanted
    ]
    if others:
        raise RetraceError(
            f"Slurm still has {len(others)} of another run's jobs that make here what this one would; "
            f"wait for them (squeue), or end them: scancel {' '.join(others)}"
        )


def _ask(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except FileNotFoundError:
        raise RetraceError(f"no command {words[0]} here: run this on a node that submits to Slurm") from None
    except subprocess.TimeoutExpired:
        raise RetraceError(
            f"Slurm does not answer ({words[0]}, {PATIENCE} s): is its controller up?"
        ) from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or [f"status {error.returncode}"])[-1]
        raise RetraceError(f"Slurm does not answer: {said}") from None
    return done.stdout
