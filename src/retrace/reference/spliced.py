"""Pages written by hand with one generated part between two marks."""

from __future__ import annotations

from pathlib import Path

from retrace.errors import RetraceError

END = "<!-- End of what is generated. -->\n"


def spliced(root: Path, page: str, begin: str, body: str) -> dict[str, str]:
    """`page` with `body` between its marks; nothing where there is no such page.

    Raises RetraceError when the marks are gone.
    """
    place = root / page
    if not place.is_file():
        return {}
    before, mark, rest = place.read_text(encoding="utf-8").partition(begin)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise RetraceError(f"{page}: the marks around the tables are gone; git shows them")
    return {page: f"{before}{mark}{body}{end}{after}"}
