"""A cluster's jobs do not plan the run again: they find what was planned of them."""

import json
import sys

import pytest
from dag_clone import SMOKE

# what `onstart` does in a run whose jobs start elsewhere
LEAVE = """
import sys
from pathlib import Path
from retrace.config import load_config
from retrace.planning.orders import leave_orders
from retrace.planning.workflow import Workflow
import yaml
config = yaml.safe_load(Path("config/config.yaml").read_text())
config |= {"scale": "smoke", "studies": ["dummy"]}
flow = Workflow.plan(load_config(config), Path.cwd())
tasks = [task for plan in flow.plans.values() for task in plan.tasks.values()]
leave_orders(flow, [task.key for task in tasks], config, True)
task = next(task for task in tasks if task.stage.verb == "prepare")
print(task.group, "all" if task.seed is None else f"s{task.seed}", task.key)
"""
# what the orders of a run on other storage say that a storage provider has to bring
STORED = (
    LEAVE.rsplit("leave_orders", 1)[0]
    + """
from retrace.planning.orders import Orders
leave_orders(flow, [task.key for task in tasks], config, False, stored=True)
for task in tasks:
    brought = Orders.read([task.key], config, Path.cwd()).all_inputs(task.key)
    assert set(brought) == {path for need in task.needs.values() for path in need.outputs.values()}
print(sum(path.endswith(".safetensors") for task in tasks for path in flow.all_inputs(task.key)))
"""
)


@pytest.fixture
def ordered(source, tmp_path):
    """A clone whose tasks have orders but whose sheet is gone, so that it cannot be planned; a first job."""
    clone = source.copy(tmp_path / "clone")
    done = clone.call(sys.executable, "-c", LEAVE)
    assert done.returncode == 0, done.stderr
    (sheet,) = clone.files("config/**/dummy*.yaml")
    sheet.unlink()
    return clone, done.stdout.split()


def start_job(clone, first, config=SMOKE):
    """As Slurm starts it; only what matters of its many words."""
    group, seed, key = first
    rule = "dummy_prepare_job"
    words = [
        "--target-jobs",
        f"{rule}:group={group},seed={seed},key={key}",
        "--allowed-rules",
        rule,
        "--force",
    ]
    return clone.snakemake(*words, "--mode", "remote", "--no-hooks", "--nolock", config=config)


def test_a_job_needs_no_plan(ordered):
    clone, first = ordered
    done = start_job(clone, first)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(clone.files(f"evidence/**/prepare-{first[2]}.json")) == 1


def test_orders_of_another_configuration_are_not_taken(ordered):
    clone, first = ordered
    done = start_job(clone, first, config=(*SMOKE, "device=cpu"))
    assert done.returncode != 0
    assert "dummy" in done.stdout + done.stderr  # it planned, and found no sheet
    assert not clone.files("evidence/**/*.json")


def test_a_damaged_order_is_not_taken(ordered):
    clone, first = ordered
    path = clone.root / ".snakemake/orders" / first[2]
    for text in ("{", json.dumps({**json.loads(path.read_text()), "more": 1})):
        path.write_text(text)
        assert start_job(clone, first).returncode != 0
    assert not clone.files("evidence/**/*.json")


def test_storage_is_told_of_every_file_that_a_job_reads(finished):
    done = finished.call(sys.executable, "-c", STORED)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0  # scratch, too, though all that is asked for here is there
