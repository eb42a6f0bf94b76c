"""YAML without surprises: words stay words, digits decimal, and no text is cut short."""

from __future__ import annotations

import pytest
import yaml

from retrace.errors import RetraceError
from retrace.yamls import read_yaml


def read(folder, text):
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path, "config/a.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[yes, no, on, off, Yes, NO]", ["yes", "no", "on", "off", "Yes", "NO"]),
        ("[true, False]", [True, False]),
        ("[012, 0, -7, 10]", ["012", 0, -7, 10]),
        ("[1:30, 0x10, 2026-11-27]", ["1:30", "0x10", "2026-11-27"]),
        ("[0.5, 1.0e-3, ~, null]", [0.5, 0.001, None, None]),
        ("{on: 1, off: 2}", {"on": 1, "off": 2}),
        ("a: one  # a comment\nb: [1, 2]  #old\n# c: 3\n", {"a": "one", "b": [1, 2]}),
        ("a: 'one #2'\nb: one#2\nc: \"x\" #y\n", {"a": "one #2", "b": "one#2", "c": "x"}),
    ],
)
def test_words_and_digits_are_what_they_look_like(tmp_path, text, value):
    assert read(tmp_path, text) == value


@pytest.mark.parametrize(
    ("text", "line", "cut"),
    [
        ("a: 1\nsays: claim #3 of table 2\n", 2, "#3 of table 2"),
        ("says: a claim that\n  goes on #3 here\n", 1, "#3 here"),
        ("[x #1\n]", 1, "#1"),
        (b"\xef\xbb\xbfa: b #1\r\n", 1, "#1"),
    ],
)
def test_a_text_that_a_comment_cuts_is_refused(tmp_path, text, line, cut):
    with pytest.raises(RetraceError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(
        f"config/a.yaml line {line}: {cut!r} is no part of the text before it"
    )


def test_a_file_with_the_other_ending_is_named(tmp_path):
    (tmp_path / "dummy.yml").write_text("study: dummy\n")
    with pytest.raises(RetraceError, match=r"^x/dummy\.yaml: no such file; rename dummy\.yml$"):
        read_yaml(tmp_path / "dummy.yaml", "x/dummy.yaml")


def test_what_other_readers_would_write_is_read_back(tmp_path):
    content = {"no": "yes", "n": 8, "x": 1e-3, "s": "012", "d": "2026-11-27", "l": [True, None]}
    assert read(tmp_path, yaml.safe_dump(content)) == content
