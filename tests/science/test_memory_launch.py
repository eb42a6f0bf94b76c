"""The rule by which a scan is recorded or launched plainly, with stand-ins for recording and clock."""

import gc
import itertools

import pytest
import torch

from retrace.nets.memory.base import detach
from retrace.nets.memory.launch import (
    KEPT,
    SHORTEST,
    Launcher,
    Tensors,
    launched,
    padded,
    record,
    undisturbed,
)
from retrace.nets.memory.registry import BUILDERS, build
from retrace.training.sequences import FitSettings, Piece, fit

STEPS, BATCH, INPUTS, OUTPUTS = 5, 3, 4, 2


class Recorder:
    """Replays by calling a copy, perhaps spoilt; `refuses` as an operation that cannot be recorded."""

    def __init__(self, error=0.0, refuses=False):
        self.error, self.refuses, self.made = error, refuses, []

    def __call__(self, whole, given):
        assert isinstance(whole, Tensors)
        if self.refuses:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.made.append(whole)
        whole.runs = 0

        def replay(*now):
            whole.runs += 1
            out, *state = whole(*now)
            return out + self.error, *state

        return replay


def clock(plain, recorded):
    """Says these milliseconds; counts by call, since the ways are timed one after the other."""
    calls = iter([plain] * 5 + [recorded] * 5)

    def time(run):
        run()
        return next(calls)

    return time


def ever_faster():
    """Says less each time: the recording, timed last, wins."""
    calls = itertools.count()

    def time(run):
        run()
        return -float(next(calls))

    return time


def network(name="armin-soft"):
    return build(name, INPUTS, OUTPUTS, 6, 4, 3, seed=0).train()


def pieces(count=3):
    made = torch.Generator().manual_seed(1)
    x = torch.rand(count, STEPS, BATCH, INPUTS, generator=made)
    y = torch.randint(0, OUTPUTS, (count, STEPS, BATCH), generator=made)
    return [Piece(a, b, fresh=n == 0) for n, (a, b) in enumerate(zip(x, y, strict=True))]


def trained(net):
    history = fit(net, pieces(), "every", FitSettings(window=1), seed=3)
    return history.loss, [p.detach().clone() for p in net.parameters()]


@pytest.mark.parametrize("name", BUILDERS)
def test_training_by_recordings_is_training_without(name, monkeypatch):
    record = Recorder()
    plain_loss, plain = trained(network(name))
    net = network(name)
    net.scan = Launcher(net, record, ever_faster())
    loss, weights = trained(net)
    assert loss == plain_loss
    assert all(torch.equal(a, b) for a, b in zip(weights, plain, strict=True))
    assert record.made
    assert all(whole.runs > 6 for whole in record.made)  # more often than to compare and to time


def test_the_faster_way_is_taken():
    for times, replays in (((2.0, 1.0), True), ((1.0, 2.0), False)):
        net, record = network(), Recorder()
        net.scan = Launcher(net, record, clock(*times))
        x = pieces(1)[0].x
        net(x)
        [whole] = record.made
        before = whole.runs
        net(x)
        assert (whole.runs > before) is replays
        assert len(record.made) == 1  # measured once


@pytest.mark.parametrize(
    ("recorder", "says"), [(Recorder(error=1e-3), "other numbers"), (Recorder(refuses=True), "not permitted")]
)
def test_a_recording_that_fails_or_differs_is_not_used(recorder, says):
    net = network()
    wanted = net(pieces(1)[0].x)[0]
    net.scan = Launcher(net, recorder, clock(2.0, 1.0))
    with pytest.warns(UserWarning, match=says):
        found = net(pieces(1)[0].x)[0]
    assert torch.equal(found, wanted)


def test_what_changes_the_scan_is_recorded_apart():
    net, record = network(), Recorder()
    launcher = net.scan = Launcher(net, record, ever_faster())
    x = pieces(1)[0].x
    _, state, _ = net(x)
    net(x, detach(state))  # steps of the state, and what needs a gradient
    net(x[:2])
    net.eval()
    net(x)
    assert len(record.made) == len(launcher.ways) == 4
    with torch.no_grad():
        net(x[:3])
    assert net(x[:3], reads=True)[2].shape == (3, BATCH, net.slots)
    assert len(record.made) == 4


