"""A study's stages run in memory on one cell, as the workflow would run them, for the tests of studies."""

import importlib
from pathlib import Path

import numpy as np
import yaml
from sklearn.datasets import load_digits

from retrace.sheet import load_study, params_model
from retrace.stage import Evidence, EvidenceRow

ROOT = Path(__file__).resolve().parents[2]


def sheet(study):
    """A study's sheet as it is written."""
    return yaml.safe_load((ROOT / f"config/studies/{study}.yaml").read_text())


def digits():
    """The data set `digits` in the catalogue's form."""
    bunch = load_digits()
    x = np.rint(bunch.images * 255 / 16).astype(np.uint8)[..., None]
    return Evidence({"classes": 10}, read_arrays=lambda: {"x": x, "y": bunch.target.astype(np.int64)})


def params_of(study, chosen):
    """All parameters of a cell."""
    return params_model(study).model_validate(chosen)


def run(study, verb, chosen, inputs, seed=0, meter=None):
    """What one stage leaves that is given the parameters, needs and data sets it declared, and no more."""
    stage, params = load_study(study).stage(verb), params_of(study, chosen)
    uses = stage.params.model_validate(params.model_dump(mode="json", include=set(stage.uses)))
    reads = [name for name in stage.reads if getattr(params, name)]
    needs = {name: inputs[name] for name in (*stage.needs, *reads)}
    output = importlib.import_module(f"retrace.studies.{study}.{verb}").run(uses, needs, seed)
    return Evidence(output.results, output.timing, lambda: output.arrays, lambda: output.scratch, meter or {})


def row(study, name, chosen, seed=0, data=None, verbs=None, meter=None):
    """The cell's evidence of these verbs (all stages unless said); `data` stands for its data set."""
    inputs = {"dataset": data} if data else {}
    for verb in verbs or [stage.verb for stage in load_study(study).stages]:
        inputs[verb] = run(study, verb, chosen, inputs, seed, meter)
    return EvidenceRow(name, seed, params_of(study, chosen), inputs)
