import pytest
import torch
from shadow_bench import CLASSES, bench, fresh, pool

from retrace.defenses.membership.advreg import Inference
from retrace.defenses.membership.dpsgd import poisson
from retrace.defenses.membership.run import defend
from retrace.defenses.membership.settings import AdvReg, Dmp, DpSgd, EarlyStopping, Selena
from retrace.privacy.accounting import epsilon, noise_for
from retrace.stage import StageError
from retrace.training.fit import cross_entropies, cross_entropy, fit
from retrace.training.per_sample import clipped_sums


def looped(models, g, x, y, clip):
    """Sum of clipped gradients of one model, sample by sample."""
    total = {name: torch.zeros_like(p[g]) for name, p in models.params.items()}
    one = models.of([g])
    for xi, yi in zip(x, y, strict=True):
        loss = cross_entropies(one.forward(xi[None, None])[0], yi[None, None]).sum()
        gradients = torch.autograd.grad(loss, list(one.params.values()))
        norm = torch.stack([v.square().sum() for v in gradients]).sum().sqrt()
        for name, v in zip(total, gradients, strict=True):
            total[name] += v[0] * min(1.0, clip / float(norm))
    return total


@pytest.mark.parametrize("network", ["mlp-relu-8-6", "vit-s"])
def test_clipped_sums_are_those_of_a_loop_over_samples(network):
    models = fresh([0, 1] if network.startswith("mlp") else [0], network)
    x, y = pool(6)
    shared = (x.expand(len(models), *x.shape), y.expand(len(models), -1))
    weights = torch.tensor([1.0, 1, 1, 1, 1, 0]).expand(len(models), -1)
    sums = clipped_sums(models, *shared, weights, clip=1.5)
    for g in range(len(models)):
        for name, value in looped(models, g, x[:5], y[:5], 1.5).items():
            assert torch.allclose(sums[name][g], value, atol=1e-4), name


def test_one_sample_never_moves_the_sum_by_more_than_the_bound():
    models = fresh([0])
    x, y = pool(20)
    ones = torch.ones(1, 20)
    without = ones.clone()
    without[0, 7] = 0
    both = [clipped_sums(models, 50 * x[None], y[None], w, clip=0.3) for w in (ones, without)]
    change = torch.stack([(both[0][n] - both[1][n]).square().sum() for n in both[0]]).sum().sqrt()
    assert float(change) == pytest.approx(0.3, abs=1e-5)


@pytest.mark.parametrize(("noise", "rate", "steps"), [(0.8, 0.05, 500), (1.1, 0.128, 480), (4.0, 0.2, 300)])
def test_epsilon_agrees_with_dp_accounting_to_one_percent(noise, rate, steps):
    import dp_accounting
    from dp_accounting import rdp
    from opacus.accountants import RDPAccountant

    orders = RDPAccountant.DEFAULT_ALPHAS
    other = rdp.RdpAccountant(orders)
    event = dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise))
    other.compose(event, steps)
    assert epsilon(noise, rate, steps, 1e-3, "rdp") == pytest.approx(other.get_epsilon(1e-3), rel=0.01)


def test_noise_is_found_from_epsilon():
    noise = noise_for(4.0, 0.1, 200, 1e-3)
    assert 3.9 < epsilon(noise, 0.1, 200, 1e-3) <= 4.0


def test_settings_that_cannot_be_private_are_refused():
    with pytest.raises(StageError, match="too small for 200 steps"):
        noise_for(1e-6, 0.1, 200, 1e-3)
    with pytest.raises(StageError, match="must be positive"):
        epsilon(-1.0, 0.1, 200, 1e-3)
    with pytest.raises(StageError, match="batch norm"):
        defend(bench("cnn", epochs=1), DpSgd(defence="dpsgd", noise_multiplier=1.0))
    for wrong in ({"noise_multiplier": -1}, {"epsilon": 0}, {}, {"epsilon": 1, "noise_multiplier": 1}):
        with pytest.raises(ValueError, match=r"greater than 0|either"):
            DpSgd(defence="dpsgd", **wrong)


