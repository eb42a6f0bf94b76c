"""What is asked of a Slurm cluster before jobs are sent to it; its commands are played by scripts."""

import pytest

from retrace.errors import RetraceError
from retrace.planning import slurm


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Put a command on the path that prints a text and ends with a status."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no Slurm of this machine

    def put(name, text="", status=0, said=""):
        (tmp_path / f"{name}.txt").write_text(text)
        (tmp_path / name).write_text(
            f"#!/bin/sh\n/bin/cat {tmp_path}/{name}.txt\necho '{said}' >&2\nexit {status}\n"
        )
        (tmp_path / name).chmod(0o755)

    return put


CONFIG = """Configuration data as of 2026-11-27T09:40:13
AccountingStorageType   = accounting_storage/{kind}
AccountingStorageTRES   = cpu,mem,energy
MinJobAge               = {age} sec
SLURM_CONF              = /etc/slurm/slurm.conf
"""


@pytest.mark.parametrize(
    ("kind", "asked", "chosen"),
    [("none", "sacct", "squeue"), ("slurmdbd", "sacct", "sacct"), ("slurmdbd", "squeue", "squeue")],
)
def test_without_accounting_squeue_is_asked(play, kind, asked, chosen):
    play("scontrol", CONFIG.format(kind=kind, age=300))
    assert slurm.status_command(slurm.settings(), asked) == chosen


def test_jobs_that_are_forgotten_too_soon_are_refused_only_where_nothing_else_remembers(play):
    play("scontrol", CONFIG.format(kind="none", age=100))
    with pytest.raises(RetraceError, match=r"forgets a job 100 s after its end \(MinJobAge") as caught:
        slurm.status_command(slurm.settings(), "sacct")
    assert "\n" not in str(caught.value)
    play("scontrol", CONFIG.format(kind="slurmdbd", age=100))
    assert slurm.status_command(slurm.settings(), "sacct") == "sacct"


def test_an_unknown_partition_is_named_with_the_nearest(play):
    play("sinfo", "main\nlong\n")
    slurm.check_partitions(["main", "long,main"])
    with pytest.raises(
        RetraceError,
        match=r"no partition 'mian'.*did you mean 'main'.*; set slurm_partition=NAME in the profile",
    ):
        slurm.check_partitions(["long,mian"])


def test_no_slurm_and_a_slurm_that_is_down_are_one_line_each(play):
    with pytest.raises(RetraceError, match="no command scontrol here"):
        slurm.settings()
    play("scontrol", status=1, said="slurm_load_ctl_conf error: Unable to contact slurm controller")
    with pytest.raises(RetraceError, match=r"Slurm does not answer: .*Unable to contact") as caught:
        slurm.settings()
    assert "\n" not in str(caught.value)


def test_jobs_of_a_killed_run_are_found_by_folder_and_key(play, tmp_path):
    here = [
        f"7|{tmp_path}|rule_memory_train_job_wildcards_copy_s0_0123456789ab",
        f"8|{tmp_path}|(null)",
        "9|/elsewhere|rule_memory_train_job_wildcards_copy_s1_ba9876543210",
    ]
    play("squeue", "\n".join(here))
    slurm.refuse_others(tmp_path, ["ba9876543210"])
    with pytest.raises(RetraceError, match=r"1 of another run's jobs.*scancel 7$"):
        slurm.refuse_others(tmp_path, ["ba9876543210", "0123456789ab"])
