"""Where the accelerator of the larger scales is looked for."""

import pytest

from retrace.config import Config
from retrace.errors import RetraceError
from retrace.planning import preflight
from retrace.planning.preflight import check_folders, check_scale_runs, device_of_jobs


@pytest.fixture
def login_node(monkeypatch):
    monkeypatch.setattr(preflight, "has_accelerator", lambda: False)


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_login_node_needs_no_accelerator(device, login_node, tmp_path):
    config = Config(scale="gpu", device=device)
    check_scale_runs(config, [], tmp_path, here=False)
    with pytest.raises(RetraceError, match="scale gpu needs an accelerator") as caught:
        check_scale_runs(config, [], tmp_path)
    assert "\n" not in str(caught.value)


def test_data_are_looked_for_wherever_jobs_run(login_node, tmp_path):
    with pytest.raises(RetraceError, match="needs svhn"):
        check_scale_runs(Config(scale="gpu"), [{"dataset": "svhn"}], tmp_path, here=False)


def test_no_job_of_a_larger_scale_falls_back_to_a_cpu():
    scales = ("smoke", "laptop", "gpu", "paper")
    asked = {scale: device_of_jobs(Config(scale=scale), True) for scale in scales}
    assert asked == {"smoke": "auto", "laptop": "auto", "gpu": "cuda", "paper": "cuda"}
    assert device_of_jobs(Config(scale="gpu", device="cpu"), True) == "cpu"
    assert device_of_jobs(Config(scale="gpu"), False) == "cpu"


@pytest.mark.parametrize("name", [".snakemake/metadata", "evidence", "results"])
def test_another_s_checkout_is_refused_in_one_line(name, tmp_path, monkeypatch):
    check_folders(tmp_path)
    (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(preflight.os, "access", lambda path, mode: path != tmp_path / name)
    with pytest.raises(RetraceError, match=r"you may not write there; run in a clone of your own") as caught:
        check_folders(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / name))
