"""Stages of the safety study run on the tiny model and the harmless policy, for its tests."""

from pathlib import Path

import yaml

from retrace.stage import Evidence, EvidenceRow
from retrace.studies.safety import prepare, train
from retrace.studies.safety.params import Params
from retrace.studies.safety.study import STUDY

ROOT = Path(__file__).resolve().parents[2]
SHEET = yaml.safe_load((ROOT / "config/studies/safety.yaml").read_text())
SMOKE = SHEET["scales"]["smoke"]["cells"]["tiny-policy"]


def cell(**changes):
    """The smoke cell; a mapping among the changes is laid over the cell's own."""
    own = {**SHEET["base"], **SMOKE}
    return {
        **own,
        **{
            name: {**own[name], **new} if isinstance(own.get(name), dict) and name != "freezes" else new
            for name, new in changes.items()
        },
    }


def params_of(chosen):
    """All parameters of a cell, as a stage would see them if it used all."""
    return Params.model_validate(chosen)


def evidence(output):
    """What a stage left, as later stages see it."""
    return Evidence(
        output.results,
        output.timing,
        read_arrays=lambda: output.arrays,
        read_scratch=lambda: output.scratch,
    )


def run(verb, module, chosen, inputs, seed=0):
    """One stage with the parameters and needs that it declared."""
    params = params_of(chosen)
    stage = STUDY.stage(verb)
    uses = stage.params.model_validate(params.model_dump(mode="json", include=set(stage.uses)))
    return evidence(module.run(uses, {name: inputs[name] for name in STUDY.stage(verb).needs}, seed))


def trained(chosen, seed=0, **later):
    """Evidence of prepare, train and the stages given as `verb=module`."""
    inputs = {}
    for verb, module in {"prepare": prepare, "train": train, **later}.items():
        inputs[verb] = run(verb, module, chosen, inputs, seed)
    return EvidenceRow("tiny-policy", seed, params_of(chosen), inputs)
