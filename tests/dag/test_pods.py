"""Jobs in empty folders that share nothing with this one but a storage: what pods of Kubernetes are given.

An executor that runs scripts stands in for the cluster: each job gets a folder of its own with the files of
git, as Snakemake deploys them, and the command line that a pod would run.
"""

import importlib.util
import shutil
import subprocess
from collections import Counter

import pytest
import yaml
from dag_clone import REPOSITORY, STAGES

PLUGINS = ("snakemake_executor_plugin_cluster_generic", "snakemake_storage_plugin_fs")
LACKING = [name for name in PLUGINS if importlib.util.find_spec(name) is None]
SUBMIT = """#!/bin/bash
pod=$(mktemp -d {pods}/XXXXXX)
cp "$1" $pod/job.sh
git -C {clone} ls-files -z | (cd {clone} && xargs -0 cp --parents -t $pod)
export PYTHONPATH=$pod/src
(cd $pod && bash job.sh > out.log 2>&1; echo $? > status) &
echo $pod
"""
STATUS = """#!/bin/bash
[ -f $1/status ] || {{ echo running; exit; }}
[ "$(cat $1/status)" = 0 ] && echo success || echo failed
"""


@pytest.fixture
def cluster(source, tmp_path):
    """A clone that is a git repository, and what `snakemake` is told of the cluster and the storage."""
    clone = source.copy(tmp_path / "clone")
    subprocess.run(("git", "init", "-q"), cwd=clone.root, check=True)
    subprocess.run(("git", "add", "-A"), cwd=clone.root, check=True)
    (tmp_path / "pods").mkdir()
    (tmp_path / "kept").mkdir()
    options = ["--executor", "cluster-generic", "--jobs", "2", "--shared-fs-usage", "none"]
    for name, text in {"submit": SUBMIT, "status": STATUS}.items():
        script = tmp_path / name
        script.write_text(text.format(pods=tmp_path / "pods", clone=clone.root))
        script.chmod(0o755)
        options += [f"--cluster-generic-{name}-cmd", str(script)]
    options += ["--default-storage-provider", "fs", "--default-storage-prefix", str(tmp_path / "kept")]
    return clone, options, tmp_path / "pods"


@pytest.mark.slow
@pytest.mark.skipif(bool(LACKING), reason=f"no {LACKING}: envs/requirements-kubernetes.txt, -storage.txt")
@pytest.mark.skipif(not shutil.which("rsync"), reason="no rsync, which the fs plugin calls")
def test_jobs_that_share_no_folder_give_what_a_run_here_gives(cluster, finished):
    clone, options, pods = cluster
    done = clone.snakemake("dummy", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = Counter(
        (pod / "job.sh").read_text().split("--allowed-rules ")[1].split()[0] for pod in pods.iterdir()
    )
    assert ran == {f"dummy_{verb}_job": count for verb, count in STAGES.items()}
    assert not (clone.root / "evidence").exists()
    for pod in pods.iterdir():
        assert not (pod / "evidence").exists()
    (own,) = (clone.root / "results/smoke/verdicts").glob("*.json")
    (there,) = (finished.root / "results/smoke/verdicts").glob("*.json")
    told, wanted = (yaml.safe_load(path.read_text())["claims"] for path in (own, there))
    assert [(c["id"], c["verdict"], c["measured"]) for c in told] == [
        (c["id"], c["verdict"], c["measured"]) for c in wanted
    ]
    again = clone.snakemake("dummy", *options)
    assert again.returncode == 0
    assert len(list(pods.iterdir())) == sum(STAGES.values())


def test_the_profile_says_all_that_the_default_does_and_shares_nothing():
    own, default = (
        yaml.safe_load((REPOSITORY / f"profiles/{name}/config.yaml").read_text())
        for name in ("kubernetes", "default")
    )
    assert {name for name in default if name not in own} == {"cores", "resources"}
    assert {name for name in own.keys() & default.keys() if own[name] != default[name]} == set()
    assert own["shared-fs-usage"] == "none"
    assert own["container-image"].endswith(":0.1.0")
