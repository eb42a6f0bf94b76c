"""Networks under audit: logits in batches, files of torch.export and TorchScript, shadows of one's own."""

import numpy as np
import pytest
import torch
from torch import nn

from retrace.auditing.command import run
from retrace.auditing.networks import logits_of, read_network, torch_trainer
from retrace.errors import RetraceError


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def exported(path, net):
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(net.eval(), (torch.zeros(5, 4),), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)


def test_logits_are_those_of_evaluation_whatever_the_batch_and_the_mode_comes_back():
    net, x = network().train(), np.random.default_rng(0).normal(size=(7, 4))
    got = logits_of(net, x, batch=3)
    assert net.training
    with torch.no_grad():
        assert np.allclose(got, net.eval()(torch.as_tensor(x).float()), atol=1e-6)
    assert got.shape == (7, 3)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Linear(5, 3), r"the model fails on inputs of shape \(2, 4\)"),
        (lambda x: x.sum(), r"must return logits \(2, classes\); it returned \(\)"),
        (lambda x: (x, x), "it returned tuple"),
    ],
)
def test_a_model_that_does_not_fit_is_one_line(model, words):
    with pytest.raises(RetraceError, match=words) as error:
        logits_of(model, np.zeros((2, 4)))
    assert "\n" not in str(error.value)


def test_both_kinds_of_files_answer_as_the_network_and_weights_alone_are_refused(tmp_path):
    net, x = network().eval(), np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    exported(tmp_path / "net.pt2", net)
    torch.jit.trace(net, torch.zeros(2, 4)).save(str(tmp_path / "net.pt"))
    torch.save(net.state_dict(), tmp_path / "weights.pt")
    for name in ("net.pt2", "net.pt"):
        assert np.allclose(logits_of(read_network(tmp_path / name), x), logits_of(net, x), atol=1e-5)
    for name in ("weights.pt", "absent.pt"):
        with pytest.raises(RetraceError, match=name) as error:
            read_network(tmp_path / name)
        assert "\n" not in str(error.value)


def test_a_file_of_a_network_is_audited_with_its_references(tmp_path):
    rng = np.random.default_rng(0)
    sides = {
        f"{side}_inputs": rng.normal(size=(40, 4)).astype(np.float32) for side in ("member", "nonmember")
    }
    labels = {f"{side}_labels": rng.integers(0, 3, 40) for side in ("member", "nonmember")}
    np.savez(tmp_path / "data.npz", **sides, **labels)
    for number in range(3):
        exported(tmp_path / f"{number}.pt2", network(number))
    files = [tmp_path / f"{number}.pt2" for number in range(3)]
    told = run(tmp_path / "data.npz", tmp_path / "out.html", model=files[0], references=files[1:])
    assert "lira_offline" in told
    with pytest.raises(RetraceError, match="--reference goes with --model"):
        run(tmp_path / "data.npz", tmp_path / "other.html", references=files)


def test_the_trainer_learns_repeats_itself_and_leaves_the_random_state():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    train = torch_trainer(lambda: nn.Linear(4, 2), epochs=30, rate=0.05)
    torch.manual_seed(5)
    first = train(x, y, 1)(x)
    after = torch.rand(1)
    assert (first.argmax(1) == y).mean() > 0.95
    assert (train(x, y, 1)(x) == first).all()
    assert (train(x, y, 2)(x) != first).any()
    torch.manual_seed(5)
    assert torch.rand(1) == after
    with pytest.raises(RetraceError, match="epochs and batch from 1"):
        torch_trainer(lambda: nn.Linear(4, 2), epochs=0)
