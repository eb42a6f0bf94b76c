import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from shadow_bench import bench, fresh

from retrace.defenses.membership.rewinding.blocks import blocks, cuts, mirrored, region_mask
from retrace.defenses.membership.rewinding.cwrf import cwrf
from retrace.defenses.membership.rewinding.pptp import choose, pptp
from retrace.defenses.membership.rewinding.scores import flat, kinds, pearson, top_mask, weight_scores
from retrace.defenses.membership.run import defend
from retrace.defenses.membership.settings import Cwrf, DpSgd, Pptp, RelaxLoss, Undefended
from retrace.seeds import derive
from retrace.stage import StageError
from retrace.training.fit import orders

MADE = bench()


@given(st.floats(0.001, 0.9), st.integers(0, 5))
def test_a_mask_has_exactly_its_share_whatever_the_ties(rate, seed):
    draw = torch.Generator().manual_seed(seed)
    scores = {
        name: torch.randint(3, p.shape, generator=draw).float() for name, p in MADE.start.params.items()
    }
    row, mask = flat(scores), flat(top_mask(scores, rate))
    assert (mask.sum(1) == max(1, round(rate * row.shape[1]))).all()
    for g in range(4):
        assert row[g][mask[g]].min() >= row[g][~mask[g]].max()


def test_learnability_is_accumulated_taylor_importance():
    made = bench(models=4, epochs=1)
    one = weight_scores(made, made.trained, 0.0, 0.01, 1)
    net = {n: p[1].detach().clone().requires_grad_(True) for n, p in made.trained.params.items()}
    total = {n: torch.zeros_like(p) for n, p in net.items()}
    shuffled = made.rows[1][orders((1,), 40, 0, derive(made.seed, "scores"))[0]]
    for rows in shuffled.split(16):
        h = torch.relu(F.linear(made.x[rows].flatten(1), net["body.1.weight"], net["body.1.bias"]))
        h = torch.relu(F.linear(h, net["body.3.weight"], net["body.3.bias"]))
        loss = F.cross_entropy(F.linear(h, net["head.weight"], net["head.bias"]), made.y[rows])
        for (name, p), g in zip(net.items(), torch.autograd.grad(loss, list(net.values())), strict=True):
            total[name] += (p * g).abs().detach()
            p.data -= 0.01 * g
    for name, value in total.items():
        assert torch.allclose(one[name][1], value, atol=1e-6), name


def test_vulnerability_differs_from_learnability_and_leaves_models_alone():
    before = MADE.trained.arrays()
    s, v = (flat(weight_scores(MADE, MADE.trained, weight, 0.01, 1)) for weight in (0.0, 0.5))
    assert not torch.allclose(s, v)
    assert all(np.array_equal(before[n], a) for n, a in MADE.trained.arrays().items())
    assert pearson(s, v)[0] == pytest.approx(np.corrcoef(s[0].numpy(), v[0].numpy())[0, 1], abs=1e-6)
    assert pearson(torch.ones(1, 4), torch.rand(1, 4)) == [0.0]


def masked(variant, **more):
    settings = Cwrf(defence="cwrf", rate=0.05, variant=variant, **more)
    models = cwrf(MADE, settings).models
    mask = top_mask(weight_scores(MADE, MADE.trained, 0.5, 0.01, 1), 0.05)
    return models.params, mask


@pytest.mark.parametrize("loss", [RelaxLoss(defence="relaxloss"), DpSgd(defence="dpsgd", epsilon=8)])
def test_rewound_weights_stay_at_their_initial_bits(loss):
    params, mask = masked("A3", loss=loss)
    for name, p in params.items():
        assert torch.equal(p[mask[name]], MADE.start.params[name][mask[name]])
    moved = [(p != MADE.trained.params[n])[~mask[n]].float().mean() for n, p in params.items()]
    assert min(moved) > 0.5


def test_variant_a2_moves_the_rewound_weights_alone():
    params, mask = masked("A2")
    for name, p in params.items():
        assert torch.equal(p[~mask[name]], MADE.trained.params[name][~mask[name]])
    assert any((p != MADE.start.params[n])[mask[n]].any() for n, p in params.items())


