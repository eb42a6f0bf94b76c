"""What an editor makes of a YAML file's first line: the schema it names, and whether the file fits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry

from retrace.yamls import read_yaml

LINE = re.compile(r"# yaml-language-server: \$schema=(\S+)\n")


def named(path: Path) -> Path:
    """The schema that the first line of a file names."""
    line = LINE.match(path.read_text(encoding="utf-8"))
    assert line, f"{path}: its first line names no schema"
    return path.parent / line[1]


def check(path: Path, content: Any = None) -> None:
    """Raise jsonschema.ValidationError when the file (or `content` in its place) does not fit its schema."""
    place = named(path)
    schemas = {p.name: json.loads(p.read_bytes()) for p in place.parent.glob("*.json")}
    others = Registry().with_contents(schemas.items())
    jsonschema.Draft202012Validator.check_schema(schemas[place.name])
    content = read_yaml(path, str(path)) if content is None else content
    jsonschema.Draft202012Validator(schemas[place.name], registry=others).validate(content)
