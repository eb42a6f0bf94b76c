"""The default order of units is that of FLAP's code, written here after that code."""

import numpy as np
import pytest
import torch
from safety_units import BOTH, NET, ROWS, SHARES, freeze, some_scores

from retrace.llm import tiny
from retrace.llm.kernels.units import unit_scores
from retrace.studies.safety import freezing, units
from retrace.studies.safety.params import Ranked
from retrace.studies.safety.units import Layout


def flap_sorted(metrics, width):
    """Units from small to large as `prune_flap` of FLAP's code ranks them (structure AL-AM, metric WIFV).

    Written after that code and not after ours: `metrics` are, layer by layer, lists of a score a channel of
    attention and of a score a neuron. A unit is called ("head" or "neuron", layer, number).
    """

    def standardised(values):
        mean = sum(values) / len(values)
        spread = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
        return [(v - mean) / spread for v in values]

    scores = {}
    for layer, (attention, mlp) in enumerate(metrics):
        each = standardised([value**2 for value in attention])
        for head in range(len(each) // width):
            of_head = each[head * width : (head + 1) * width]
            scores["head", layer, head] = sum(of_head) / width
        for neuron, value in enumerate(standardised(mlp)):
            scores["neuron", layer, neuron] = value
    return sorted(scores, key=scores.get), scores


def direct_metrics(net, rows):
    """Variance over all tokens times the squared norm of the column, of o_proj and down_proj, in double."""
    seen = {}

    def keep(name):
        return lambda _, given: seen.setdefault(name, []).append(given[0][0])

    for number, layer in enumerate(net.model.layers):
        for part in (layer.self_attn.o_proj, layer.mlp.down_proj):
            part.register_forward_pre_hook(keep((number, part)))
    with torch.no_grad():
        for row in rows:
            net(torch.tensor([row.ids]))
    metrics = [
        (torch.cat(parts).double().var(0) * part.weight.double().square().sum(0)).tolist()
        for (_, part), parts in seen.items()
    ]
    return list(zip(metrics[::2], metrics[1::2], strict=True))


def named(number):
    """A unit of BOTH by its kind, layer and number within."""
    kind, rest = ("neuron", number) if number < 256 else ("head", number - 256)
    return (kind, *divmod(rest, 64 if kind == "neuron" else 4))


def test_the_default_scope_ranks_units_as_flaps_code_does():
    order, scores = flap_sorted(direct_metrics(tiny.network(3), ROWS), 8)
    values = units.scoped(units.flat(unit_scores(NET, ROWS), "neurons+heads"), BOTH, "flap")
    np.testing.assert_allclose(values, [scores[named(n)] for n in range(BOTH.count)], rtol=1e-4, atol=1e-5)
    assert [named(n) for n in np.argsort(values)] == order
    assert Ranked.model_fields["scope"].default == "flap"
    ours = units.scoped(units.flat(unit_scores(NET, ROWS), "neurons+heads"), BOTH, "standardised")
    assert [named(n) for n in np.argsort(ours)] != order


def test_heads_do_not_come_first_by_small_scores():
    """Nine heads standardised among themselves spread by 1; means of standardised channels do not."""
    draw = np.random.default_rng(0)
    wide = Layout(6, 500, 9, 64)
    stored = np.concatenate([draw.lognormal(0, 2, 6 * 500), draw.lognormal(0, 1, 6 * 9 * 64)])
    heads = {}
    for scope in ("flap", "standardised"):
        first = np.argsort(units.scoped(stored, wide, scope))[:150]
        heads[scope] = int((first >= 3000).sum())
    assert heads["flap"] < 0.25 * heads["standardised"]


def test_a_head_can_count_as_the_neurons_of_as_many_weights():
    """FLAP's code counts 512/3 neurons a head of 128 channels and cuts where the sum is nearest."""
    assert Layout(1, 1, 1, 128).weights.tolist() == [1, 512 / 3]
    for scope in ("flap", "standardised"):
        found = some_scores(scope=scope, sizes="weights")
        total = 256 + 16 * 32 / 3
        for order in ("ru", "esu", "random"):
            rows = found.first(order, 0.1, 0)
            plain = some_scores(scope=scope).first(order, 0.9, 0)
            held, best = 0.0, [0.0]
            for number in plain:
                held += 32 / 3 if number >= 256 else 1
                best.append(held)
            count = min(range(len(best)), key=lambda k: abs(best[k] - 0.1 * total))
            assert rows.tolist() == plain[:count].tolist(), (scope, order)
        groups = found.groups(SHARES)
        for name, share in (("esu", 0.05), ("euu", 0.1), ("ru", 0.15)):
            rows = np.flatnonzero(groups == ("esu", "euu", "cu", "ru").index(name))
            assert found.share(rows) == pytest.approx(share, abs=0.025)
        frozen = freezing.frozen_units(found, freeze("safety", share=0.2), SHARES, 1, 0)
        assert found.share(frozen) == pytest.approx(0.2, abs=0.025)
