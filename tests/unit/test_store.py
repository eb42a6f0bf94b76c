"""Data of the user's beside the repository's: brought as a union, restored one by one, never deleted."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from retrace import cli
from retrace.config import SCALES, load_config
from retrace.data import catalogue
from retrace.errors import RetraceError
from retrace.records import store
from retrace.upkeep import index

NAMES = ("raw/tiny", "raw/small", "own/mine")
GIT = ("git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two sets in the folder of data.dvc and one with a pointer of its own, pushed to a remote."""
    root = tmp_path_factory.mktemp("store") / "root"
    (root / "config/studies").mkdir(parents=True)
    rows = [",".join(catalogue.COLUMNS)]
    for name in NAMES:
        path = root / f"data/{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        rows.append(f"{path.stem},data/{name}.npz,{digest(path)},1,1x1x1,1,MIT,nowhere,1,by hand")
    (root / catalogue.CATALOGUE).write_text("\n".join(rows) + "\n")
    (root / "data.dvc").write_text("outs:\n- path: data/raw\n  hash: md5\n")
    for words in (
        (*GIT, "init", "-q"),
        dvc("init"),
        dvc("remote", "add", "-d", "store", "../store"),
        dvc("remote", "modify", "store", "verify", "true"),
        dvc("commit", "--force", "data.dvc"),
        dvc("add", "data/own/mine.npz"),
        dvc("push"),
    ):
        subprocess.run(words, cwd=root, check=True, capture_output=True)
    return root


@pytest.fixture
def root(home, tmp_path):
    """A copy of it as of a fresh clone with the data brought, and a set that only its user has."""
    shutil.copytree(home.parent, tmp_path / "all", symlinks=True)
    shutil.rmtree(tmp_path / "all/root/.dvc/cache")
    (tmp_path / "all/root/data/raw/only-mine.npz").write_bytes(b"the only copy")
    return tmp_path / "all/root"


def dvc(*words):
    return (sys.executable, "-m", "dvc", *words, "-q")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def data(root):
    return {
        path.relative_to(root / "data").as_posix(): path.read_bytes() for path in root.glob("data/*/*.npz*")
    }


def run(root, monkeypatch, command):
    """Run a command as it is printed; its status."""
    monkeypatch.chdir(root)
    program, *words = command.split()
    assert program == "retrace"
    return cli.main(words)


def test_missing_files_come_and_what_is_there_stays(root):
    before = data(root)
    for name in ("raw/tiny.npz", "own/mine.npz"):
        (root / "data" / name).unlink()
    (root / "data/raw/small.npz").write_bytes(b"edited")
    store.restore_data(root)
    assert data(root) == {**before, "raw/small.npz": b"edited"}


def test_a_file_that_dvc_does_not_know_does_not_stop_the_others(root):
    with (root / catalogue.CATALOGUE).open("a") as rows:
        rows.write(f"gone,data/raw/gone.npz,{'0' * 64},1,1x1x1,1,MIT,nowhere,1,by hand\n")
    (root / "data/raw/tiny.npz").unlink()
    store.restore_data(root)
    assert (root / "data/raw/tiny.npz").read_bytes() == b"raw/tiny"
    assert not (root / "data/raw/gone.npz").exists()


@pytest.mark.parametrize("name", ["raw/tiny", "own/mine"])
def test_the_printed_remedy_restores_that_file_and_touches_no_other(root, monkeypatch, name):
    before = data(root)
    path = root / f"data/{name}.npz"
    path.write_bytes(b"damaged")
    with pytest.raises(RetraceError) as caught:
        catalogue.verify(root, path.stem)
    command = str(caught.value).split("restore with: ")[1].split(" (")[0]
    assert run(root, monkeypatch, command) == 0
    assert data(root) == {**before, f"{name}.npz.damaged": b"damaged"}
    assert run(root, monkeypatch, command) == 0
    assert data(root) == {**before, f"{name}.npz.damaged": b"damaged"}


def test_a_set_that_dvc_does_not_know_is_left_alone(root, monkeypatch, capsys):
    path = root / "data/raw/only-mine.npz"
    with (root / catalogue.CATALOGUE).open("a") as rows:
        rows.write(f"only-mine,data/raw/only-mine.npz,{'0' * 64},1,1x1x1,1,MIT,nowhere,1,by hand\n")
    assert run(root, monkeypatch, "retrace restore data/raw/only-mine.npz") == 1
    assert "data/raw/only-mine.npz: DVC has no copy of it" in capsys.readouterr().err
    assert path.read_bytes() == b"the only copy"
    assert run(root, monkeypatch, "retrace restore data/raw/tinny.npz") == 1
    assert "did you mean 'data/raw/tiny.npz'?" in capsys.readouterr().err


def test_another_version_than_the_catalogue_s_replaces_nothing(root, monkeypatch, capsys):
    path = root / "data/raw/tiny.npz"
    rows = (root / catalogue.CATALOGUE).read_text()
    (root / catalogue.CATALOGUE).write_text(rows.replace(digest(path), "1" * 64))
    path.write_bytes(b"edited")
    assert run(root, monkeypatch, "retrace restore data/raw/tiny.npz") == 1
    assert "what data.dvc names is not what data/catalogue.csv says" in capsys.readouterr().err
    assert path.read_bytes() == b"edited"


