"""Keys: what must change them does, what must not does not."""

# ruff: noqa: E501 (tables of code)

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from retrace import recipe
from retrace.errors import RetraceError
from retrace.recipe import KEY_LENGTH, canonical, closure, code_digest, digest, file_digest, recipe_key

# a package in which `retrace.studies.a.train` reaches every kind of import, and `retrace.apart` is not reached
PACKAGE = {
    "__init__": '"""P."""\n',
    "errors": "class E(Exception):\n    pass\n",
    "absolute": "import retrace.deep.leaf\n\nVALUE = 1\n",
    "deep/__init__": '"""D."""\n',
    "deep/leaf": "LEAF = 2\n",
    "by_name/__init__": "",
    "by_name/module": "VALUE = 3\n",
    "by_name/other": "VALUE = 3\n",
    "in_function": "VALUE = 4\n",
    "in_class": "VALUE = 4\n",
    "in_try": "VALUE = 4\n",
    "aliased": "VALUE = 5\n",
    "typed_only": "class Params:\n    pass\n",
    "apart": "from retrace import errors\n\nVALUE = 6\n",
    "studies/__init__": "",
    "studies/a/__init__": "from . import initial\n",
    "studies/a/initial": "VALUE = 7\n",
    "studies/a/sibling": "from .. import uncle\nfrom ..nephew.son import VALUE\n",
    "studies/uncle": "VALUE = 8\n",
    "studies/nephew/__init__": "",
    "studies/nephew/son": "VALUE = 9\n",
    "studies/a/train": '''"""Train."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import retrace.absolute
from retrace.by_name import module
from retrace.errors import E
import retrace.aliased as other
from . import sibling

if TYPE_CHECKING:
    from retrace.typed_only import Params


def run(params: Params, rate: float = 1.0, *rest: int, name: str = "a") -> float:
    """Say it."""
    from retrace.in_function import VALUE

    try:
        import retrace.in_try
    except ImportError:
        raise E from None

    class Inner:
        """Say it."""

        from retrace.in_class import VALUE

    return rate * VALUE + len(json.dumps(name))
''',
}
STAGE = "retrace.studies.a.train"
REACHED = {
    "__init__", "errors", "absolute", "deep/__init__", "deep/leaf", "by_name/__init__", "by_name/module",
    "in_function", "in_class", "in_try", "aliased", "studies/__init__", "studies/a/__init__", "studies/a/initial",
    "studies/a/sibling", "studies/uncle", "studies/nephew/__init__", "studies/nephew/son", "studies/a/train",
}  # fmt: skip


def package(root, files=PACKAGE):
    for name, text in files.items():
        path = root / "retrace" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def stage_digest(tmp_path_factory, **changed):
    """The digest of the stage with some files' text changed."""
    root = tmp_path_factory.mktemp("package")
    try:
        return code_digest(STAGE, package(root, {**PACKAGE, **changed}))
    finally:
        shutil.rmtree(root)


def module_name(file):
    return ".".join(["retrace", *file.removesuffix("__init__").strip("/").split("/")]).rstrip(".")


def test_the_closure_is_what_importing_can_load(tmp_path):
    assert set(closure(STAGE, package(tmp_path))) == {module_name(file) for file in REACHED}


def test_the_closure_is_at_least_what_python_loads(tmp_path):
    package(tmp_path)
    code = (
        f"import sys, {STAGE} as m; m.run(None); print(*[n for n in sys.modules if n.startswith('retrace')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": "."}, capture_output=True, text=True
    )
    assert set(done.stdout.split()) == set(closure(STAGE, tmp_path))


@pytest.mark.parametrize("file", sorted(PACKAGE))
def test_code_counts_exactly_where_it_is_imported(tmp_path_factory, file):
    changed = stage_digest(tmp_path_factory, **{file: PACKAGE[file] + "\nNEW = 1\n"})
    assert (changed != stage_digest(tmp_path_factory)) == (file in REACHED)


@pytest.mark.parametrize("file", sorted(PACKAGE))
def test_comments_docstrings_layout_and_line_ends_do_not_count(tmp_path_factory, file):
    tree = ast.parse(PACKAGE[file])  # `ast.unparse` gives another layout without comments
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            text = ast.Expr(ast.Constant("Other words.\n\nIn lines."))
            node.body = [text, *node.body[isinstance(node.body[0], ast.Expr) if node.body else 0 :]]
    other = (
        "# first\n\n\n"
        + ast.unparse(ast.fix_missing_locations(tree)).replace("\n", "  # why\r\n\n\n", 2)
        + "\n"
    )
    assert stage_digest(tmp_path_factory, **{file: other}) == stage_digest(tmp_path_factory)


