"""The pass of statistics for compressors equals the direct sums, and edited layers are seen by later ones."""

import pytest
import torch

from retrace.llm import tiny
from retrace.llm.kernels import grams, statistics
from retrace.llm.rows import Row
from retrace.stage import StageError

NET = tiny.network(3)
ROWS = torch.randint(0, 250, (9, 16), generator=torch.Generator().manual_seed(0)).tolist()


@pytest.mark.parametrize("tile", [20, 192])
def test_moments_are_those_of_the_slow_pass(tile, monkeypatch):
    monkeypatch.setattr(grams, "TILE", tile)
    slow = statistics.moments(NET, [Row(tuple(row), 1) for row in ROWS])
    for found, expected in zip(grams.grams(NET, ROWS, budget=40), slow, strict=True):
        for name, gram in found.items():
            hessian = expected[name].hessian.float()
            torch.testing.assert_close(gram.hessian, hessian, rtol=1e-4, atol=1e-4 * float(hessian.max()))
            torch.testing.assert_close(gram.norms, expected[name].norms.float(), rtol=1e-4, atol=1e-5)
            assert gram.n == 9 * 16


def test_mean_sizes_are_of_absolute_values():
    gram = grams._empty(2, torch.device("cpu"))
    gram.add(torch.tensor([[1.0, -3.0], [-1.0, 1.0]]))
    assert gram.mean_size.tolist() == [1, 2]
    assert gram.hessian.tolist() == [[2, -4], [-4, 10]]


def test_edited_layers_are_seen_by_later_ones():
    def second(edit):
        net = tiny.network(3)
        found = []
        for number, sums in enumerate(grams.grams(net, ROWS, edited=edit)):
            found.append(sums["attention"].hessian)
            if number == 0:
                net.model.layers[0].mlp.down_proj.weight.data.zero_()
        return found

    dense, edited = second(False), second(True)
    torch.testing.assert_close(dense[0], edited[0])
    assert not torch.allclose(dense[1], edited[1])


def test_a_calibration_shorter_than_the_width_is_one_line():
    with pytest.raises(StageError, match=r"calibration of 32 tokens is shorter than the widest input \(64"):
        next(grams.grams(NET, ROWS[:2]))
