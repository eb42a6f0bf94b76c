"""What is published is what the default run asks for: in a fresh clone `dvc pull` leaves nothing to train."""

import json

import yaml
from dag_clone import REPOSITORY

from retrace.config import Config
from retrace.planning.workflow import Workflow


def published():
    """Paths that `evidence.dvc` lists, out of the repository's own remote."""
    md5 = yaml.safe_load((REPOSITORY / "evidence.dvc").read_text())["outs"][0]["md5"]
    listing = REPOSITORY / "dvcstore" / "files" / "md5" / md5[:2] / md5[2:]
    return {f"evidence/{entry['relpath']}" for entry in json.loads(listing.read_bytes())}


def test_every_task_of_the_laptop_scale_has_published_evidence():
    plans = Workflow.plan(Config(), REPOSITORY).plans.values()
    wanted = {path for plan in plans for task in plan.tasks.values() for path in task.lasting}
    lacking = sorted(wanted - published())
    assert wanted
    assert not lacking, f"{len(lacking)} missing, first {lacking[0]}: run snakemake, then retrace publish"
