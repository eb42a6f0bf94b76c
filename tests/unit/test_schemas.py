"""Editors complete and check sheets, claims and the configuration: each file names a schema and fits it."""

from __future__ import annotations

from pathlib import Path

import editor_schemas
import jsonschema
import pytest
import yaml

from retrace.sheet import known_studies, params_model

ROOT = Path(__file__).resolve().parents[2]
SHEETS = {name: ROOT / f"config/studies/{name}.yaml" for name in known_studies()}
SCHEMAS = {
    ROOT / "config/config.yaml": "config.json",
    **{path: f"sheet-{name}.json" for name, path in SHEETS.items()},
    **dict.fromkeys(sorted((ROOT / "claims").glob("*.yaml")), "claims.json"),
}


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_file_names_its_schema_and_fits_it(path):
    schema = editor_schemas.named(path).resolve()
    assert schema == ROOT / "config/schemas" / SCHEMAS[path]
    assert schema.is_file()
    editor_schemas.check(path)


def test_no_file_is_forgotten():
    listed = {*(ROOT / "config").rglob("*.yaml"), *(ROOT / "claims").rglob("*.yaml")}
    assert listed == set(SCHEMAS)


@pytest.mark.parametrize("study", SHEETS)
def test_a_sheet_s_schema_knows_the_parameters_wherever_they_stand(study):
    def sheet():
        return yaml.safe_load(SHEETS[study].read_text(encoding="utf-8"))

    def places(content):
        smoke = content["scales"]["smoke"]
        return [
            content.setdefault("base", {}),
            smoke.setdefault("base", {}),
            next(iter(smoke["cells"].values())),
        ]

    name = next(iter(params_model(study).model_fields))
    for index in range(3):
        for key, value in ((f"{name}x", 1), (name, {"no": "such"})):  # misspelt; of another type
            content = sheet()
            places(content)[index][key] = value
            with pytest.raises(jsonschema.ValidationError):
                editor_schemas.check(SHEETS[study], content)
    with pytest.raises(jsonschema.ValidationError):
        editor_schemas.check(SHEETS[study], {**sheet(), "study": "other"})
