"""Damaged files are named, set aside and made again; what is published is neither lost nor trusted."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from dag_clone import Clone, read

REMOTE = "dvcstore/files/md5"


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 4
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def improve(path):
    """Better results, by hand."""
    record = read(path)
    record["results"]["errors"] = [0.0 for _ in record["results"]["errors"]]
    path.write_text(json.dumps(record))


def take_another(path):
    """The evidence of another seed under this one's name."""
    (other,) = path.parent.parent.glob("s1/measure-*.json")
    shutil.copy2(other, path)


def retrace(clone, *words):
    return clone.call(sys.executable, "-m", "retrace", *words)


def one(clone, pattern):
    return clone.files(pattern)[0]


def test_damaged_and_foreign_evidence_is_named_set_aside_and_made_again(pulled, finished):
    root = pulled.root
    damaged = {
        one(pulled, "evidence/**/train-*.json"): (cut, "damaged, "),
        one(pulled, "evidence/**/defend-*.json"): (empty, "damaged, "),
        one(pulled, "evidence/**/attack-*.npz"): (flip, "damaged (SHA-256"),
        one(pulled, "evidence/**/prepare-*.npz"): (cut, "damaged (SHA-256"),
        one(pulled, "evidence/dummy/weak/s0/measure-*.json"): (take_another, "its recipe belongs to another"),
        one(pulled, "evidence/dummy/weak/s1/measure-*.json"): (flip, "damaged, "),
        one(pulled, "evidence/dummy/strong/s0/measure-*.json"): (improve, "damaged, its seal"),
    }
    for path, (damage, _) in damaged.items():
        damage(path)
    before = pulled.logs()
    done = pulled.snakemake("dummy_judge")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    for path, (_, reason) in damaged.items():
        said = f"retrace: {path.relative_to(root).as_posix()}: {reason}"
        (line,) = [line for line in lines if line.startswith(said)]
        assert f"{path.name}.damaged" in line
        assert path.with_name(path.name + ".damaged").is_file()
    # what was damaged, and the weights that its attack and defence need
    jobs = pulled.jobs_since(before)
    assert 1 <= jobs.pop("train") <= 3
    assert jobs == {"prepare": 1, "defend": 1, "attack": 1, "measure": 3, "judge": 1}
    assert pulled.results() == finished.results()
    assert pulled.verdict() == finished.verdict()


@pytest.mark.parametrize("damage", [cut, pytest.param(flip, marks=pytest.mark.slow)])
def test_damaged_weights_are_named_and_made_again(finished, tmp_path, damage):
    clone = finished.copy(tmp_path / "clone", "evidence", "results")
    weights = one(clone, "results/scratch/**/*.safetensors")
    damage(weights)
    clone.edit("src/retrace/studies/dummy/attack.py", "rng.normal(0, noise,", "rng.normal(0, 2 * noise,")
    done = clone.snakemake("dummy_attack")
    assert done.returncode == 1
    name = weights.relative_to(clone.root).as_posix()
    assert f"{name}: damaged" in done.stderr
    assert "rerun to make it again" in done.stderr
    assert clone.run("dummy_attack") == {"train": 1, "attack": 1}
    assert weights.read_bytes() == (finished.root / name).read_bytes()


@pytest.fixture(scope="module")
def home(finished, tmp_path_factory):
    """A repository whose evidence is published, what a crash left beside it is not."""
    home = finished.copy(tmp_path_factory.mktemp("home") / "home", "evidence")
    home.git("init", "-q", ".")
    folder = one(home, "evidence/**/attack-*.json").parent
    for name in (".attack-0123456789ab.json.77.part", "attack-0123456789ab.json.damaged"):
        (folder / name).write_bytes(b"{")
    done = retrace(home, "publish")
    assert done.returncode == 0, done.stderr
    home.git("add", "-A")
    home.git("commit", "-q", "-m", "evidence")
    return home


@pytest.fixture
def published(home, tmp_path):
    """A clone by git of `home`; nothing is pulled yet."""
    clone = Clone(tmp_path / "clone")
    home.git("clone", "-q", str(home.root), str(clone.root))
    return clone


@pytest.mark.slow
def test_published_evidence_pulled_into_a_fresh_clone_runs_no_stage(published, finished):
    clone = published
    assert not clone.files("evidence/**/*")
    assert not clone.files("data/raw/*")
    done = clone.call(sys.executable, "-m", "dvc", "pull", "-q")
    assert done.returncode == 0, done.stderr
    pulled, made = clone.results(), finished.results()
    assert {name: pulled.get(name) for name in made} == made  # beside what the repository itself publishes
    assert {path.suffix for path in clone.files("evidence/**/*")} == {".json", ".npz"}
    assert clone.run("dummy_judge") == {"judge": 1}
    assert clone.verdict() == finished.verdict()

    # a pull is a union: what is here stays, what is not comes, and a plain `dvc pull` deletes nothing
    mine = one(clone, "evidence/**/measure-*.json")
    gone = one(clone, "evidence/**/attack-*.json")
    extra = clone.root / "evidence/dummy/weak/s9/attack-0123456789ab.json"
    extra.parent.mkdir(parents=True)
    for path in (mine, extra):
        path.write_bytes(b"of this machine")
    gone.unlink()
    done = clone.call(sys.executable, "-m", "dvc", "pull", "-q")
    assert extra.read_bytes() == b"of this machine"
    done = retrace(clone, "pull")
    assert done.returncode == 0, done.stderr
    assert "1 files added" in done.stdout
    assert gone.is_file()
    assert mine.read_bytes() == extra.read_bytes() == b"of this machine"


def test_a_damaged_object_in_the_store_is_refused_by_name(published):
    clone = published
    pointer = (clone.root / "evidence.dvc").read_text()
    listing = next(line.split()[-1] for line in pointer.splitlines() if "md5:" in line)
    entries = read(clone.root / REMOTE / listing[:2] / listing[2:])
    md5 = entries[0]["md5"]
    flip(clone.root / REMOTE / md5[:2] / md5[2:])
    done = retrace(clone, "pull")
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("retrace: ")
    assert md5[2:] in line or entries[0]["relpath"] in line
    assert not (clone.root / "evidence" / entries[0]["relpath"]).exists()
    # and DVC itself refuses as well, since its remote is set to verify
    assert clone.call(sys.executable, "-m", "dvc", "pull", "-q").returncode
    assert not (clone.root / "evidence" / entries[0]["relpath"]).exists()
