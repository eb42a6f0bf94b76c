"""YAML as the project reads it: plain data, quickly, and nothing that a reader would not expect.

A key given twice is an error. Of YAML 1.1's surprises none is left: yes, no, on and off are words, 012 is 12,
1:30 and 2026-01-31 are texts. A plain text that a `#` cuts short is refused.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, ClassVar

import yaml

from retrace.errors import RetraceError, did_you_mean

# libyaml's parser takes a tenth of the time; it is absent from some builds of PyYAML
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_OURS = {
    f"{_TAG}bool": (re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    f"{_TAG}int": (re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), "-+0123456789"),
}
_LEFT_OUT = (*_OURS, f"{_TAG}timestamp")
_CUT = re.compile(r"\s+(#\S.*)")


class _Loader(_Safe):  # type: ignore[misc]
    """A safe loader with the rules above; `lines` is the text that it reads."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [rule for rule in rules if rule[0] not in _LEFT_OUT]
        for first, rules in _Safe.yaml_implicit_resolvers.items()
    }

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.lines = data.decode("utf-8-sig", "replace").splitlines()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen and key.tag != f"{_TAG}merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} given twice; keep one", key.start_mark
                )
            seen.add(str(key.value))
        merged: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return merged

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        mark = node.end_mark
        line = self.lines[mark.line] if not node.style and mark.line < len(self.lines) else ""
        if cut := _CUT.match(line[mark.column :]):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"{cut[1][:20]!r} is no part of the text before it: put it all in quotes, or a space after "
                "the # of a comment",
                node.start_mark,
            )
        return super().construct_scalar(node)


for _tag, (_form, _first) in _OURS.items():
    _Loader.add_implicit_resolver(_tag, _form, list(_first))


def read_yaml(path: Path, place: str) -> Any:
    """A YAML file's content; RetraceError with `place`, line and problem when it cannot be read."""
    try:
        loader = _Loader(path.read_bytes())
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except FileNotFoundError:
        other = path.with_suffix(".yml")
        near = did_you_mean(path.stem, [p.stem for p in path.parent.glob("*.yaml")])
        raise RetraceError(
            f"{place}: no such file" + (f"; rename {other.name}" if other.is_file() else near)
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RetraceError(f"{place}{line}: {problem}") from None