def test_type_checking_imports_do_not_count(tmp_path_factory):
    text = PACKAGE["studies/a/train"]
    block = "if TYPE_CHECKING:\n    from retrace.typed_only import Params\n"
    for other in (
        "if TYPE_CHECKING:\n    from retrace.apart import VALUE\n    import retrace.typed_only\n",
        "if typing.TYPE_CHECKING:\n    from retrace.typed_only import Params\n",
        "if TYPE_CHECKING:\n    x = 1\nelif TYPE_CHECKING:\n    import retrace.apart\n",
        "",
    ):
        changed = {"studies/a/train": text.replace(block, other)}
        assert stage_digest(tmp_path_factory, **changed) == stage_digest(tmp_path_factory), other


@pytest.mark.parametrize(
    "block",
    [
        "if TYPE_CHECKING:\n    pass\nelse:\n    import retrace.apart\n",
        "if not TYPE_CHECKING:\n    import retrace.apart\n",
    ],
)
def test_the_other_branch_of_type_checking_counts(tmp_path, block):
    package(tmp_path, {**PACKAGE, "deep/leaf": f"from typing import TYPE_CHECKING\n{block}"})
    assert "retrace.apart" in closure(STAGE, tmp_path)


@given(order=st.permutations(sorted(REACHED)), number=st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_reverting_edits_in_any_order_gives_the_old_key_back(tmp_path_factory, order, number):
    root = package(tmp_path_factory.mktemp("package"))
    seen = [code_digest(STAGE, root)]
    for file in order[:number]:
        (root / "retrace" / f"{file}.py").write_text(PACKAGE[file] + "\nx = 0\n")
        seen.append(code_digest(STAGE, root))
    assert len(set(seen)) == number + 1
    for file in order[:number]:
        (root / "retrace" / f"{file}.py").write_text(PACKAGE[file])
    assert code_digest(STAGE, root) == seen[0]
    shutil.rmtree(root)


def test_moving_code_between_modules_counts(tmp_path_factory):
    swapped = {"in_try": PACKAGE["aliased"], "aliased": PACKAGE["in_try"]}
    assert stage_digest(tmp_path_factory, **swapped) != stage_digest(tmp_path_factory)


def test_a_package_that_takes_a_module_s_place_counts(tmp_path_factory):
    now = stage_digest(tmp_path_factory, **{"aliased/__init__": "VALUE = 55\n"})
    assert now != stage_digest(tmp_path_factory)


def test_neither_time_nor_place_nor_directory_nor_hash_seed_counts(tmp_path):
    first, second = package(tmp_path / "one"), package(tmp_path / "a much longer place é")
    for age, path in enumerate(sorted(second.rglob("*.py"))):
        os.utime(path, (age, age))
    code = f"from pathlib import Path; from retrace import recipe; print(recipe.code_digest({STAGE!r}, Path({{!r}})))"
    expected = code_digest(STAGE, first)
    for seed, folder in (("0", tmp_path), ("1", Path("/")), ("random", second / "retrace")):
        env = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(recipe.SOURCE)}
        words = [sys.executable, "-c", code.format(str(second))]
        done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_a_stage_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RetraceError, match=r"retrace\.studies\.a\.defend"):
        closure("retrace.studies.a.defend", package(tmp_path))


