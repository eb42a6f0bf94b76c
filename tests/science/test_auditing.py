"""The audit of one model: a leak is found, none is not, bounds hold, and odd files are one line."""

import re

import numpy as np
import pytest
from scipy.stats import binom

from retrace.attacks.arrays import AttackError
from retrace.auditing.answers import Answers
from retrace.auditing.audit import audit_model
from retrace.auditing.command import run
from retrace.auditing.page import page
from retrace.auditing.picture import roc_figure
from retrace.auditing.saved import read_answers
from retrace.auditing.shadows import shadow_ensemble
from retrace.errors import RetraceError
from retrace.library import lira, rmia, rmia_offline, rmia_online, run_attacks
from retrace.privacy.held_out import epsilon_held_out
from retrace.privacy.one_run import epsilon_of_guesses, epsilon_one_run, p_value
from retrace.stats.areas import auc_interval


def answers(leak, n=1200, seed=0, shift=0.0, references=4):
    """A model that knows its members by `leak`; `shift` makes members easier for every model."""
    rng = np.random.default_rng(seed)
    labels, member = rng.integers(0, 5, n), rng.random(n) < 0.5
    hard = rng.normal(size=(n, 5))
    every = hard + 0.3 * rng.normal(size=(1 + references, n, 5))
    every[:, np.arange(n), labels] += 1 + shift * member
    every[0, np.arange(n), labels] += leak * member
    return Answers(every[0], labels, member, every[1:])


def test_a_leak_is_found_and_calibration_by_references_finds_more():
    found = audit_model(answers(leak=1.0))
    by_name = {attack.name: attack for attack in found.attacks}
    assert {"loss", "hinge", "attack_r", "difficulty_calibration", "lira_offline"} <= set(by_name)
    assert by_name["difficulty_calibration"].auc.low > by_name["loss"].auc.high > 0.5
    assert found.strongest.auc.value == max(attack.auc.value for attack in found.attacks)
    assert found.epsilon > 0.5
    assert not found.sets_differ


def test_where_nothing_leaks_nothing_is_claimed():
    found = audit_model(answers(leak=0.0))
    assert found.epsilon == 0
    assert all(attack.auc.low < 0.5 < attack.auc.high for attack in found.attacks)
    assert not found.sets_differ


def test_sets_of_different_difficulty_are_told_from_a_leak():
    found = audit_model(answers(leak=0.0, shift=1.0))
    assert found.blind is not None
    assert found.blind.low > 0.5
    assert found.sets_differ
    assert 'class="warn"' in page(found, "x")
    assert 'class="warn"' not in page(audit_model(answers(leak=1.0)), "x")


def test_references_that_saw_some_bring_online_attacks_and_a_population_rmia():
    a = answers(leak=1.0, references=8)
    rng = np.random.default_rng(1)
    seen = rng.permuted(np.arange(8)[:, None] % 2 * np.ones(len(a.labels), int), axis=0).astype(bool)
    z, labels_z = rng.normal(size=(9, 100, 5)), rng.integers(0, 5, 100)
    full = Answers(a.logits, a.labels, a.member, a.references, seen, z[0], labels_z, z[1:])
    names = {attack.name for attack in audit_model(full).attacks}
    assert {"lira_online", "rmia_online", "rmia_offline"} <= names
    assert not {"lira_online", "rmia_online"} & {attack.name for attack in audit_model(a).attacks}


def test_rmia_has_one_name_for_both_sides():
    rng = np.random.default_rng(0)
    target, known = -rng.random(50), -rng.random((6, 50))
    inside = np.arange(6)[:, None] % 2 * np.ones(50) > 0
    z, kz = -rng.random(20), -rng.random((6, 20))
    assert (rmia(target, known, inside, z, kz) == rmia_online(target, known, inside, z, kz)).all()
    offline = rmia_offline(target, known, z, kz, member=inside)
    assert (rmia(target, known, inside, z, kz, online=False) == offline).all()
    assert (rmia(target, known, None, z, kz, online=False) == rmia_offline(target, known, z, kz)).all()
    with pytest.raises(AttackError, match="online=False"):
        rmia(target, known, None, z, kz)
    assert lira(target, known, inside).shape == (50,)


