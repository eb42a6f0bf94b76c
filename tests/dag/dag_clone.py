"""A working copy of the repository with the dummy study in it, and what the tests ask of it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
DUMMY = Path(__file__).resolve().parent / "dummy"
SMOKE = ("scale=smoke", 'studies=["dummy"]')
STAGES = {"prepare": 1, "train": 4, "defend": 4, "attack": 4, "measure": 4}  # 2 cells, 2 seeds, 1 data set
BY_THE_CLOCK = ("cost", "meters", "environment", "seal")
WHOLE_RUN = Counter({**STAGES, "judge": 1, "draw": 1, "publish": 2})
# everything from scratch in one process, in the order of the plan: no Snakemake, nothing to reuse
FROM_SCRATCH = """
import sys
from pathlib import Path
from retrace.config import Config
from retrace.job import main
from retrace.planning.workflow import Workflow
flow = Workflow.plan(Config(scale="smoke", studies=["dummy"]), Path.cwd())
specs = [flow.task_spec(key) for plan in flow.plans.values() for key in plan.tasks]
specs += [flow.product_spec(product.key) for product in flow.judged.values()]
sys.exit(max(main(spec, Path.cwd()) for spec in specs))
"""


@dataclass(frozen=True)
class Clone:
    """A checkout at `root`."""

    root: Path

    @classmethod
    def of_repository(cls, root: Path) -> Clone:
        """Tracked files and those git does not ignore, the data, and the dummy study as additions only."""
        for name in tracked():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target)
        shutil.copytree(REPOSITORY / "data" / "raw", root / "data" / "raw", dirs_exist_ok=True)
        for source in (p for p in DUMMY.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            target = root / source.relative_to(DUMMY)
            assert not target.exists(), f"{target} is there already: the dummy must be additions only"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        return cls(root)

    def copy(self, root: Path, *made: str) -> Clone:
        """A fresh clone; of what runs make it holds only the folders named."""
        left_out = {"evidence", "results", "logs", ".snakemake", "figures"}
        shutil.copytree(self.root, root, ignore=lambda at, _: left_out if at == str(self.root) else set())
        for name in made:
            shutil.copytree(self.root / name, root / name)
        return Clone(root)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a command: this checkout's library, the running Python's programs."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ours = {"PATH": path, "PYTHONPATH": str(self.root / "src"), "OMP_NUM_THREADS": "1"}
        return {**os.environ, **ours, "MKL_NUM_THREADS": "1"}

    def call(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command here, output caught."""
        env = {**self.env, **env}
        return subprocess.run(words, cwd=self.root, env=env, capture_output=True, text=True, check=False)

    def snakemake(
        self, *words: str, config: tuple[str, ...] = SMOKE, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `snakemake WORDS` on the dummy study at the smoke scale, two cores."""
        return self.call("snakemake", *words, "--cores", "2", "--config", *config, **env)

    def run(self, *targets: str, **env: str) -> Counter[str]:
        """Make the targets; the number of jobs that ran, by verb."""
        before = self.logs()
        done = self.snakemake(*targets, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.jobs_since(before)

    def logs(self) -> dict[Path, int]:
        """Every job's log and when it was opened: each job that starts opens its own."""
        return {path: path.stat().st_mtime_ns for path in (self.root / "logs").rglob("*.log")}

    def jobs_since(self, before: dict[Path, int]) -> Counter[str]:
        """Jobs that ran since `logs` was asked, by verb."""
        folder = self.root / "logs"
        new = [path.relative_to(folder) for path, time in self.logs().items() if before.get(path) != time]
        stages = Counter(path.name.split("-")[0] for path in new if path.parts[0] == "dummy")
        return stages + Counter(path.parts[0] for path in new if path.parts[0] != "dummy")

    def from_scratch(self, root: Path) -> Any:
        """The verdict that this checkout's code, sheet and data give when nothing is reused."""
        fresh = self.copy(root)
        done = fresh.call(sys.executable, "-c", FROM_SCRATCH)
        assert done.returncode == 0, done.stderr
        return fresh.verdict()

    def verdict(self) -> Any:
        """The paper's verdict, without cost and machine; there must be just one."""
        (path,) = self.files("results/judge/*.json")
        told = {name: value for name, value in read(path).items() if name not in BY_THE_CLOCK}
        for claim in told["claims"]:
            if claim["would_decide"]:
                del claim["would_decide"]["cpu_seconds"]
        return told

    def files(self, pattern: str) -> list[Path]:
        """Files below the root that match, in order."""
        return sorted(path for path in self.root.glob(pattern) if path.is_file())

    def results(self) -> dict[str, Any]:
        """Results and digests of every evidence file by name: what must never differ between runs."""
        records = {path: read(path) for path in self.files("evidence/**/*.json")}
        return {p.relative_to(self.root).as_posix(): [r["results"], r["files"]] for p, r in records.items()}

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def git(self, *words: str) -> str:
        """Run git here as a nobody; its output."""
        who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false")
        done = self.call("git", *who, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout


def tracked() -> list[str]:
    """Files of the repository that git tracks or would track."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name and not name.startswith("tests/")]
    return [name for name in names if (REPOSITORY / name).is_file()]


def read(path: Path) -> Any:
    """A JSON file's content."""
    return json.loads(path.read_bytes())


def shuffle_times(root: Path, seed: int) -> None:
    """Give every file a random modification time of the last year."""
    rng = random.Random(seed)
    now = 1_790_000_000
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        os.utime(path, (now, now - rng.randrange(31_000_000)))