# every pair means something else to Python
DIFFERENT = [
    ('x = "a"', "x = a"), ("x = 1", "x = 1.0"), ("x = 1", "x = True"), ("x = 1", 'x = "1"'), ('x = "a"', 'x = b"a"'),
    ("x = None", "x = ..."), ("x = 0", "x = False"), ("x = 0.0", "x = -0.0"), ("x = 1", "x = 1j"), ("x = []", "x = ()"),
    ("x = []", "x = {}"), ("x = [1]", "x = {1}"), ("x = a.b", 'x = a["b"]'), ("x = a + b", "x = b + a"),
    ("x = a - b", "x = a * b"), ("x = (a, b)", "x = [a, b]"), ("x = a, (b, c)", "x = (a, b), c"), ("x, y = z", "(x, (y,)) = z"),
    ("f(a, b)", "f(a, *b)"), ("f(a=b)", "f(**b)"), ("f(*a)", "f(**a)"), ("def f(a, b): pass", "def f(a, *, b): pass"),
    ("def f(a, b): pass", "def f(a, b, /): pass"), ("def f(a=1): pass", "def f(a=2): pass"), ("def f(*, a=1): pass", "def f(*, a): pass"),
    ("def f(*, a, b=1): pass", "def f(*, a=1, b): pass"), ("def f(*a): pass", "def f(**a): pass"), ("def f(): pass", "async def f(): pass"),
    ("def f(): yield a", "def f(): yield from a"), ("def f(): return", "def f(): yield"), ("@a\ndef f(): pass", "def f(): pass"),
    ("import a", "import a as b"), ("import a.b", "from a import b"), ("from a import b", "from .a import b"),
    ("from . import b", "from .. import b"), ("for x in y: pass", "for x in y: pass\nelse: z"), ("if a: b\nelse: c", "if a: b\nc"),
    ("if a: b\nelif c: d", "if a: b\nif c: d"), ("while a: break", "while a: continue"), ("del a", "a"), ("global a", "nonlocal a"),
    ("assert a", "assert a, b"), ("raise a", "raise a from None"), ("raise a from b", "raise a from None"), ("x: int", "x: int = 1"),
    ("(x): int", "x: int"), ("x += 1", "x = 1"), ("x = a < b < c", "x = (a < b) < c"), ("x = a and b", "x = a or b"),
    ("x = a[1:2]", "x = a[1:2:]\ny"), ("x = a[1:]", "x = a[:1]"), ("x = a[1, 2]", "x = a[1:2]"), ("x = {**a}", "x = {a: None}"),
    ("x = {None: a}", "x = {**a}"), ("x = f'{a}'", "x = f'{a!r}'"), ("x = f'{a}'", "x = '{a}'"), ("x = f'{a:b}'", "x = f'{a}b'"),
    ("x = lambda: a", "x = a"), ("x = [a for a in b]", "x = (a for a in b)"), ("x = [a for a in b if c]", "x = [a for a in b]"),
    ("try: a\nexcept B: c", "try: a\nexcept* B: c"), ("try: a\nexcept B: c", "try: a\nexcept B as e: c"),
    ("try: a\nfinally: c", "try: a\nexcept: c"), ("with a as b: pass", "with a: pass"), ("x = (y := 1)", "x = y = 1"),
    ("x = await_", "await_ = x"), ("class A: pass", "class A(B): pass"), ("class A(B): pass", "class A(metaclass=B): pass"),
    ("match a:\n  case [b]: pass", "match a:\n  case [*b]: pass"), ("match a:\n  case b: pass", "match a:\n  case _: pass"),
    ("match a:\n  case None: pass", "match a:\n  case False: pass"), ("match a:\n  case {**b}: pass", "match a:\n  case {}: pass"),
    ("x = 'a' 'b'", "x = 'a', 'b'"), ("x = 'é'", "x = 'e\\u0301'"), ("x = ' a:b,[(\\' '", "x = ' a:b,[( '"),
    ("def f():\n  1\n  'doc'", "def f():\n  1"), ("def f():\n  b'doc'\n  a", "def f():\n  a"), ("if a:\n  'text'\n  b", "if a:\n  b"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_code_that_means_something_else_has_another_digest(one, other):
    assert ast.dump(ast.parse(one)) != ast.dump(ast.parse(other))
    assert recipe._shape_of(one.encode()) != recipe._shape_of(other.encode())


NAMES = st.sampled_from(["a", "b", "value", "None_"])
CONSTANTS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 3),
    st.floats(0, 3),
    st.text("ab(),:[]='\\ é", max_size=4),
    st.binary(max_size=2),
    st.just(...),
)
LEAVES = st.one_of(st.builds(ast.Name, NAMES, st.just(ast.Load())), st.builds(ast.Constant, CONSTANTS))


def _joined(children):
    lists = st.lists(children, max_size=3)
    load = st.just(ast.Load())
    return st.one_of(
        st.builds(ast.Tuple, lists, load),
        st.builds(ast.List, lists, load),
        st.builds(ast.Call, children, lists, st.just([])),
        st.builds(ast.BinOp, children, st.sampled_from([ast.Add(), ast.Sub()]), children),
        st.builds(ast.Attribute, children, NAMES, load),
        st.builds(ast.Subscript, children, children, load),
        st.builds(ast.IfExp, children, children, children),
        lists.map(lambda values: ast.Dict(list(values), list(reversed(values)))),
    )


