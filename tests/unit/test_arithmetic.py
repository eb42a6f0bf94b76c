"""A GPU's arithmetic is settled in a process of its own: what is set there is set for good."""

import subprocess
import sys

SAYS = """
import os, sys
from retrace.verbs.arithmetic import settle
settle({device!r})
print("torch" in sys.modules, os.environ.get("CUBLAS_WORKSPACE_CONFIG"))
import torch
print(torch.backends.cudnn.allow_tf32, torch.are_deterministic_algorithms_enabled(),
      torch.is_deterministic_algorithms_warn_only_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled())
"""


def said(device):
    done = subprocess.run([sys.executable, "-c", SAYS.format(device=device)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_on_a_gpu_float32_is_float32_and_sums_have_an_order():
    assert said("cuda") == ["True", ":4096:8", "False", "True", "True", "False"]


def test_on_a_cpu_nothing_is_loaded_and_nothing_changes():
    assert said("cpu") == ["False", "None", "True", "False", "False", "True"]
