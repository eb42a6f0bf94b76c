"""Training of whole rows and columns equals training with masks, and frozen entries are never touched."""

import pytest
import torch

from retrace.llm import tiny
from retrace.llm.kernels import prefix
from retrace.llm.rows import Row
from retrace.llm.training import sliced, tune
from retrace.llm.training.steps import Settings
from retrace.rehearsal.pretend import on_device, pretended

ROWS = [Row((1, 2, 3, 4), 2), Row((9, 8, 7), 1), Row((5, 6, 5, 6, 5), 3), Row((2, 2, 8, 1), 2)]
SETTINGS = Settings(epochs=3, batch=2, rate=1e-2, decay=0.1)


def fresh(dtype=torch.float64):
    return tiny.network(4).to(dtype).requires_grad_(False)


def some_units(seed, share=0.5):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(4, 64, generator=draw) < share, torch.rand(4, 4, generator=draw) < share


def trainable(net, kind, start):
    entries = tune.unit_entries(net, *some_units(0), start)
    return {
        "all": lambda: tune.linears(net, start),
        "chosen": lambda: dict(entries),
        "complement": lambda: tune.complement(entries),
    }[kind]()


@pytest.mark.parametrize("kind", ["all", "chosen", "complement"])
@pytest.mark.parametrize("start", [0, 2])
def test_slices_train_as_masks_do(kind, start):
    masked, quick = fresh(), fresh()
    kept = prefix.lower(quick, [row.ids for row in ROWS], start)
    slow = tune.tune(masked, ROWS, SETTINGS, trainable(masked, kind, start), 3, kept, start)
    fast = sliced.tune_slices(quick, ROWS, SETTINGS, trainable(quick, kind, start), 3, kept, start)
    assert fast == pytest.approx(slow, abs=1e-9)
    moved = 0
    for a, b in zip(masked.parameters(), quick.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)
        moved += int((b != 0).sum())
    assert moved
    assert fast[-1] < fast[0]
    assert type(quick.model.layers[3].mlp.up_proj) is torch.nn.Linear


def test_training_from_tokens_needs_no_kept_states():
    one, two = fresh(), fresh()
    kept = prefix.lower(two, [row.ids for row in ROWS], 2)
    a = sliced.tune_slices(one, ROWS, SETTINGS, tune.linears(one, 2), 3, start=2, kept=kept)
    b = tune.tune(two, ROWS, SETTINGS, tune.linears(two, 2), 3)
    assert a == pytest.approx(b, abs=1e-9)


@pytest.mark.parametrize("compute", [None, torch.bfloat16])
def test_frozen_entries_keep_their_bits_under_decay_and_momentum(compute):
    net, before = fresh(torch.float32), fresh(torch.float32).state_dict()
    frozen = tune.unit_entries(net, *some_units(1), 1)
    sliced.tune_slices(net, ROWS, SETTINGS, tune.complement(frozen), 0, start=0, compute=compute)
    for name, value in net.state_dict().items():
        if name in frozen:
            assert torch.equal(value[frozen[name]], before[name][frozen[name]]), name
            assert not torch.equal(value[~frozen[name]], before[name][~frozen[name]]), name
        else:
            assert torch.equal(value, before[name]), name


def test_frozen_entries_have_no_optimiser_state(monkeypatch):
    seen = []
    real = torch.optim.AdamW

    def spy(parameters, **settings):
        seen.append(real(parameters, **settings))
        return seen[-1]

    monkeypatch.setattr(torch.optim, "AdamW", spy)
    net = fresh()
    chosen = tune.unit_entries(net, *some_units(2, 0.2), 1)
    sliced.tune_slices(net, ROWS, SETTINGS, chosen, 0)
    states = [state["exp_avg"].numel() for one in seen for state in one.state.values()]
    assert sum(states) == sum(int(mask.sum()) for mask in chosen.values())


def test_whole_weights_are_their_own_masters_and_gradients_do_not_pile_up(monkeypatch):
    """Beside the weights there are the moments, and one weight's gradient at a time."""
    net, masters, alive = fresh(torch.float32), {}, []
    real = torch.optim.AdamW

    class Spy(real):
        def step(self):
            masters.update((p.data_ptr(), p) for group in self.param_groups for p in group["params"])
            alive.append(sum(leaf.grad is not None for leaf in masters.values()))
            return super().step()

    monkeypatch.setattr(torch.optim, "AdamW", Spy)
    sliced.tune_slices(net, ROWS, SETTINGS, tune.linears(net, 2), 0, start=2)
    own = {p.data_ptr() for name, p in net.named_parameters() if name in tune.linears(net, 2)}
    assert set(masters) == own
    assert set(alive) == {1}


