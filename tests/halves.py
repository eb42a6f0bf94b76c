"""The whole suite as two pytest processes side by side, which share out its folders.

    python tests/halves.py [ARGUMENT OF PYTEST ...]

Arguments go to both: each leaves what the other one runs. The last line counts the tests of both.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECOND = {"e2e", "science"}  # one half; the others, with runs that are killed, take about as long
NOTHING_CHOSEN = 5  # pytest's status when it ran no test
SAID = "said.txt"  # what the half says that is shown at the end


@dataclass(frozen=True)
class Half:
    """A pytest process at work and the folder of what it says."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def counts(self) -> tuple[int, int]:
        """Tests passed and tests failed; errors are failures."""
        report = self.folder / "junit.xml"
        if not report.is_file():
            return 0, 0
        (suite,) = ET.parse(report).getroot().iter("testsuite")
        ran, failed, errors, skipped = (
            int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")
        )
        return ran - failed - errors - skipped, failed + errors


def start(left_out: set[str], arguments: list[str], folder: Path, live: bool) -> Half:
    """Run pytest without the folders left out: not even looked into, and none of their tests if named."""
    folder.mkdir()
    ours = [f"--junitxml={folder / 'junit.xml'}", "-o", f"cache_dir=.pytest_cache/{folder.name}"]
    for other in sorted(left_out):
        ours += [f"--ignore=tests/{other}", f"--deselect=tests/{other}/"]
    words = [sys.executable, "-m", "pytest", *arguments, *ours]
    said = None if live else (folder / SAID).open("wb")
    return Half(subprocess.Popen(words, cwd=HERE.parent, stdout=said, stderr=said), folder)


def main(arguments: list[str]) -> int:
    """Run both halves to their ends; 0 if no test failed and some test ran, else a status of pytest's."""
    folders = {path.name for path in HERE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    with tempfile.TemporaryDirectory() as place:
        first = start(SECOND, arguments, Path(place) / "first", live=True)
        second = start(folders - SECOND, arguments, Path(place) / "second", live=False)
        halves = (first, second)
        try:
            statuses = [half.process.wait() for half in halves]
        except KeyboardInterrupt:  # it reached both; they end with their summaries
            statuses = [half.process.wait() for half in halves]
        print((second.folder / SAID).read_text(errors="replace"), end="", flush=True)
        passed, failed = (sum(counts) for counts in zip(*(half.counts for half in halves), strict=True))
    print(f"{passed} passed, {failed} failed")
    bad = [status for status in statuses if status not in (0, NOTHING_CHOSEN)]
    return max(bad) if bad else min(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
