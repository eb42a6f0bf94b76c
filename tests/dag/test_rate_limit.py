"""Snakemake's default limit of jobs a second, whose timers pile up, is lifted; one asked for stays."""

import pytest


@pytest.mark.parametrize(("asked", "lifted"), [((), True), (("--max-jobs-per-timespan", "7/1s"), False)])
def test_the_default_rate_limit_is_lifted_in_local_runs(source, tmp_path, asked, lifted):
    clone = source.copy(tmp_path / "clone")
    call = "    lift_default_rate_limit(workflow)\n"
    clone.edit("Snakefile", call, f"{call}    print('limiter', workflow.scheduler.job_rate_limiter)\n")
    done = clone.snakemake("dummy_prepare", *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("limiter None" in done.stdout + done.stderr) is lifted
    assert "limiter" in done.stdout + done.stderr