def test_products_in_bfloat16_stay_near_those_of_single_precision():
    exact, mixed = fresh(torch.float32), fresh(torch.float32)
    settings = Settings(epochs=6, batch=4, rate=3e-3)
    a = sliced.tune_slices(exact, ROWS, settings, tune.linears(exact), 1)
    b = sliced.tune_slices(mixed, ROWS, settings, tune.linears(mixed), 1, compute=torch.bfloat16)
    assert a != b
    assert b == pytest.approx(a, rel=0.05)
    assert all(p.dtype == torch.float32 for p in mixed.parameters())


def test_what_cannot_be_sliced_is_named():
    net = fresh()
    name = "model.layers.1.mlp.up_proj.weight"
    with pytest.raises(ValueError, match="no linear weight nonsense"):
        sliced.tune_slices(net, ROWS, SETTINGS, {"nonsense": None}, 0)
    for outside in ("lm_head.weight", "model.layers.0.mlp.up_proj.weight"):
        with pytest.raises(ValueError, match="not in a layer from 1 on"):
            sliced.tune_slices(net, ROWS, SETTINGS, {outside: None}, 0, start=1)
    diagonal = torch.eye(64, 32, dtype=torch.bool)
    with pytest.raises(ValueError, match="single entries"):
        sliced.tune_slices(net, ROWS, SETTINGS, {name: diagonal}, 0)
    with pytest.raises(ValueError, match="every entry is frozen"):
        sliced.tune_slices(net, ROWS, SETTINGS, {name: torch.zeros(64, 32, dtype=torch.bool)}, 0)
    assert type(net.model.layers[1].mlp.up_proj) is torch.nn.Linear


def test_the_complement_of_rows_and_columns_takes_no_memory_of_their_size():
    entries = tune.unit_entries(fresh(), *some_units(3))
    rest = tune.complement(entries)
    assert all(torch.equal(rest[name], ~mask) for name, mask in entries.items())
    assert max(mask.untyped_storage().nbytes() for mask in rest.values()) <= 64


def spied(monkeypatch, net):
    """Which linear weights lie on the device at each step of an optimiser."""
    seen, real, weights = [], torch.optim.AdamW, dict(net.named_parameters())

    class Spy(real):
        def step(self):
            seen.append({name for name in tune.linears(net, 2) if on_device(weights[name])})
            return super().step()

    monkeypatch.setattr(torch.optim, "AdamW", Spy)
    return seen


@pytest.mark.parametrize("kind", ["all", "chosen"])
def test_on_an_accelerator_a_weight_that_trains_in_part_is_held_once(monkeypatch, kind):
    here = fresh(torch.float32)
    expected = sliced.tune_slices(here, ROWS, SETTINGS, trainable(here, kind, 2), 0, start=2)
    with pretended() as tally:
        there = fresh(torch.float32).to("cuda")
        seen = spied(monkeypatch, there)
        found = sliced.tune_slices(there, ROWS, SETTINGS, trainable(there, kind, 2), 0, start=2)
        assert all(on_device(p) for p in there.parameters())
        left = {name: p.detach().cpu() for name, p in there.named_parameters()}
    masks = trainable(here, kind, 2)
    whole = {name for name, mask in masks.items() if mask is None or not mask.any()}  # trained, or frozen
    assert (len(whole) == len(masks)) == (kind == "all")
    assert set(map(frozenset, seen)) == {frozenset(whole)}
    assert found == expected
    assert all(torch.equal(left[name], p) for name, p in here.named_parameters())
    assert sum(tally.waits.values()) > 0


def test_on_an_accelerator_layers_are_computed_again_and_the_host_does_not_wait(monkeypatch):
    passes, waits = [], []
    for epochs in (1, 3):
        with pretended() as tally:
            net = fresh(torch.float32).to("cuda")
            count = []
            net.model.layers[3].register_forward_pre_hook(lambda *_, count=count: count.append(0))
            settings = Settings(epochs=epochs, batch=2, rate=1e-2)
            sliced.tune_slices(net, ROWS, settings, tune.linears(net, 2), 0, start=2)
        passes.append(len(count))
        waits.append(sum(tally.waits.values()))
    assert passes == [4, 12]  # two steps an epoch, each layer twice
    assert waits[0] == waits[1]
