"""Whatever a job lacks is said in one line."""

from __future__ import annotations

import pytest
import torch

from retrace.verbs import dispatch


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB"), "on the accelerator"),
        (MemoryError(), "run fewer jobs at once"),
    ],
)
def test_memory_that_lacks_is_one_line_without_a_trace(monkeypatch, tmp_path, capsys, error, words):
    def short(job, root):
        raise error

    monkeypatch.setattr(dispatch, "read_job", lambda text: type("Job", (), {"label": "reuse train c s0"}))
    monkeypatch.setattr(dispatch, "_dispatch", short)
    assert dispatch.run("", tmp_path) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("retrace: reuse train c s0: out of memory")
    assert words in line
