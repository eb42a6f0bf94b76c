"""Planning trusts what it found before as long as nothing has changed, and not a moment longer."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from retrace.config import Config
from retrace.planning import known, plan
from retrace.planning.known import PLACE, Known
from retrace.planning.plan import plan_study
from retrace.recipe import code_digest
from retrace.records.evidence import read_record, seal, write_evidence
from retrace.sheet import load_study

ROOT = Path(__file__).resolve().parents[2]
MODULE = "retrace.errors"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one module in place of ours; the module's file."""
    path = tmp_path / "code" / "retrace" / "errors.py"
    path.parent.mkdir(parents=True)
    (path.parent / "__init__.py").write_text("")
    path.write_text("X = 1\n")
    monkeypatch.setattr(known, "SOURCE", tmp_path / "code")
    return path


@pytest.fixture
def asked(monkeypatch):
    """The modules whose digest was worked out."""
    modules = []

    def digest(module, source):
        modules.append(module)
        return code_digest(module, source)

    monkeypatch.setattr(known, "code_digest", digest)
    return modules


def test_a_digest_of_code_is_worked_out_once(tmp_path, package, asked):
    for _ in range(3):
        found = Known(tmp_path)
        assert found.code(MODULE) == found.code(MODULE) == code_digest(MODULE, package.parents[1])
        found.save()
    assert asked == [MODULE]


@pytest.mark.parametrize("change", ["edit", "more", "less"])
def test_any_change_of_the_source_asks_again(tmp_path, package, asked, change):
    other = package.with_name("other.py")
    other.write_text("")
    first = Known(tmp_path)
    first.code(MODULE)
    first.save()
    if change == "edit":
        package.write_text("X = 2\n")
    elif change == "more":
        package.with_name("new.py").write_text("")
    else:
        other.unlink()
    assert Known(tmp_path).code(MODULE) == code_digest(MODULE, package.parents[1])
    assert asked == [MODULE, MODULE]


def test_code_edited_while_planning_is_not_remembered(tmp_path, package, asked):
    found = Known(tmp_path)
    package.write_text("X = 2\n")
    found.code(MODULE)
    found.save()
    package.write_text("X = 1\n")
    assert Known(tmp_path).code(MODULE) == code_digest(MODULE, package.parents[1])


@pytest.mark.parametrize(
    "damage", [lambda text: text.replace('":"', '":"0', 1), lambda text: text[:40], lambda _: "[]"]
)
def test_what_another_hand_wrote_is_not_trusted(tmp_path, package, asked, damage):
    found = Known(tmp_path)
    found.code(MODULE)
    found.save()
    path = tmp_path / PLACE
    path.write_text(damage(path.read_text()))
    Known(tmp_path).code(MODULE)
    assert asked == [MODULE, MODULE]


def test_a_folder_that_may_not_be_written_to_does_no_harm(tmp_path, package):
    (tmp_path / ".snakemake").write_text("a file where the folder should be")
    found = Known(tmp_path)
    found.code(MODULE)
    found.save()


@pytest.fixture
def files(tmp_path):
    names = ["e.json", "e.npz"]
    for name in names:
        (tmp_path / name).write_bytes(b"content")
    return names


def later(root, files):
    """The next planning, when the files had been found whole a while after they were written."""
    found = Known(root)
    found.found_whole(files, time.time() + 10)
    found.save()
    return Known(root)


def rewrite(path):
    """Other bytes, of the same number, under the old times of access and modification."""
    times = os.stat(path)
    path.write_bytes(b"CONTENT")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert os.stat(path).st_mtime_ns == times.st_mtime_ns


def replace(path):
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


CHANGES = [rewrite, replace, os.utime, Path.unlink, lambda path: path.write_bytes(b"longer content")]


def test_whole_files_stay_whole(tmp_path, files):
    assert not Known(tmp_path).is_whole(files)
    assert later(tmp_path, files).is_whole(files)
    assert not later(tmp_path, files).is_whole([*files, "absent"])


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("which", [0, 1])
def test_a_changed_file_is_not_whole(tmp_path, files, change, which):
    found = later(tmp_path, files)
    change(tmp_path / files[which])
    assert not found.is_whole(files)


def test_a_file_that_is_too_young_is_checked_again(tmp_path, files):
    """It could change within the same tick of the clock, unseen."""
    found = Known(tmp_path)
    found.found_whole(files, time.time())
    assert not found.is_whole(files)


def test_planning_reads_whole_evidence_once_and_finds_what_changes_later(tmp_path, monkeypatch):
    monkeypatch.setattr(known, "SETTLED", -60.0)
    every = plan_study(load_study("reuse"), Config(scale="smoke"), ROOT).tasks.values()
    tasks = [task for task in every if not task.stage.arrays][:3]
    blocks = {"results": {"x": 1}, "timing": {}, "meter": {}, "environment": {}, "files": {}}
    for task in tasks:
        write_evidence(tmp_path / task.evidence, seal({"recipe": task.recipe, **blocks}))
    read = []
    monkeypatch.setattr(plan, "read_record", lambda path: [read.append(path), read_record(path)][1])

    def screened():
        read.clear()
        found = Known(tmp_path)
        lines = list(plan.screen(tasks, tmp_path, found))
        found.save()
        return lines

    assert screened() == []
    assert len(read) == 3
    assert screened() == []
    assert read == []
    path = tmp_path / tasks[1].evidence
    times = os.stat(path)
    path.write_bytes(path.read_bytes().replace(b'"x":1', b'"x":2'))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    (line,) = screened()
    assert line.startswith(f"{tasks[1].evidence}: damaged, its seal")
    assert read == [path]
    assert path.with_name(f"{path.name}.damaged").is_file()
