"""Arithmetic is settled in a process of its own: what is set there is set for good."""

import subprocess
import sys

import pytest

from retrace.verbs import bfloat16
from retrace.verbs.arithmetic import settle

SAYS = """
import os, sys
from retrace.verbs.arithmetic import settle
settle({device!r}, False, {{}})
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


PRODUCTS = """
import torch
import torch.nn.functional as F
from retrace.verbs.bfloat16 import multiply_in_float32

torch.manual_seed(0)
half, shapes = torch.bfloat16, [(1, 5), (3, 40), (17, 40), (64, 64)]
given = [(torch.randn(n, k), torch.randn(k, k), torch.randn(k)) for n, k in shapes]
stacks = [torch.randn(2, n, k) for n, k in shapes]

def products(dtype):
    made = []
    for (x, w, b), s in zip(given, stacks):
        x, w, b, s = (t.detach().to(dtype, copy=True).requires_grad_() for t in (x, w, b, s))
        outs = [x @ w, F.linear(x, w), F.linear(x, w, b), s @ s.transpose(1, 2), F.linear(s, w, b)]
        sum(out.float().square().sum() for out in outs).backward()
        made += [out.detach() for out in outs] + [x.grad, w.grad, b.grad, s.grad]
    return made

exact, own = products(torch.float32), products(half)
wide = products(torch.float64)
multiply_in_float32()
multiply_in_float32()
for wanted, found in zip(exact, products(torch.float32)):
    assert torch.equal(wanted, found)
for wanted, found in zip(wide, products(torch.float64)):
    assert torch.equal(wanted, found)
for wanted, mine, found in zip(exact, own, products(half)):
    assert found.dtype is half
    scale = wanted.abs().max()
    error, theirs = ((other.float() - wanted).abs().max() / scale for other in (found, mine))
    assert error <= 1.5 * theirs + 2**-9, (error, theirs)
out, c = torch.empty(17, 40, dtype=half), torch.randn(40).to(half)
x, w, _ = (t.to(half) for t in given[2])
assert torch.allclose(torch.addmm(c, x, w, beta=2, alpha=0.5), 2 * c + 0.5 * (x @ w), atol=0.1)
wrong = [(lambda: x @ w[:5], "cannot be multiplied"), (lambda: x @ w.float(), "dtype")]
for product, words in [*wrong, (lambda: torch.addmm(c.float(), x, w), "dtype")]:
    try:
        product()
    except RuntimeError as error:
        assert words in str(error), error
    else:
        raise AssertionError(words)
"""


def test_bfloat16_is_multiplied_as_exactly_in_float32_and_nothing_else_changes():
    done = subprocess.run([sys.executable, "-W", "error", "-c", PRODUCTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"precision": "bfloat16"}, True),
        ({"training": {"half": True}}, True),
        ({"models": [{"precision": "bfloat16"}]}, True),
        ({"precision": "float32", "half": False}, False),
        ({"half": 1, "text": "half"}, False),
        ({}, False),
    ],
)
def test_whether_a_job_asks_for_bfloat16(params, wanted, monkeypatch):
    assert bfloat16.wanted(params) == wanted
    made = []
    monkeypatch.setattr(bfloat16, "multiply_in_float32", lambda: made.append(1))
    monkeypatch.setattr(bfloat16, "supported", lambda: False)
    said = settle("cpu", True, params)
    assert bool(made) == bool(said) == wanted
    monkeypatch.setattr(bfloat16, "supported", lambda: True)
    assert settle("cpu", True, params) == settle("cpu", False, params) == {}
    assert len(made) == wanted