def test_an_areas_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth, inside = 0.7602499, 0  # of normal scores one standard deviation apart: Phi(1 / sqrt 2)
    for _ in range(400):
        low, high = auc_interval(rng.normal(1, 1, 60), rng.normal(0, 1, 40))
        inside += low < truth < high
    assert 0.92 < inside / 400 < 0.98
    assert auc_interval([1, 1], [1, 1]) == auc_interval([0] * 2, [0] * 2)
    low, high = auc_interval([2.0] * 20, [1.0] * 30)
    assert (round(low, 3), high) == (0.832, 1.0)  # 20 of 20, exact
    with pytest.raises(ValueError, match="both sides"):
        auc_interval([], [1])


@pytest.mark.parametrize(("right", "guesses", "epsilon"), [(60, 100, 0.1), (95, 100, 1.0), (3, 8, 0.0)])
@pytest.mark.parametrize("delta", [0.0, 1e-3])
def test_the_p_value_of_one_run_is_the_papers(right, guesses, epsilon, delta):
    share = np.exp(epsilon) / (1 + np.exp(epsilon))
    tail = binom.sf(right - 1, guesses, share)
    steps = [binom.pmf(range(right - i, right), guesses, share).sum() / i for i in range(1, right + 1)]
    expected = min(1.0, tail + 2 * 500 * delta * max(steps))
    assert p_value(right, guesses, 500, epsilon, delta) == pytest.approx(expected, rel=1e-9)


def test_one_run_bounds_randomised_response_from_below_and_nearly_reaches_it():
    rng = np.random.default_rng(0)
    truth, beyond = 1.0, 0
    for _ in range(200):
        member = rng.random(400) < 0.5
        told = np.where(rng.random(400) < np.e / (1 + np.e), member, ~member)
        beyond += epsilon_one_run(told.astype(float), member, delta=0.0).epsilon > truth
    assert beyond <= 20  # 5 % of 200, and what chance adds
    member = np.arange(40_000) % 2 > 0
    told = np.where(rng.random(40_000) < np.e / (1 + np.e), member, ~member)
    assert 0.9 < epsilon_one_run(told.astype(float), member, delta=0.0).epsilon < 1.01


def test_one_runs_guesses_do_not_depend_on_the_order_of_members():
    """With ties kept in order, members that come first would be guessed right."""
    member = np.arange(2000) < 1000
    assert epsilon_one_run(np.zeros(2000), member).epsilon == 0
    assert epsilon_one_run(np.zeros(2000), ~member).epsilon == 0
    assert epsilon_of_guesses(50, 100, 100) == 0
    with pytest.raises(RetraceError, match="each is at most the next"):
        epsilon_of_guesses(11, 10, 100)
    with pytest.raises(RetraceError, match="members and non-members"):
        epsilon_one_run(np.zeros(3), np.ones(3))


def test_many_runs_prove_more_than_one_and_nothing_where_nothing_is():
    rng = np.random.default_rng(0)
    member = rng.random((8, 400)) < 0.5
    scores = rng.normal(size=(8, 400)) + 2 * member
    many, one = epsilon_held_out(scores, member), epsilon_held_out(scores[0], member[0])
    assert many > one > 0
    assert epsilon_held_out(rng.normal(size=(8, 400)), member) < 0.2
    with pytest.raises(RetraceError, match="member alike"):
        epsilon_held_out(scores, member[0])


def test_shadows_are_complementary_pairs_and_any_pipeline_trains_them():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), rng.integers(0, 2, 60)
    sizes, seeds = [], []

    def train(inputs, labels, seed):
        sizes.append(len(inputs))
        seeds.append(seed)
        known = {row.tobytes() for row in inputs}
        return lambda given: np.array([[0.0, 3.0 * (row.tobytes() in known)] for row in given])

    models = shadow_ensemble(train, x, y, models=6, population=(x + 1, y))
    assert sizes == [30] * 6
    assert len({*seeds}) == 6
    assert (models.inside[::2] == ~models.inside[1::2]).all()
    assert models.population.logits.shape == (6, 60, 2)
    assert (models.logits[..., 1] == 3 * models.inside).all()
    again = shadow_ensemble(train, x, y, models=6)
    assert (again.inside == models.inside).all()
    assert run_attacks(models, ("loss",))["loss"].auc.mean > 0.4
    assert roc_figure(run_attacks(models, ("loss",)), models).axes[0].get_xscale() == "log"
    for kind, words in (
        ({"models": 5}, "even number"),
        ({"models": 4}, "from 6"),
    ):
        with pytest.raises(AttackError, match=words):
            shadow_ensemble(train, x, y, **kind)
    with pytest.raises(AttackError, match=r"it must return logits"):
        shadow_ensemble(lambda *_: lambda given: given[:, 0], x, y)


