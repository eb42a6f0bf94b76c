import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "attacks.md"


def test_the_pages_examples_run_and_leak(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    space: dict = {}
    for block in blocks:
        exec(block, space)  # the page is ours
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[1:]] == ["loss", "attack_r", "lira_online"]
    assert float(printed[0].split()[0]) > 0.6
    assert all(float(line.split()[1]) > 0.6 for line in printed[1:])


def test_the_page_names_every_public_function_of_an_attack():
    page = PAGE.read_text(encoding="utf-8")
    source = Path(__file__).parents[2] / "src" / "retrace" / "attacks" / "membership"
    for path in sorted(source.glob("*.py")):
        if path.stem in ("audit", "ensemble", "names", "suite"):  # the audit has a part of the page
            continue
        names = re.findall(r"^def ([a-z]\w*)", path.read_text(encoding="utf-8"), re.M)
        for name in set(names) - {"dominated_share", "ordered_share", "split_label"}:
            assert f"`{name}`" in page, name