def test_poisson_batches_draw_each_row_independently():
    rows = torch.arange(1000).expand(2, -1)
    draws = [torch.Generator().manual_seed(n) for n in range(2)]
    got, weights = poisson(rows, 0.1, draws)
    counts = weights.sum(1)
    assert ((counts > 60) & (counts < 140)).all()
    assert counts[0] != counts[1]
    assert got.shape == weights.shape
    assert len(set(got[0][weights[0] > 0].tolist())) == int(counts[0])


def test_dpsgd_learns_with_little_noise_and_says_what_it_spent():
    made = bench(epochs=20)
    done = defend(made, DpSgd(defence="dpsgd", noise_multiplier=0.3, clip=2.0, learning_rate=0.3))
    logits, _ = done.models.predict(made.x)
    assert ((logits.argmax(-1) == made.y).float().mean(1) > 0.6).all()
    assert done.notes["epsilon"][0] == pytest.approx(epsilon(0.3, 0.4, 40, 1 / 40))


def test_early_stopping_is_the_start_of_the_full_schedule():
    made = bench()
    stopped = defend(made, EarlyStopping(defence="early-stopping", epochs=2)).models
    whole = made.start.copy()
    at_two = {}

    def look(epoch):
        if epoch == 2:
            at_two.update({name: p.detach().clone() for name, p in whole.params.items()})

    fit(whole, made.data, cross_entropy, made.schedule, made.seed, each_epoch=look)
    assert all(torch.equal(p, at_two[name]) for name, p in stopped.params.items())


def test_dmp_students_never_see_a_members_label():
    made = bench(epochs=20)
    other = bench(epochs=20)
    other.y.copy_((other.y + 1) % CLASSES)
    students = [defend(b, Dmp(defence="dmp")).models for b in (made, other)]
    assert all(torch.equal(p, students[1].params[name]) for name, p in students[0].params.items())
    teacher = (made.trained.predict(made.reference_x)[0] / 4).softmax(-1)

    def apart(models):
        log_p = (models.predict(made.reference_x)[0] / 4).log_softmax(-1)
        return (teacher * (teacher.log() - log_p)).sum(-1).mean(1)

    assert apart(students[0]).mean() < 0.8 * apart(made.start).mean()


def test_selena_answers_come_from_models_that_left_the_example_out(monkeypatch):
    import retrace.defenses.membership.distilling.selena as module

    made = bench(models=4)
    seen = []

    def remember(bench_, part, rows):
        seen.append(rows)
        return torch.full((4, 80, CLASSES), 1 / CLASSES)

    teachers = []
    monkeypatch.setattr(module, "_sub_model", remember)
    monkeypatch.setattr(module, "fit", lambda models, data, *_: teachers.append(data.state["teacher"]))
    defend(made, Selena(defence="selena", parts=5, left_out=2))
    for g in range(4):
        counts = torch.zeros(80)
        for rows in seen:
            counts[rows[g]] += 1
        assert (counts[made.rows[g]] == 3).all()
        assert torch.allclose(teachers[0][g][made.rows[g]].sum(-1), torch.ones(40))
    with pytest.raises(StageError, match="equal heaps"):
        defend(made, Selena(defence="selena", parts=7, left_out=2))
    with pytest.raises(ValueError, match="must be below"):
        Selena(defence="selena", parts=3, left_out=3)


def test_the_inference_network_learns_to_tell_confident_members():
    spy = Inference((0, 1), CLASSES, 1e-2, 0, torch.device("cpu"))
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (2, 64), generator=draw)
    outside = torch.randn(2, 64, CLASSES, generator=draw)
    inside = outside + 6 * torch.nn.functional.one_hot(labels, CLASSES)
    for _ in range(60):
        spy.learn((inside, labels), (outside, labels))
    assert (spy.log_odds(inside, labels).mean(1) > 1).all()
    assert (spy.log_odds(outside, labels).mean(1) < -1).all()


def test_adversarial_regularisation_changes_training():
    made = bench(epochs=20)
    models = defend(made, AdvReg(defence="advreg", weight=0.1)).models
    assert any(not torch.equal(p, made.trained.params[name]) for name, p in models.params.items())
    logits, _ = models.predict(made.x)
    assert ((logits.argmax(-1) == made.y).float().mean(1) > 0.5).all()
