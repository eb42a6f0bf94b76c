"""YAML as the project reads it: plain data, quickly, and a key given twice is an error."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from retrace.errors import RetraceError, did_you_mean

# libyaml's parser takes a tenth of the time; it is absent from some builds of PyYAML
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]
    """A safe loader that refuses a key given twice, where YAML readers silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} given twice; keep one", key.start_mark
                )
            seen.add(str(key.value))
        merged: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return merged


def read_yaml(path: Path, place: str) -> Any:
    """A YAML file's content; RetraceError with `place`, line and problem when it cannot be read."""
    try:
        return yaml.load(path.read_bytes(), Loader=_Loader)
    except FileNotFoundError:
        near = did_you_mean(path.stem, [p.stem for p in path.parent.glob("*.yaml")])
        raise RetraceError(f"{place}: no such file{near}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RetraceError(f"{place}{line}: {problem}") from None
