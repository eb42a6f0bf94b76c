"""Memory networks: sizes, interface, closed forms of their parts, bad input."""

import numpy as np
import pytest
import torch

from retrace.nets.memory.address import TardisAddress, gumbel, hard, place, store
from retrace.nets.memory.base import MemoryNet, Stepped, detach, parameter_count
from retrace.nets.memory.content import similarity
from retrace.nets.memory.cost import saved_bytes
from retrace.nets.memory.dnc import allocation, link
from retrace.nets.memory.registry import BUILDERS, build
from retrace.nets.memory.sam import sparse
from retrace.nets.memory.tardis import Addressed
from retrace.stage import StageError

TASKS = {"copy": (10, 8), "repeat": (10, 9), "recall": (8, 6), "sort": (9, 8)}
NTM_DEAD = 2 * 120 + 128 * 20 + 121 * 20  # weights of the official code that never get a gradient
PUBLISHED = {
    ("lstm", 300, 50, 32): (375_608, 375_909, 372_606, 374_408),
    ("tardis", 100, 50, 32): (69_127, 69_260, 67_943, 68_668),
    ("awta", 100, 50, 32): (92_193, 92_326, 90_685, 91_572),
    ("armin-soft", 100, 50, 32): (92_518, 92_651, 90_960, 91_872),
    ("armin-hard", 100, 50, 32): (92_518, 92_651, 90_960, 91_872),
    ("ntm", 120, 128, 20): tuple(n - NTM_DEAD for n in (90_820, 90_961, 89_578, 90_340)),
}


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda model: model[0])
def test_parameter_counts_are_those_of_the_official_code(model):
    name, *sizes = model
    found = [parameter_count(build(name, x, y, *sizes)) for x, y in TASKS.values()]
    assert tuple(found) == PUBLISHED[model]


def test_parameter_counts_by_closed_form():
    x, y, h, n, r = 10, 8, 120, 128, 20
    controller, head = 4 * h * (x + r + h + 2), (h + r + 1) * y
    assert parameter_count(build("dnc", x, y, h, n, r)) == controller + head + (h + 1) * (4 * r + 8)
    assert parameter_count(build("sam", x, y, h, n, r)) == controller + head + (h + 1) * (2 * r + 3)
    armin = parameter_count(build("armin-hard", x, y, 100, 50, 32))
    assert armin - parameter_count(build("random-address", x, y, 100, 50, 32)) == 50 * (10 + 100 + 1)


@pytest.mark.parametrize("name", BUILDERS)
def test_one_interface(name):
    net = build(name, 5, 3, 16, 6, 4, seed=1)
    x = torch.rand(9, 2, 5)
    y, state, reads = net(x, reads=True)
    assert y.shape == (9, 2, 3)
    if name != "lstm":
        assert reads.shape == (9, 2, 6)
        assert not reads.requires_grad
        # NTM and DNC may read nothing yet; nobody reads more than one slot's worth.
        assert (reads.sum(2) <= 1 + 1e-4).all()
        assert (reads >= 0).all()
    y.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters() if p.requires_grad)
    cut = detach(state)
    assert type(cut) is type(state)
    assert not any(part.requires_grad for part in cut if isinstance(part, torch.Tensor))
    assert net(x, cut)[2] is None


@pytest.mark.parametrize("name", BUILDERS)
def test_a_sequence_in_two_parts_is_the_sequence(name):
    net = build(name, 5, 3, 16, 6, 4, seed=1).double().eval()
    x = torch.randn(11, 2, 5, dtype=torch.float64)
    with torch.no_grad():
        torch.manual_seed(3)
        whole, _, _ = net(x)
        torch.manual_seed(3)
        first, state, _ = net(x[:4])
        second, _, _ = net(x[4:], state)
    assert torch.allclose(whole[:4], first, atol=1e-12)
    assert torch.allclose(whole[4:], second, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in BUILDERS if name != "random-address"])
def test_evaluation_has_no_noise(name):
    net = build(name, 5, 3, 16, 6, 4, seed=1).eval()
    x = torch.rand(9, 2, 5)
    assert torch.equal(net(x)[0], net(x)[0])


def test_a_seed_decides_all_weights_and_leaves_the_global_state():
    before = torch.random.get_rng_state()
    one, two = (build("armin-soft", 5, 3, 16, 6, 4, seed=7) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), two.parameters(), strict=True))


