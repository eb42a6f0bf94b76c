"""The suite in two processes: each test in one of them, sums in the last line, the status of the worse."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HALVES = Path(__file__).resolve().parents[1] / "halves.py"
TESTS = {
    "e2e/test_whole.py": "def test_whole(): pass\n\n\ndef test_two(): pass\n",
    "structure/test_good.py": "def test_good(): pass\n",
    "science/test_bad.py": "import pytest\n\n\n@pytest.fixture\ndef broken(): raise OSError\n\n\n"
    "def test_bad(): assert False\n\n\ndef test_error(broken): pass\n",
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """A suite of its own with five tests, two of which cannot pass."""
    root = tmp_path_factory.mktemp("suite")
    for name, text in TESTS.items():
        (root / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "tests" / name).write_text(text)
    (root / "pytest.ini").write_text("[pytest]\ntestpaths = tests\naddopts = -q\n")
    shutil.copy2(HALVES, root / "tests" / HALVES.name)
    return root


@pytest.mark.parametrize(
    ("words", "line", "status"),
    [
        ((), "3 passed, 2 failed", 1),
        (("-k", "good"), "1 passed, 0 failed", 0),
        (("tests/e2e/test_whole.py::test_two", "tests/structure"), "2 passed, 0 failed", 0),
        (("-k", "nothing_is_called_this"), "0 passed, 0 failed", 5),
        (("--no-such-option",), "0 passed, 0 failed", 4),
    ],
)
def test_every_chosen_test_runs_once_and_is_counted(suite, words, line, status):
    command = [sys.executable, str(suite / "tests" / HALVES.name), *words]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # starts sooner
    done = subprocess.run(command, cwd=suite, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == line
    assert done.returncode == status
    if status == 1:
        assert "FAILED tests/science/test_bad.py::test_bad" in done.stdout