@pytest.mark.parametrize("name", BUILDERS)
def test_the_temperature_is_recorded_only_where_reads_are_hard(name):
    net, record = network(name), Recorder()
    net.scan = Launcher(net, record, ever_faster())
    x = pieces(1)[0].x
    for kappa in (1.0, 2.0, 3.0):
        net.set_kappa(kappa)
        net(x)
    assert len(record.made) == (3 if name in ("armin-hard", "armin-pixels", "tardis", "awta") else 1)


def test_a_recording_that_had_to_make_room_is_never_measured_again():
    net, record = network(), Recorder()
    launcher = net.scan = Launcher(net, record, ever_faster())
    x = torch.rand(2, KEPT + 3, INPUTS)
    for batch in [*range(1, KEPT + 4)] * 2:
        net(x[:, :batch])
    assert len(record.made) == len(launcher.ways) == KEPT + 3
    assert sum(way is not None for way in launcher.ways.values()) == KEPT
    evicted, held = record.made[0].runs, record.made[-1].runs
    net(x[:, :1])
    net(x)
    assert (record.made[0].runs, record.made[-1].runs) == (evicted, held + 1)


def test_many_lengths_are_padded_to_a_few():
    found = {padded(steps) for steps in range(4, 101)}
    assert found == {8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112}
    assert all(steps <= padded(steps) <= max(steps * 1.25, SHORTEST * (steps // SHORTEST + 1))
               for steps in range(1, 1000))  # fmt: skip


@pytest.mark.parametrize("name", BUILDERS)
def test_padding_changes_neither_loss_nor_gradient(name):
    net, plain, record = network(name), network(name), Recorder()
    net.scan = Launcher(net, record, ever_faster(), varied=True)
    for steps in (9, 11, 14):
        x, losses = torch.rand(steps, BATCH, INPUTS), []
        for one in (net, plain):
            torch.manual_seed(3)
            one.zero_grad()
            y, _, _ = one(x)
            assert y.shape == (steps, BATCH, OUTPUTS)
            y.square().mean().backward()
            losses.append(y.detach())
        assert torch.allclose(*losses, atol=1e-6)
        for a, b in zip(net.parameters(), plain.parameters(), strict=True):
            assert a.grad is b.grad is None or torch.allclose(a.grad, b.grad, atol=1e-5)
    assert len(record.made) == 1
    assert record.made[0].runs > 3


@pytest.mark.parametrize("name", ["armin-soft", "tardis", "awta", "random-address"])
def test_a_full_memory_needs_no_new_recording(name):
    net, record = network(name), Recorder()
    plain = network(name)
    net.scan = Launcher(net, record, ever_faster())
    states = [None, None]
    for part in pieces(6):
        outs = []
        for n, one in enumerate((plain, net)):
            torch.manual_seed(2)
            y, state, _ = one(part.x, states[n])
            states[n] = detach(state)
            outs.append(y)
        assert torch.equal(*outs)
        assert states[0].steps == states[1].steps
    assert len(record.made) == 2  # fresh, and full: four slots are filled by five steps
    assert record.made[1].runs > 6


def test_nothing_changes_without_a_gpu():
    net = network()
    with launched(net):
        assert "scan" not in vars(net)


def test_no_recording_is_freed_while_another_is_made(monkeypatch):
    class Old:
        def __init__(self):
            self.itself = self  # only the collector frees it

        def __del__(self):
            freed.append(0)

    def make(whole, samples, **_):
        assert freed  # before
        collecting.append(gc.isenabled())
        return whole

    freed, collecting = [], []
    Old()
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", make)
    record(Tensors(network(), (), False), ())
    assert collecting == [False]
    assert gc.isenabled()


def test_after_a_failed_recording_the_random_stream_draws_again(monkeypatch):
    class Stream:
        state = "counts as recorded"

        def clone_state(self):
            return "fresh"

        def graphsafe_set_state(self, state):
            self.state = state

    stream = Stream()
    monkeypatch.setattr(torch.cuda, "default_generators", [stream])
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    with undisturbed():
        pass
    assert stream.state == "counts as recorded"
    with pytest.raises(RuntimeError, match="capturing"), undisturbed():
        raise RuntimeError("operation not permitted when stream is capturing")
    assert stream.state == "fresh"
    assert gc.isenabled()