def test_armin_step_by_its_equations():
    """Against NumPy, written from the equations; the update's rows are j, i, f, o, q."""
    net = build("armin-soft", 2, 1, 3, 4, 2, seed=0).double()
    with torch.no_grad():
        net.cell.memory.normal_()
    x = np.random.default_rng(0).normal(size=(6, 2))
    w = {name: p.detach().numpy() for name, p in net.named_parameters()}

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    h, memory, expected = np.tanh(w["cell.h"]), w["cell.memory"].copy(), []
    for t, now in enumerate(x):
        a = np.exp(w["address.weight"] @ np.concatenate([now, h]) + w["address.bias"])
        read = a / a.sum()
        r = read @ memory
        g = sigmoid(w["cell.gate.weight"] @ np.concatenate([now, h, r]) + w["cell.gate.bias"])
        gated = np.concatenate([now, g * np.concatenate([h, r])])
        z = w["cell.update.weight"] @ gated + w["cell.update.bias"]
        j, i, f, o, q = np.split(z, [3, 6, 9, 12])
        h = np.tanh(h * sigmoid(f + 1) + sigmoid(i) * np.tanh(j))
        expected.append(w["head.weight"] @ np.concatenate([h * sigmoid(o), r * sigmoid(q)]) + w["head.bias"])
        v = w["cell.write.weight"] @ np.concatenate([now, h]) + w["cell.write.bias"]
        u = np.eye(4)[t] if t < 4 else read
        memory = memory * (1 - u)[:, None] + u[:, None] * v
    for net.fused in (True, False):
        found = net(torch.from_numpy(x)[:, None])[0][:, 0]
        assert np.allclose(found.detach().numpy(), expected, atol=1e-12)


def test_the_pixel_task_writes_from_the_next_state_alone_and_starts_from_a_normal_draw():
    """The official pmnist_task/marnn.py: write W h', start N(0, 1), head by Xavier with bias 0."""
    net = build("armin-pixels", 2, 5, 400, 4, 300, seed=0)
    with torch.no_grad():
        other = build("armin-hard", 2, 5, 400, 4, 300, seed=0)
        assert parameter_count(other) - parameter_count(net) == 300 * 2  # no weight from x to what is written
    assert net.read == "hard"
    h = net.cell.h.detach()
    assert h.min() < -1.5  # a uniform draw from 0 to 1 has none
    assert abs(float(h.std()) - 1) < 0.1
    assert net.head.weight.detach().std().item() == pytest.approx((2 / (700 + 5)) ** 0.5, rel=0.1)
    x, r = torch.rand(3, 2), torch.rand(3, 300)
    following, _, what = net.cell(x, h.expand(3, -1), r)
    assert torch.allclose(what, following @ net.cell.write.weight.T + net.cell.write.bias)


def test_a_network_without_its_parts_cannot_be_made():
    for whole, missing in ((MemoryNet, "start"), (Stepped, "step"), (Addressed, "integrate")):
        partial = type("Partial", (whole,), {})
        with pytest.raises(TypeError, match=f"abstract methods? .*{missing}"):
            partial(2, 1, 3, 4, 2)


def test_lstm_by_its_equations():
    net = build("lstm", 2, 1, 3, 1, 1, seed=0)
    x, h, c = torch.randn(4, 1, 2), torch.zeros(1, 3), torch.zeros(1, 3)
    for now in x:
        z = now @ net.lstm.weight_ih_l0.T + h @ net.lstm.weight_hh_l0.T + net.lstm.bias_ih_l0
        i, f, g, o = z.chunk(4, 1)
        c = (f + 1).sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
    assert torch.allclose(net(x)[1].h, h, atol=1e-6)


def test_straight_through_is_one_hot_with_the_gradient_of_a_softmax():
    scores = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    what = torch.randn(3, 5, dtype=torch.float64)
    one = hard(scores, 2.5)
    assert torch.equal(one.argmax(1), scores.argmax(1))
    assert torch.allclose(one.sum(1), torch.ones(3, dtype=torch.float64))
    (found,) = torch.autograd.grad((one * what).sum(), scores)
    (expected,) = torch.autograd.grad(((2.5 * scores).softmax(1) * what).sum(), scores)
    assert torch.allclose(found, expected)


def test_gumbel_noise_makes_draws_by_softmax():
    torch.manual_seed(0)
    scores = torch.tensor([0.0, 1.0, 2.0])
    drawn = (scores + gumbel(scores, 1, 40_000, 3)[0]).argmax(1)
    assert torch.allclose(drawn.bincount(minlength=3) / 40_000, scores.softmax(0), atol=0.01)


def test_random_address_reads_every_slot_alike():
    torch.manual_seed(0)
    net = build("random-address", 2, 1, 8, 4, 3, seed=0).eval()
    _, _, reads = net(torch.rand(100, 100, 2), reads=True)
    assert torch.allclose(reads.mean((0, 1)), torch.full((4,), 0.25), atol=0.02)


def test_writes_fill_the_slots_and_then_go_where_was_read():
    read, what = torch.rand(2, 3).softmax(1).requires_grad_(), torch.rand(2, 4)
    memory = torch.zeros(2, 3, 4)
    for t in range(3):
        memory = store(memory, place(t, read), what + t)
        assert torch.equal(memory[:, t], what + t)
    assert not place(3, read).requires_grad
    assert torch.allclose(place(3, read), read)


