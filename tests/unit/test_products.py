"""Verdicts, figures and report: keyed by all that goes into them, published under names that people know."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from retrace.claims.load import load_claims
from retrace.config import Config
from retrace.errors import RetraceError
from retrace.planning import products
from retrace.planning.known import Known
from retrace.planning.plan import plan_study
from retrace.planning.workflow import Workflow
from retrace.recipe import canonical
from retrace.sheet import load_study
from retrace.study import Figure

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Config(scale="smoke", studies=["reuse"])
KNOWN = Known(ROOT)


@pytest.fixture(scope="module")
def flow():
    return Workflow.plan(CONFIG, ROOT)


@pytest.fixture
def plan():
    return plan_study(load_study("reuse"), CONFIG, ROOT)


def judged(plan, config=CONFIG):
    return products.judge(plan, "arm", config, ROOT, KNOWN)


def test_specs_are_one_line_of_canonical_json(flow):
    specs = [flow.task_spec(task.key) for plan in flow.plans.values() for task in plan.tasks.values()]
    specs += [flow.product_spec(key) for key in flow._by_key]
    for spec in specs:
        assert canonical(json.loads(spec)) == spec
        assert "\n" not in spec
    assert len(set(specs)) == len(specs)


def test_a_verdict_reads_all_evidence_and_arrays_of_its_rows(plan):
    row = plan.rows[0]
    task = next(iter(row.tasks.values()))
    left = replace(task, stage=replace(task.stage, arrays=True, scratch=True))
    row = replace(row, tasks={**row.tasks, task.stage.verb: left})
    verdict = judged(replace(plan, rows=[row]))
    wanted = {path for one in row.tasks.values() for path in one.lasting}
    assert set(verdict.inputs) == wanted
    assert [path for path in wanted if path.endswith(".npz")] == [left.outputs["arrays"]]
    assert not [path for path in wanted if path.startswith("results/scratch")]


def test_the_key_of_a_verdict_has_all_that_goes_into_it(plan):
    first = judged(plan)
    assert judged(plan).key == first.key
    row = plan.rows[0]
    task = next(iter(row.tasks.values()))
    other_task = replace(task, recipe={**task.recipe, "version": 99})
    changes = [
        replace(row, params={**row.params, "repetitions": 7}),  # a parameter may reach the table alone
        replace(row, tasks={**row.tasks, task.stage.verb: other_task}),
        replace(row, seed=77),
    ]
    keys = {judged(replace(plan, rows=[change, *plan.rows[1:]])).key for change in changes}
    study = replace(plan.study, figures=(*plan.study.figures, Figure("arm", "more", "A caption.")))
    keys.add(judged(replace(plan, study=study)).key)
    keys.add(judged(plan, Config(scale="laptop")).key)
    keys.add(judged(replace(plan, rows=plan.rows[1:])).key)
    assert len(keys | {first.key}) == 7


def test_a_claim_of_another_study_is_refused(plan, tmp_path, monkeypatch):
    claims = load_claims(ROOT / "claims/arm.yaml")
    stolen = claims.claims[0].model_copy(
        update={"evidence": claims.claims[0].evidence.model_copy(update={"study": "membership"})}
    )
    monkeypatch.setattr(products, "load_claims", lambda _: claims.model_copy(update={"claims": [stolen]}))
    with pytest.raises(RetraceError, match=r"claims/arm\.yaml: claim .* study 'membership'; .* 'reuse'"):
        judged(plan)


def test_figures_follow_the_verdict_and_their_study(plan):
    verdict = judged(plan)
    drawn = products.draw(plan, verdict, KNOWN)
    assert verdict.outputs[0] in drawn.inputs
    names = [figure.name for figure in products.figures_of(plan, "arm")]
    assert names[-1] == "claims"
    assert {Path(path).name for path in drawn.outputs} == {f"{n}.{s}" for n in names for s in ("svg", "png")}
    assert all(drawn.key in path for path in drawn.outputs)
    assert (
        products.draw(plan, replace(verdict, recipe={**verdict.recipe, "scale": "x"}), KNOWN).key != drawn.key
    )


def test_the_laptop_scale_owns_the_known_names(plan):
    copies = {}
    for scale in ("laptop", "smoke"):
        verdict = judged(plan)
        made = [verdict, products.draw(plan, verdict, KNOWN)]
        made.append(products.report(made[:1], made[1:], CONFIG, KNOWN))
        copies[scale] = [c for m in made for c in products.publish(m, Config(scale=scale)).job.copies]
    assert "results/verdicts/arm.json" in copies["laptop"]
    assert "figures/arm/claims.svg" in copies["laptop"]
    assert {"results/report.html", "results/verdicts.csv", "figures/verdicts.csv"} <= set(copies["laptop"])
    assert "results/smoke/verdicts/arm.json" in copies["smoke"]
    assert not set(copies["laptop"]) & set(copies["smoke"])


def test_stamps_are_the_product_s(plan):
    verdict = judged(plan)
    other = replace(verdict, recipe={**verdict.recipe, "scale": "x"})
    stamps = {
        products.publish(v, Config(scale=s)).outputs for v in (verdict, other) for s in ("laptop", "smoke")
    }
    assert len(stamps) == 4


def test_unknown_keys_and_targets_are_one_line(flow):
    for call in (flow.task, flow.product):
        with pytest.raises(RetraceError, match="0123456789ab"):
            call("0123456789ab")
    with pytest.raises(RetraceError, match=r"unknown target 'reuse_tran' \(did you mean 'reuse_train'\?\)"):
        flow.targets.check(["reuse", "reuse_tran"])
    flow.targets.check(["all", "arm", "reuse_judge", "results/index.csv", "reuse_train_job"])


def test_a_run_tells_the_verdicts_of_its_targets(flow):
    assert flow.targets.papers([]) == flow.targets.papers(["all"]) == list(flow.judged)
    assert flow.targets.papers(["arm"]) == ["arm"]
    of_study = list(flow.plans["reuse"].study.papers)
    assert flow.targets.papers(["reuse"]) == flow.targets.papers(["reuse_train", "arm"]) == of_study
    assert flow.targets.papers(["reuse_train_job"]) == of_study
    assert flow.targets.papers(["arm_draw_job"]) == ["arm"]
    assert flow.targets.papers(["arm", "results/index.csv"]) == list(flow.judged)


@pytest.mark.parametrize(("name", "near"), [("reuse_train", "reuse_train_job"), ("arm_draw", "arm_draw_job")])
def test_a_run_until_a_name_that_gathers_jobs_is_refused(flow, name, near):
    name = name if name in flow.target_names else "reuse_draw"
    with pytest.raises(RetraceError, match=r"^--until, --omit-from: unknown rule of jobs ") as caught:
        flow.targets.check_until([name], ["arm"])
    assert "did you mean" in str(caught.value)
    flow.targets.check_until([near, "all", "arm", "no_such_rule"], ["arm"])


def test_every_named_target_has_inputs_and_all_has_everything(flow):
    everything = set(flow.targets.files("all", whole=True))
    for name in flow.target_names:
        assert flow.targets.files(name, whole=True)
    stages = [task.evidence for plan in flow.plans.values() for task in plan.tasks.values()]
    assert set(stages) < everything
    stamps = {path for product in flow.published.values() for path in product.outputs}
    assert stamps < everything


def test_a_task_waits_for_one_file_of_each_that_it_needs(plan, flow, tmp_path):
    fresh = replace(flow, root=tmp_path)
    task = plan.of_verb("measure")[0]
    assert any(need.stage.scratch for need in task.needs.values())
    assert fresh.task_inputs(task.key, whole=True) == [need.evidence for need in task.needs.values()]

    leave(tmp_path, [path for need in task.needs.values() for path in need.lasting])
    # what lacks, so that it is made; where nothing does, the job still waits for one that is made again
    wanted = [need.outputs.get("scratch", need.evidence) for need in task.needs.values()]
    assert replace(fresh).task_inputs(task.key, whole=True) == wanted
    assert replace(fresh).task_inputs(task.key, whole=False) == wanted
    leave(tmp_path, task.lasting)
    assert replace(fresh).task_inputs(task.key, whole=False) == []
    assert replace(fresh).task_inputs(task.key, whole=True) == wanted


def leave(root, paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


@pytest.mark.parametrize("target", ["all", "reuse"])
def test_all_that_is_missing_is_asked_for_by_targets_and_by_verdicts(flow, tmp_path, target):
    """Each by itself: a verdict may be there when Snakemake looks, and it looks no further."""
    fresh = replace(flow, root=tmp_path)
    plans = flow.plans.values() if target == "all" else [flow.plans[target]]
    missing = {task.evidence for plan in plans for task in plan.tasks.values()}
    assert missing < set(fresh.targets.files(target, whole=False))
    for verdict in flow.judged.values():
        theirs = fresh.product_inputs(verdict.key, whole=False)
        assert theirs
        assert set(fresh.product_inputs(verdict.key, whole=True)) == set(verdict.inputs)
        assert {path for path in verdict.inputs if path.endswith(".json")} == set(theirs)


@pytest.mark.parametrize("target", ["all", "reuse"])
@pytest.mark.parametrize("published", [False, True])
def test_evidence_that_is_missing_beside_verdicts_is_asked_for(flow, tmp_path, target, published):
    """Of a verdict that is there, or published, Snakemake does not ask what went into it."""
    for product in flow.published.values() if published else flow.judged.values():
        leave(tmp_path, product.outputs)
    leave(tmp_path, flow.judged["arm"].inputs[:1])
    here = replace(flow, root=tmp_path)
    asked = [path for path in here.targets.files(target, whole=False) if path.startswith("evidence/")]
    assert asked
    everything = [path for plan in flow.plans.values() for t in plan.tasks.values() for path in t.lasting]
    assert set(asked) < set(everything)
    verdict = here.judged["arm"]
    inputs = here.product_inputs(verdict.key, whole=False)
    assert (set(inputs) == set(verdict.inputs)) != published
    leave(tmp_path, everything)
    done = replace(here)
    assert not [path for path in done.targets.files(target, whole=False) if path.startswith("evidence/")]
    assert set(everything) < set(done.targets.files(target, whole=True))
    assert published == (done.product_inputs(verdict.key, whole=False) == [])


def test_fewer_seeds_are_published_beside_the_others():
    few = Workflow.plan(Config(scale="laptop", studies=["reuse"], seeds=3), ROOT)
    all_seeds = Workflow.plan(Config(scale="laptop", studies=["reuse"]), ROOT)
    theirs = {copy for product in all_seeds.published.values() for copy in product.job.copies}
    own = {copy for product in few.published.values() for copy in product.job.copies}
    assert {path.split("/")[0] for path in theirs} == {"figures", "results"}
    assert {"/".join(path.split("/")[:2]) for path in own} == {"results/laptop-3-seeds"}
    assert few.report.job.options == ["scale=laptop", "seeds=3"]
    assert {job.scale for job in (few.report.job, few.judged["arm"].job)} == {"laptop-3-seeds"}
    assert few.judged["arm"].key != all_seeds.judged["arm"].key
