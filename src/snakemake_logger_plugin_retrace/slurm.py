"""What Snakemake's Slurm plugin says, in one line or, where it says nothing new, in none."""

from __future__ import annotations

import re

# Said on every run. The account and the status command are told in docs/slurm.md.
CHATTER = re.compile(
    r"SLURM run ID: |Job \d+ has been submitted with SLURM jobid|Cleaning up SLURM log files"
    r"|No SLURM account given|No account was given|Unable to guess SLURM account"
    r"|MinJobAge \d+s.*should work reliably"
)
# How Slurm ended a job, and what to do about it
FATES = {
    "CANCELLED": "was cancelled",
    "TIMEOUT": "ran out of time: give it more `runtime` (minutes; docs/slurm.md)",
    "OUT_OF_MEMORY": "ran out of memory: give it more `mem_mb` (docs/slurm.md)",
    "NODE_FAIL": "lost its node",
    "BOOT_FAIL": "had a node that did not start",
    "FAILED": "failed",
}
ENDED = re.compile(r"SLURM-job '(\w+)' failed.*?SLURM status is: '(\w+)", re.DOTALL)
REFUSED = re.compile(r"SLURM sbatch failed\. The error message was '(.*?)'\.?\n", re.DOTALL)


def reason(message: str) -> str:
    """Why a job failed, by the plugin's message; the first line of one that is not known (maybe empty)."""
    if ended := ENDED.match(message):
        return f"Slurm job {ended[1]} {FATES.get(ended[2], f'ended as {ended[2]}')}"
    if refused := REFUSED.match(message):
        said = [line.removeprefix("sbatch: error: ") for line in refused[1].strip().splitlines()]
        return f"Slurm refused it: {said[-1] if said else 'no reason given'}"
    return message.strip().partition("\n")[0]


def told(text: str) -> str:
    """A message in one line; empty for chatter, itself when it is none of the plugin's."""
    if CHATTER.match(text):
        return ""
    if "A Job preemption" in text:
        return "Slurm preempted a job; it is left in the queue until it may start again"
    return text
