"""Commands that pages name exist: `retrace` takes their words, what `snakemake` is asked for is there."""

from __future__ import annotations

import contextlib
import re
import shlex
from pathlib import Path

import pytest

from retrace.cli import _parser
from retrace.config import Config
from retrace.planning.workflow import Workflow

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/methods/*.md")])
PLACEHOLDER = re.compile(r"[A-Z]+$|\.\.\.|…|<|\[|\||yours$")


def commands(program):
    """Page and words of every command in a block or in `code`, comments and pipes cut off."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [
            line for block in re.findall(r"```bash\n(.*?)```", text, re.S) for line in block.splitlines()
        ]
        inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
        for line in (*blocks, *inline):
            for part in re.split(r"&&|\|\s", line.partition(" #")[0]):
                words = part.replace("python3 envs/run.py ", "").strip()
                if words.startswith(f"{program} "):
                    yield page.name, words


@pytest.mark.parametrize(("page", "line"), sorted(set(commands("retrace"))))
def test_retrace_takes_the_words(page, line, capsys):
    words = shlex.split(re.sub(r"\[[^\]]*\]", "", line))[1:]
    shown = [word for word in words if not PLACEHOLDER.search(word) or word.startswith(("NET", "FILE"))]
    with contextlib.suppress(SystemExit):
        _parser().parse_args(shown)
    # a command may be named without what it works on
    assert not re.search("invalid|unrecognized", capsys.readouterr().err), f"{page}: {line}"


def test_snakemake_is_asked_for_what_is_there():
    known = {"all", "rehearse", *Workflow.plan(Config(), ROOT).target_names}
    asked = set()
    for page, line in commands("snakemake"):
        for word in shlex.split(line.partition(" -")[0])[1:]:
            if "/" not in word and not PLACEHOLDER.search(word):
                asked.add(word)
                assert word in known or word in ("ripples", "own"), f"{page}: {line}"
    assert {"all", "preindex", "reuse", "rehearse"} <= asked