def test_variant_a1_removes_them():
    params, mask = masked("A1")
    assert all((p[mask[name]] == 0).all() for name, p in params.items())


def test_no_epochs_leave_the_rewound_network():
    params, mask = masked("A3", epochs=0)
    for name, p in params.items():
        assert torch.equal(p, torch.where(mask[name], MADE.start.params[name], MADE.trained.params[name]))


@pytest.mark.parametrize("select", ["random", "magnitude", "learnability"])
def test_other_selections_rewind_other_weights(select):
    settings = Cwrf(defence="cwrf", rate=0.05, select=select, epochs=0)
    rewound = cwrf(MADE, settings).models.params
    _, mask = masked("A3", epochs=0)
    back = flat({n: p.detach() == MADE.start.params[n] for n, p in rewound.items()})
    assert (back.sum(1) >= flat(mask).sum(1)).all()
    assert not torch.equal(back, flat(mask))


def test_notes_say_a_number_of_each_model():
    done = cwrf(MADE, Cwrf(defence="cwrf", rate=0.05))
    assert all(len(values) == 4 for values in done.notes.values())
    assert {"score_r", "score_r_linear", "score_r_bias"} <= set(done.notes)
    assert set(kinds(MADE.start).values()) == {"linear", "bias"}
    assert 0.05 < done.notes["score_share"][0] <= 1


def test_blocks_cover_every_weight_once_in_order():
    for network, count in (("mlp-relu-8-6", 3), ("cnn", 4), ("resnet-s", 5), ("vit-s", 5)):
        models = fresh([0], network)
        parts = blocks(models)
        assert len(parts) == count
        assert sorted(n for part in parts for n in part) == sorted(models.params)
        assert all(name.startswith("head") for name in parts[-1])
    assert set(cuts(3)) == {(0,), (1, 2), (0, 1), (2,)}
    assert mirrored((1, 2), 3) == (0, 1)


def test_the_second_phase_moves_its_region_alone():
    models = defend(MADE, Pptp(defence="pptp", region=[1, 2])).models
    mask = region_mask(MADE.trained, (1, 2))
    for name, p in models.params.items():
        assert torch.equal(p[~mask[name]], MADE.trained.params[name][~mask[name]])
        assert not mask[name].any() or not torch.equal(p, MADE.trained.params[name])


def test_a_region_outside_the_network_is_refused():
    with pytest.raises(StageError, match="blocks 0 to 2"):
        pptp(MADE, Pptp(defence="pptp", region=[3]))


def test_the_probe_chooses_gain_within_the_tolerance():
    plain = {"loss": [1.0], "accuracy": [0.9], "auc": [0.8]}
    looks = {
        (0,): {"loss": [1.0], "accuracy": [0.895], "auc": [0.7]},
        (1, 2): {"loss": [1.0], "accuracy": [0.80], "auc": [0.5]},
        (0, 1): {"loss": [1.0], "accuracy": [0.90], "auc": [0.75]},
        (2,): {"loss": [1.0], "accuracy": [0.85], "auc": [0.6]},
    }
    assert choose(looks, plain, Pptp(defence="pptp")) == (0,)
    assert choose(looks, plain, Pptp(defence="pptp", tolerance=0.2)) == (1, 2)
    assert choose(looks, plain, Pptp(defence="pptp", order="deep")) == (2,)


def test_mirror_and_choice_share_one_probe():
    made = bench()
    chosen = pptp(made, Pptp(defence="pptp"))
    other = pptp(made, Pptp(defence="pptp", region="mirror"))
    assert len(made.memo) == 1
    ends = [(d.notes["region_first"][0], d.notes["region_last"][0]) for d in (chosen, other)]
    assert ends[0] == (4 - ends[1][1], 4 - ends[1][0])
    assert chosen.notes["block_1_generality"] == other.notes["block_1_generality"]


def test_losses_and_nothing_reach_the_same_door():
    plain = defend(MADE, Undefended())
    relaxed = defend(MADE, RelaxLoss(defence="relaxloss", alpha=3.0))
    assert all(torch.equal(p, MADE.trained.params[n]) for n, p in plain.models.params.items())
    assert any(not torch.equal(p, MADE.trained.params[n]) for n, p in relaxed.models.params.items())