def test_an_object_damaged_in_the_cache_is_fetched_again(root):
    """Where the cache is linked into the checkout, an edit there reaches it."""
    path = root / "data/raw/tiny.npz"
    path.unlink()
    subprocess.run(dvc("fetch"), cwd=root, check=True)
    md5 = hashlib.md5(b"raw/tiny").hexdigest()
    kept = root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    kept.chmod(0o644)
    kept.write_bytes(b"damaged")
    store.restore_data(root)
    assert path.read_bytes() == b"raw/tiny"


def test_only_files_that_bear_a_key_are_collected(tmp_path):
    key, old = "0123456789ab", "ba9876543210"
    ours = [
        f"evidence/dummy/weak/s0/measure-{old}.json",
        f"evidence/dummy/weak/s0/.measure-{old}.json.77.part",
        f"evidence/dummy/weak/s0/measure-{key}.json.damaged",
        f"results/scratch/dummy/weak/s0/train-{old}.safetensors",
        f"results/draw/arm-{old}/claims.svg",
        f"results/report/laptop-{old}.html",
    ]
    kept = [
        f"evidence/dummy/weak/s0/measure-{key}.json",
        "evidence/notes.txt",
        "evidence/dummy/weak/s0/look-at-this.json",
        "results/judge/discussion.md",
        "results/scratch/best-so-far.safetensors",
    ]
    for name in [*ours, *kept]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert store.unreached(tmp_path, kept[:1]) == sorted(tmp_path / name for name in ours)


@pytest.mark.parametrize("command", ["retrace gc", "retrace publish --prune"])
def test_nothing_is_collected_during_a_run(tmp_path, monkeypatch, capsys, command):
    scratch = tmp_path / "results/scratch/dummy/weak/s0/train-0123456789ab.safetensors"
    for path in (tmp_path / ".snakemake/locks/0.output.lock", tmp_path / "config/studies/x", scratch):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert run(tmp_path, monkeypatch, command) == 1
    assert "a run is at work here" in capsys.readouterr().err
    assert scratch.exists()


def test_what_is_reached_depends_on_where_the_user_keeps_data_sets(tmp_path, monkeypatch):
    seen = []

    def plan(config, root):
        seen.append((config.scale, config.datasets, config.studies))
        return SimpleNamespace(plans={}, judged={}, drawn={}, report=SimpleNamespace(outputs=()))

    monkeypatch.setattr(index.Workflow, "plan", plan)
    index.reached(load_config({"datasets": "/sets", "studies": ["reuse"], "scale": "smoke"}), tmp_path)
    assert seen == [(scale, "/sets", "all") for scale in SCALES]


@pytest.fixture
def shipped(root):
    """The checkout as an archive has it: its store in it, no git, nothing cached."""
    (root.parent / "store").rename(root / "dvcstore")
    shutil.rmtree(root / ".git")
    return root


def test_an_archive_without_git_brings_its_data(shipped, monkeypatch):
    before = data(shipped)
    (shipped / "data/raw/tiny.npz").unlink()
    (shipped / "data/own/mine.npz").unlink()
    monkeypatch.setattr(store.subprocess, "run", None)  # DVC is not asked
    store.restore_data(shipped)
    assert data(shipped) == before


def test_what_the_archive_holds_damaged_names_the_remedy(shipped):
    (shipped / "data/raw/tiny.npz").unlink()
    md5 = hashlib.md5(b"raw/tiny").hexdigest()
    path = shipped / "dvcstore/files/md5" / md5[:2] / md5[2:]
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with pytest.raises(RetraceError, match=r"needs a git repository; make one with: git init$"):
        store.restore_data(shipped)
    assert not (shipped / "data/raw/tiny.npz").exists()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "ERROR: unexpected error - [Errno 13] Permission denied: 'tmp/lock'\n\nHaving any troubles? "
            "Hit us up at https://dvc.org/support, we are always happy to help!\n",
            "unexpected error - [Errno 13] Permission denied: 'tmp/lock'",
        ),
        (
            "Collecting\nERROR: failed to pull data from the cloud - Checkout failed for following targets:\n"
            "data/raw/mine.npz\nIs your cache up to date?\n<https://error.dvc.org/missing-files>\n",
            "failed to pull data from the cloud - Checkout failed for following targets: data/raw/mine.npz",
        ),
        ("one\nkilled\n", "killed"),
        ("", "no message"),
    ],
)
def test_dvc_s_reason_is_told_not_its_farewell(said, reason):
    assert store.reason(said) == reason


def test_a_command_that_fails_tells_the_reason(root):
    with pytest.raises(RetraceError, match=r"^dvc fetch nowhere\.dvc failed: .*nowhere.*\(see: dvc fetch"):
        store.dvc(root, "fetch", "nowhere.dvc")