def saved(tmp_path, **change):
    a = answers(leak=1.0, n=400)
    inside = a.member
    arrays = {
        "member_logits": a.logits[inside],
        "nonmember_logits": a.logits[~inside],
        "member_labels": a.labels[inside],
        "nonmember_labels": a.labels[~inside],
        "reference_member_logits": a.references[:, inside],
        "reference_nonmember_logits": a.references[:, ~inside],
    } | change
    path = tmp_path / "logits.npz"
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_saved_logits_become_a_page_that_stands_alone(tmp_path):
    path, out = saved(tmp_path), tmp_path / "audit.html"
    told = run(path, out)
    assert re.search(r"lira_offline +0\.\d{3}", told)
    html = out.read_text(encoding="utf-8")
    assert "data:image/png;base64," in html
    assert not re.search(r"(?:src|href)=.(?:http|/)", html)
    out.unlink()
    run(path, out)
    assert out.read_text(encoding="utf-8") == html
    with pytest.raises(RetraceError, match="is there already"):
        run(path, out)
    assert out.read_text(encoding="utf-8") == html


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"member_logits": None}, "the array member_logits is missing"),
        ({"nonmember_labels": None}, "the array nonmember_labels is missing"),
        ({"member_logit": np.zeros(3)}, r"unknown array 'member_logit' \(did you mean 'member_logits'"),
        ({"member_labels": np.zeros(3, int)}, r"member_logits has shape \(\d+, 5\); there are 3 labels"),
        (
            {"reference_member_logits": None},
            "reference_nonmember_logits comes without reference_member_logits",
        ),
        ({"nonmember_logits": np.zeros((2, 7)), "nonmember_labels": np.zeros(2, int)}, "do not fit"),
        ({"member_labels": np.full(201, 9)}, "there are 201 labels|labels run from 0 to 4"),
        (
            {"population_labels": np.zeros(4, int), "population_logits": np.zeros((4, 5))},
            "a population comes",
        ),
        ({"nonmember_logits": np.zeros((2, 5), complex)}, "nonmember_logits holds complex numbers"),
    ],
)
def test_an_odd_file_is_one_line_with_its_name(tmp_path, change, words):
    with pytest.raises(RetraceError, match=words) as error:
        read_answers(saved(tmp_path, **change))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "logits.npz"))
    assert str(error.value).count("logits.npz") == 1


def test_what_is_no_npz_is_one_line(tmp_path):
    for content in (b"", b"text", b"\x80\x04."):
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(RetraceError, match="not a readable NPZ"):
            read_answers(tmp_path / "x.npz")
    with pytest.raises(RetraceError, match="no such file"):
        read_answers(tmp_path / "y.npz")
    with pytest.raises(RetraceError, match="a folder; give the NPZ itself"):
        read_answers(tmp_path)
    np.save(tmp_path / "z.npy", np.zeros(3))
    with pytest.raises(RetraceError, match=r"save several with np\.savez"):
        read_answers(tmp_path / "z.npy")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"logits": np.full((4, 2), 0.5)}, "these are probabilities; give logits"),
        ({"logits": np.zeros((4, 1))}, "columns 0 and z"),
        ({"member": [True] * 4}, "members and non-members"),
        ({"logits": np.full((4, 2), np.nan)}, "not finite"),
        ({"seen": np.ones((1, 4), bool)}, "there are no references"),
        ({"references": np.zeros((2, 3, 2))}, "references: the shape must be any x 4 x 2"),
    ],
)
def test_odd_answers_are_one_line(change, words):
    given = {"logits": np.eye(2)[[0, 1, 0, 1]] * 3, "labels": [0, 1, 1, 0], "member": [1, 0, 1, 0]}
    with pytest.raises(AttackError, match=words):
        Answers(**{**given, **change})
