"""Keys: the digest of a stage's import closure and the recipe key that names its evidence.

The name is the proof: a key is made of everything that a result depends on (stage, parameters, seed,
code, keys of what it needs, digests of the data it reads) and of nothing else, so a file with the right
name may be reused, whatever its age and wherever it came from. Third-party versions are recorded in the
evidence, not in the key, so that machines with different accelerators share results.
"""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from retrace.errors import RetraceError

KEY_LENGTH = 12
PACKAGE = "retrace"
SOURCE = Path(__file__).resolve().parent.parent
_IGNORED_FIELDS = frozenset({"type_comment", "type_ignores", "kind"})


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal text, different ones different.

    Raises TypeError for a name that is not text (JSON would write 1 and "1" alike, in another order).
    """
    _refuse_other_names(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def _refuse_other_names(value: Any) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                raise TypeError(f"the name {name!r} is not text; write {str(name)!r}")
            _refuse_other_names(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_other_names(item)


def digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def recipe_key(recipe: dict[str, Any]) -> str:
    """The first 12 hex digits of the recipe's digest."""
    return digest(recipe)[:KEY_LENGTH]


def code_digest(module: str, source: Path = SOURCE) -> str:
    """SHA-256 over the code of `module` and of all it imports inside the package.

    Docstrings, comments, formatting and `if TYPE_CHECKING:` blocks do not count.
    Raises RetraceError when the module is not below `source`.
    """
    return digest({name: _shape(_path(name, source)) for name in closure(module, source)})


def closure(module: str, source: Path = SOURCE) -> tuple[str, ...]:
    """Names of `module` and of every module in the package that importing it can load, sorted."""
    if _path(module, source) is None:
        raise RetraceError(f"no module {module}: a study declares it; write it or mend the declaration")
    seen: set[str] = set()
    queue = [module]
    while queue:
        name = queue.pop()
        path = _path(name, source)
        if name in seen or path is None:
            continue
        seen.add(name)
        queue.extend(_parents(name))
        queue.extend(_imports(name, path))
    return tuple(sorted(seen))


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _path(name: str, source: Path) -> Path | None:
    if name.split(".")[0] != PACKAGE:
        return None
    base = source.joinpath(*name.split("."))
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _imports(name: str, path: Path) -> tuple[str, ...]:
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    return _imports_of(path.read_bytes(), tuple(package))


@cache
def _imports_of(code: bytes, package: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for node in _runtime_nodes(_parse(code)):
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            found.append(base)
            # `from package import name`: the name may itself be a module
            found.extend(f"{base}.{alias.name}" for alias in node.names)
    return tuple(name for name in found if name.split(".")[0] == PACKAGE)


def _runtime_nodes(tree: ast.AST) -> list[ast.AST]:
    nodes: list[ast.AST] = []
    queue = [tree]
    while queue:
        node = queue.pop()
        nodes.append(node)
        if _is_type_checking(node):
            queue.extend(node.orelse)  # type: ignore[attr-defined]
        else:
            queue.extend(ast.iter_child_nodes(node))
    return nodes


def _is_type_checking(node: ast.AST) -> bool:
    if not isinstance(node, ast.If):
        return False
    test = node.test
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


@cache
def _parse(code: bytes) -> ast.Module:
    return ast.parse(code)


def _shape(path: Path | None) -> str:
    assert path is not None
    return _shape_of(path.read_bytes())


@cache
def _shape_of(code: bytes) -> str:
    parts: list[str] = []
    _write(_parse(code), parts)
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _write(node: Any, parts: list[str]) -> None:
    """Append a text of the tree that no Python release changes: empty fields are left out."""
    if isinstance(node, ast.AST):
        parts.append(f"({type(node).__name__}")
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(
                node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            ):
                value = _without_docstring(value)
            if name in _IGNORED_FIELDS or value is None or value == []:
                continue
            parts.append(f" {name}=")
            _write(value, parts)
        parts.append(")")
    elif isinstance(node, list):
        parts.append("[")
        for item in _without_type_checking(node):
            _write(item, parts)
            parts.append(",")
        parts.append("]")
    else:
        parts.append(f"{type(node).__name__}:{node!r}")


def _without_type_checking(items: list[Any]) -> list[Any]:
    # what runs is the other branch, in its place
    kept: list[Any] = []
    for item in items:
        kept += _without_type_checking(item.orelse) if _is_type_checking(item) else [item]
    return kept


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return body[1:] if isinstance(first.value.value, str) else body
    return body