CODE = st.recursive(LEAVES, _joined, max_leaves=6).map(
    lambda tree: ast.unparse(ast.fix_missing_locations(ast.Assign([ast.Name("x", ast.Store())], tree)))
)


@given(CODE, CODE)
@settings(max_examples=300, deadline=None)
def test_digests_agree_exactly_when_the_code_does(one, other):
    same = ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    assert (recipe._shape_of(one.encode()) == recipe._shape_of(other.encode())) == same
    shell = f"def f():\n    '''doc'''\n    {one}\n"
    assert recipe._shape_of(shell.encode()) == recipe._shape_of(
        f"def f():\n  '''other'''\n\n\n  {one} # x\n".encode()
    )


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4)
    ),
    max_leaves=12,
)


def strict(value):
    """A form in which 1, 1.0 and True are told apart, and 0.0 and -0.0; lists and dictionaries as they are."""
    if isinstance(value, dict):
        return ("dict", frozenset((name, strict(item)) for name, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(map(strict, value)))
    return (type(value).__name__, repr(value))


@given(PLAIN, PLAIN)
@example(1, 1.0)
@example(1, True)
@example(1.0, True)
@example(0, False)
@example("1", 1)
@example("null", None)
@example([], {})
@example("é", "e\u0301")
@example(["a", "b"], ["a,b"])
@example(["ab"], ["a", "b"])
@example([[], [[]]], [[[]], []])
@example("\ud800", "\\ud800")
def test_canonical_text_agrees_exactly_when_values_do(one, other):
    assert (canonical(one) == canonical(other)) == (strict(one) == strict(other))
    assert (digest(one) == digest(other)) == (strict(one) == strict(other))
    assert canonical(one).isascii()


@given(st.dictionaries(st.text(max_size=6), PLAIN, min_size=2, max_size=6), st.randoms())
def test_the_order_of_a_dictionary_does_not_count(values, random):
    shuffled = list(values.items())
    random.shuffle(shuffled)
    assert canonical(dict(shuffled)) == canonical(values)
    assert json.loads(canonical(values)) == values


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [{"a": -float("inf")}]])
def test_what_is_not_a_number_has_no_key(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(value)


@pytest.mark.parametrize("value", [{1: "a"}, {"x": [{None: 1}]}, {True: 1}])
def test_names_that_are_not_text_are_refused(value):
    # JSON would write 1 and "1" alike
    with pytest.raises(TypeError):
        canonical(value)


RECIPE = {
    "module": STAGE,
    "version": 1,
    "params": {"rate": 0.1, "momentum": 0.9, "names": ["é", "b"], "cap": None},
    "seed": 0,
    "code": "c" * 64,
    "needs": {"prepare": "a" * 12, "attack": "b" * 12},
    "data": {"dataset": "d" * 64},
}


@pytest.mark.parametrize(
    "change",
    [
        {"module": "retrace.studies.a.attack"},
        {"version": 2},
        {"params": {**RECIPE["params"], "rate": 0.2}},
        {"params": {**RECIPE["params"], "rate": 0.9, "momentum": 0.1}},
        {"params": {**RECIPE["params"], "rate": "0.1"}},
        {"params": {**RECIPE["params"], "cap": 0}},
        {"params": {**RECIPE["params"], "names": ["b", "é"]}},
        {"params": {name: value for name, value in RECIPE["params"].items() if name != "cap"}},
        {"seed": 1},
        {"seed": None},
        {"seed": 0.0},
        {"seed": False},
        {"code": "c" * 63 + "d"},
        {"needs": {"prepare": "b" * 12, "attack": "a" * 12}},
        {"needs": {"prepare": "a" * 12}},
        {"data": {"dataset": "e" * 64}},
        {"data": {"other": "d" * 64}},
    ],
)
def test_every_ingredient_changes_the_key(change):
    assert recipe_key({**RECIPE, **change}) != recipe_key(RECIPE)


def test_a_key_is_twelve_hex_digits_and_never_changes():
    # a pinned value: a change of the key's definition disowns all published evidence and must be meant
    key = recipe_key(RECIPE)
    assert len(key) == KEY_LENGTH == 12
    assert set(key) <= set("0123456789abcdef")
    assert key == "7474836e8499"


@given(st.binary(max_size=64), st.binary(max_size=64))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_s_digest_is_its_content_s(tmp_path, one, other):
    (tmp_path / "a").write_bytes(one)
    (tmp_path / "b").write_bytes(other)
    assert (file_digest(tmp_path / "a") == file_digest(tmp_path / "b")) == (one == other)
