"""Evidence and products kept by a storage provider: the same results as on this disk, made once."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import time
from collections import Counter
from pathlib import PurePath

import pytest
from dag_clone import WHOLE_RUN, Clone

INSTALL = "python3 envs/run.py pip install --no-deps -r envs/requirements-storage.txt"
pytestmark = pytest.mark.slow


class Folder:
    """The fs provider: a folder beside the clone."""

    lacking = "" if shutil.which("rsync") else "no rsync, which the fs plugin calls"
    plugin = "snakemake_storage_plugin_fs"

    def __init__(self, place):
        self.place = place
        place.mkdir()
        self.options = ("--default-storage-provider", "fs", "--default-storage-prefix", str(place))

    def names(self):
        return {path.relative_to(self.place).as_posix() for path in self.place.rglob("*") if path.is_file()}

    def bring(self, root):
        shutil.copytree(self.place, root, dirs_exist_ok=True)

    def put(self, path, name):
        (self.place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, self.place / name)

    def lose(self, name):
        (self.place / name).unlink()

    def close(self):
        pass


class Bucket:
    """The s3 provider: a bucket of a server on this machine."""

    lacking = "" if shutil.which("moto_server") else "no moto_server on the path (pip install 'moto[server]')"
    plugin = "snakemake_storage_plugin_s3"

    def __init__(self, place):
        import boto3
        import botocore.exceptions

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        self.server = subprocess.Popen(
            ("moto_server", "-H", "127.0.0.1", "-p", port),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url, self.bucket = f"http://127.0.0.1:{port}", place.name
        self.client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1"
        )
        for _ in range(300):  # half a minute for it to listen
            try:
                self.client.create_bucket(Bucket=self.bucket)
                break
            except botocore.exceptions.EndpointConnectionError:
                time.sleep(0.1)
        given = {"endpoint-url": url, "access-key": "k", "secret-key": "s", "region": "us-east-1"}
        self.options = (
            *("--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{self.bucket}"),
            *(word for name, value in given.items() for word in (f"--storage-s3-{name}", value)),
        )

    def names(self):
        return {entry["Key"] for entry in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])}

    def bring(self, root):
        for name in self.names():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            self.client.download_file(self.bucket, name, str(root / name))

    def put(self, path, name):
        self.client.upload_file(str(path), self.bucket, name)

    def lose(self, name):
        self.client.delete_object(Bucket=self.bucket, Key=name)

    def close(self):
        self.server.terminate()
        self.server.wait(30)


@pytest.fixture(params=[Folder, Bucket], ids=["fs", "s3"])
def kept(request, tmp_path):
    """An empty storage of one kind."""
    kind = request.param
    if importlib.util.find_spec(kind.plugin) is None:
        pytest.skip(f"no plugin: {INSTALL}")
    if kind.lacking:
        pytest.skip(kind.lacking)
    storage = kind(tmp_path / "kept")
    yield storage
    storage.close()


def made(clone, kept, *targets):
    """Jobs that ran, by verb, with `kept` as the storage; and what was said."""
    before = kept.names()
    done = clone.snakemake(*targets, *kept.options)
    assert done.returncode == 0, done.stdout + done.stderr
    logs = [PurePath(name).parts[1:] for name in kept.names() - before if name.endswith(".log")]
    stages = Counter(parts[-1].split("-")[0] for parts in logs if parts[0] == "dummy")
    return stages + Counter(parts[0] for parts in logs if parts[0] != "dummy"), done.stderr


def test_a_run_on_storage_gives_what_a_run_here_gives(source, finished, kept, tmp_path):
    clone = source.copy(tmp_path / "clone")
    jobs, said = made(clone, kept, "dummy")
    assert jobs == WHOLE_RUN
    assert "supported" in said or "open" in said  # the table is read from the published copies
    assert not (clone.root / "evidence").exists()
    there = Clone(tmp_path / "there")
    kept.bring(there.root)
    assert there.results() == finished.results()
    assert there.verdict() == finished.verdict()
    assert clone.files("results/smoke/figures/**/*.png")  # what people look at lies here
    again, _ = made(clone, kept, "dummy")
    assert not again


def test_what_storage_lost_is_made_again(source, finished, kept, tmp_path):
    clone = source.copy(tmp_path / "clone")
    for path in finished.files("evidence/**/*") + finished.files("results/**/*"):
        kept.put(path, path.relative_to(finished.root).as_posix())
    (lost,) = (name for name in kept.names() if name.startswith("results/judge/"))
    kept.lose(lost)
    jobs, _ = made(clone, kept, "dummy")
    assert set(jobs) <= {"judge", "draw", "publish"}
    assert lost in kept.names()
    there = Clone(tmp_path / "there")
    kept.bring(there.root)
    assert there.verdict()["claims"] == finished.verdict()["claims"]
