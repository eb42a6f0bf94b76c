import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def test_the_pages_example_decides_both_ways(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(block, {})  # the page is ours
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("y_0 >= -0.2: sat tensor(")
    assert second == "y_0 >= -0.1: unsat None"


def test_the_page_names_every_operator():
    from retrace.verify.foreign.operators import MOVES, OPERATORS

    words = set(re.findall(r"\w+", PAGE.read_text(encoding="utf-8")))
    assert set(OPERATORS) | set(MOVES) <= words