def test_tardis_scores_equal_one_layer_on_everything_joined():
    torch.manual_seed(0)
    address = TardisAddress(3, 8, 5, 4, 2)
    x, h, memory = torch.randn(2, 3), torch.randn(2, 8), torch.randn(2, 5, 4)
    usage, last = torch.rand(2, 5), torch.eye(5)[:2]
    joined = [
        torch.cat([x, h], 1)[:, None].expand(-1, 5, -1),
        address.keys.expand(2, -1, -1),
        memory,
        (usage / usage.norm(dim=1, keepdim=True))[:, None].expand(-1, 5, -1),
    ]
    score = (address.mix(torch.cat(joined, 2)).tanh() @ address.vector)[..., 0] - 100 * last
    expected = score / score.norm(dim=1, keepdim=True)
    assert torch.allclose(address(x, h, memory, usage, last), expected, atol=1e-6)


def test_ntm_shift_and_sharpening():
    net = build("ntm", 2, 1, 3, 5, 2, seed=0)
    last = torch.eye(5)[:1]
    # key and strength 0, gate closed: last weights; shift by +1; sharpness 1
    emitted = torch.tensor([[0.0, 0.0, 0.0, -50.0, -50.0, -50.0, 50.0, -50.0]])
    assert torch.allclose(net.weights(emitted, torch.rand(1, 5, 2), last), torch.eye(5)[1:2], atol=1e-6)
    emitted[0, 3] = 50.0  # gate open: content alone, uniform for an empty key
    assert torch.allclose(net.weights(emitted, torch.rand(1, 5, 2), last), torch.full((1, 5), 0.2))


def test_dnc_allocation_and_links():
    assert torch.allclose(
        allocation(torch.tensor([[1.0, 0.0, 1.0]])), torch.tensor([[0.0, 1.0, 0.0]]), atol=1e-5
    )
    usage = torch.tensor([[0.5, 0.25]])
    assert torch.allclose(allocation(usage), torch.tensor([[0.25 * 0.5, 0.75]]), atol=1e-5)
    one = torch.eye(3)
    links = link(torch.zeros(1, 3, 3), one[:1], torch.zeros(1, 3))
    links = link(links, one[1:2], one[:1])  # slot 1 is written right after slot 0
    assert torch.equal(links[0], torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0, 0]]))


def test_sam_keeps_the_largest():
    weights = sparse(torch.tensor([[3.0, 1.0, 2.0, 0.0]]), 2)
    assert torch.allclose(weights[0, [0, 2]], torch.tensor([3.0, 2.0]).softmax(0))
    assert (weights[0, [1, 3]] == 0).all()


def test_similarity_is_a_cosine():
    key, memory = torch.randn(2, 4), torch.randn(2, 3, 4)
    expected = 2 * torch.cosine_similarity(key[:, None], memory, dim=2)
    assert torch.allclose(similarity(key, memory, torch.full((2, 1), 2.0)), expected, atol=1e-4)


def test_saved_bytes_counts_each_storage_once():
    x = torch.rand(1000, requires_grad=True)
    assert saved_bytes(lambda: x.sigmoid() * x[:10].sum(), [x]) == 2 * 4000 - 4000 + 4
    assert saved_bytes(lambda: x + 1) == 0


def test_bad_input_gets_one_clear_line():
    with pytest.raises(StageError, match="did you mean 'armin-soft'"):
        build("armin-sotf", 2, 1, 3, 4, 2)
    with pytest.raises(ValueError, match="width 5 is above hidden 3"):
        build("armin-soft", 2, 1, 3, 4, 5)
    with pytest.raises(ValueError, match="slots must be at least 1"):
        build("tardis", 2, 1, 3, 0, 2)
    with pytest.raises(ValueError, match="kept must be"):
        build("sam", 2, 1, 3, 2, 2)
    with pytest.raises(TypeError):
        build("lstm", 2, 1, 3, 2, 2, overwrite=False)
    net = build("armin-hard", 2, 1, 3, 4, 2, overwrite=False)
    with pytest.raises(ValueError, match="kappa must be above 0"):
        net.set_kappa(0)
    with pytest.raises(ValueError, match=r"give \(steps, batch, 2\)"):
        net(torch.rand(3, 1, 5))
    x = torch.rand(3, 2, 2)
    _, state, _ = net(x)
    with pytest.raises(ValueError, match="6 steps do not fit into 4 slots"):
        net(x, state)
    with pytest.raises(ValueError, match="another batch size"):
        net(x[:1, :1], state)
    x[1, 0, 1] = float("nan")
    with pytest.raises(ValueError, match="not finite at step 1 of sequence 0"):
        net(x)
    with pytest.raises(ValueError, match="the state is not finite"):
        net(torch.rand(1, 2, 2), state._replace(h=state.h * float("inf")))
