"""What a stage really imports lies inside the closure that its key is made of."""

from __future__ import annotations

import json
import sys

import pytest

# the planning process knows far more modules than a job; the second one knows what a job knows
SPECS = """
import json, sys
from pathlib import Path
from retrace.config import Config
from retrace.planning.workflow import Workflow
flow = Workflow.plan(Config(scale="smoke", studies=[sys.argv[1]]), Path.cwd())
tasks = [task for plan in flow.plans.values() for task in plan.rows[0].tasks.values()]
print(json.dumps([flow.task_spec(task.key) for task in tasks]))
"""
RUN = """
import json, os, sys
from pathlib import Path
import retrace.verbs.dispatch
import retrace.verbs.stage
import retrace.data.external, retrace.data.rehearsed  # on the stage's behalf
from retrace import job
from retrace.recipe import closure
for spec in json.load(sys.stdin):
    child = os.fork()
    if not child:
        before = set(sys.modules)
        code = job.main(spec, Path.cwd())
        module = json.loads(spec)["recipe"]["module"]
        new = {name for name in set(sys.modules) - before if name.split(".")[0] == "retrace"}
        declared = closure(module.rpartition(".")[0] + ".study")  # read for the type of its parameters
        outside = sorted(new - {*closure(module), *declared})
        print(json.dumps([module, module in new, outside]), flush=True)
        os._exit(code)
    status = os.waitpid(child, 0)[1]
    if status:
        sys.exit(1)
"""


@pytest.mark.parametrize("study", ["dummy", pytest.param("reuse", marks=pytest.mark.slow)])
def test_a_stage_imports_nothing_outside_its_closure(source, tmp_path, study):
    clone = source.copy(tmp_path / "clone")
    specs = clone.call(sys.executable, "-c", SPECS, study)
    assert specs.returncode == 0, specs.stderr
    (tmp_path / "clone" / "specs.json").write_text(specs.stdout)
    done = clone.call("sh", "-c", f'{sys.executable} -c "$RUN" < specs.json', RUN=RUN)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(said) == len(json.loads(specs.stdout))
    for module, loaded, outside in said:
        assert loaded, f"{module} was there before the job"
        assert outside == [], f"{module} imported {outside}, which its key does not know"
