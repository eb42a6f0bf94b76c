"""The prompts study: parameters that do not fit, budgets, what is published, and what leaks."""

import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from cell import ROOT
from pydantic import ValidationError

from retrace.llm import tiny
from retrace.llm.load import LanguageModel
from retrace.llm.prompts.frame import Example, frame
from retrace.privacy import accountant
from retrace.sheet import load_cells, load_study
from retrace.stage import Evidence, StageError
from retrace.studies.prompts import dln, drawing, measure, prepare, readers, secret, setup, table, train
from retrace.studies.prompts.drawing import Found, Rooms, fixed, privately
from retrace.studies.prompts.figures.leakage import by_method
from retrace.studies.prompts.figures.transfer import matrix
from retrace.studies.prompts.params import Params, Start

WORDS = ["red", "blue", "green", "gold", "pale", "dark", "warm", "cold", "soft", "hard", "slow", "fast"]


@pytest.fixture(scope="module")
def params():
    (cell,) = load_cells(load_study("prompts"), "smoke", ROOT)
    return Params(**cell.params)


@pytest.fixture(scope="module")
def inputs():
    """Sentences of four words, half of them rated well."""
    rng = np.random.default_rng(0)
    texts = {" ".join(rng.choice(WORDS, 4)): i for i in range(200)}
    x = np.zeros((len(texts), 1, 40, 1), dtype=np.uint8)
    for place, text in enumerate(texts):
        x[place, 0, : len(text), 0] = np.frombuffer(text.encode(), dtype=np.uint8)
    y = np.where(np.arange(len(texts)) % 2, 60, 20)
    return {"dataset": Evidence({}, read_arrays=lambda: {"x": x, "y": y})}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"groups": 41}, "groups 41: more than private records"),
        ({"voters": 37}, "voters 37: more than groups"),
        ({"delta": 0.5}, "delta 0.5: above 1 over the private records"),
        ({"delta0": 0.01}, "delta0 0.01: not below delta"),
        ({"epsilons": [0]}, "greater than 0"),
        ({"epsilons": [1000]}, "less than 100"),
        ({"delta": 0}, "greater than 0"),
        ({"members": 9}, "members 9: more than private or few"),
        ({"dln": {"steps": 1, "prompts": 1, "records": 41}}, "dln.records 41: more than private"),
        ({"readers": ["tini"]}, "did you mean 'tiny'"),
        ({"fresh": 1.0}, "less than 1"),
        ({"starts": [{"kind": "infer", "instruction": 3}]}, "less than or equal to 2"),
        ({"dataset": None}, "task reviews takes 'reviews'"),
        ({"model": "smolm2-135m-instruct"}, "did you mean 'smollm2-135m-instruct'"),
        (
            {"counts": {"pool": 60, "private": 61, "validation": 6, "test": 12, "few": 8}},
            "private 61: more than",
        ),
    ],
)
def test_parameters_that_do_not_fit_are_refused(params, change, says):
    with pytest.raises(ValidationError, match=says):
        Params(**{**params.model_dump(), **change})


def test_too_few_records_and_a_class_that_no_group_holds(params, inputs):
    counts = params.counts.model_copy(update={"pool": 500})
    with pytest.raises(StageError, match="records are wanted and"):
        setup.pools(params.model_copy(update={"counts": counts}), inputs)
    found = setup.pools(params, inputs)
    one = replace(found, pool=tuple(replace(record, label=1) for record in found.pool))
    with pytest.raises(StageError, match="class 'negative' is in none of the 40 private records"):
        setup.private(params, one, 0)


def test_records_serve_one_purpose(params, inputs):
    found = setup.pools(params, inputs)
    parts = [{r.text for r in part} for part in (found.pool, found.validation, found.test, found.spare)]
    assert [bool(a & b) for a, b in itertools.combinations(parts, 2)] == [False] * 6
    assert sum(map(len, parts)) == len(set(setup._reviews(inputs, 12)))
    assert setup.private(params, found, 0) != setup.private(params, found, 1)


@pytest.fixture(scope="module")
def model():
    return LanguageModel("tiny", tiny.network().requires_grad_(False), tiny.tokenizer(), "")


def rooms(params, model, groups=12):
    examples = [[Example(f"text {g}", "positive", "negative")] for g in range(groups)]
    return Rooms(model, params.model_copy(update={"groups": groups, "voters": 8}), examples, 0)


def test_a_budget_too_small_for_one_token_costs_nothing_and_says_so(params, model):
    made = privately(rooms(params, model), 1e-4)
    assert made == Found(ended=["budget"] * len(params.starts))
    chosen = train._chosen(made, "the initial one", lambda _: 1 / 0, 1e-4, np.random.default_rng(0))
    assert (chosen["prompt"], chosen["epsilon_with_selection"], chosen["queries"]) == (
        "the initial one",
        0,
        0,
    )


def test_a_private_prompt_keeps_to_its_budget_and_more_epsilon_needs_less_noise(params, model):
    made = {epsilon: privately(rooms(params, model), epsilon) for epsilon in (2.0, 8.0)}
    for epsilon, found in made.items():
        assert 0 < found.epsilon <= epsilon
        assert found.queries == len(found.polls)
    assert made[8.0].epsilon0 > made[2.0].epsilon0
    assert made[8.0].margin < made[2.0].margin


def test_random_votes_release_next_to_nothing(params, model):
    blind = privately(rooms(params, model), 8.0, blind=True)
    assert sum(poll["chosen"] >= 0 for poll in blind.polls) <= 1


def test_records_sampled_afresh_keep_to_the_budget_by_poisson_accounting(params, model, monkeypatch):
    """Every group votes, whatever was sampled, and what was sampled differs from poll to poll."""
    seen = []
    kept = drawing.tail

    def told(model, made, examples, longest):
        seen.append(len(examples))
        return kept(model, made, examples, longest)

    monkeypatch.setattr(drawing, "tail", told)
    wide = rooms(params, model, 8)
    wide.groups = [[Example(f"text {g} {i}", "positive", "negative") for i in range(3)] for g in range(8)]
    made = privately(wide, 8.0, fresh=0.3)
    assert len(seen) == 8 * made.queries
    assert 0 < sum(seen) < 24 * made.queries
    assert len({tuple(seen[i : i + 8]) for i in range(0, len(seen), 8)}) > 1
    planned = len(params.starts) * params.longest
    query = accountant.token(made.epsilon0, params.delta0, 0.3, "poisson")
    assert made.epsilon == pytest.approx(accountant.spent(query, planned, params.delta)[made.queries])
    assert accountant.spent(query, planned, params.delta)[planned] <= 8.0
    assert wide.computed > 0


def test_a_start_has_its_own_temperature_and_instruction(params, model, monkeypatch):
    cold = Start(kind="improve", instruction=1, temperature=1e-4)
    warm = Start(kind="improve", instruction=0, temperature=50.0)
    made = rooms(params.model_copy(update={"starts": [cold, warm]}), model, 8)
    votes = [made.ballot(n, lambda _: range(8))(()) for n in (0, 1)]
    best = {int(row.argmax()) for row in made.voters(0).logits(range(8), ())}
    assert set(votes[0]) == best
    assert len(votes[1]) > len(votes[0])
    asked = []
    monkeypatch.setattr(drawing, "frame", lambda *about: asked.append(about[2]) or frame(*about))
    for start in (cold, warm):
        drawing.voters(model, params, start, [[Example("a text", "positive", "positive")]])
    assert asked == [setup.instructions("reviews")[n] for n in (1, 0)]


@pytest.mark.parametrize(
    ("counts", "kept", "steps"),
    [
        ([9, 5, 5, 5, 5], 0, 2),  # none is better: two steps, then it stops
        ([1, 5, 7, 2, 2], 2, 4),
        ([1, 5, 2, 2, 9], 1, 3),  # what came after two steps without a better one is not seen
    ],
)
def test_dln_keeps_the_best_and_stops_when_none_is_better(params, model, monkeypatch, counts, kept, steps):
    """Counts of the initial instruction and of the one prompt of each step."""
    texts = [setup.INITIAL["reviews"], *(f"prompt {n}" for n in range(4))]
    written, shown = iter(texts[1:]), []
    monkeypatch.setattr(dln, "_write", lambda _, __, prompt, *___: shown.append(prompt) or next(written))
    about = params.dln.model_copy(update={"steps": 4, "prompts": 1, "patience": 2})
    records = [setup.Record("a text", 0), setup.Record("a film", 1)]
    right = dict(zip(texts, counts, strict=True)).__getitem__
    made = dln.improve(model, params.model_copy(update={"dln": about}), records, right, 0)
    assert (made.prompt, made.candidates) == (texts[kept], steps)
    assert made.right == [max(counts[: n + 1]) for n in range(steps + 1)]
    assert shown == [texts[counts.index(best)] for best in made.right[:-1]]  # the best so far is improved


def test_one_voter_writes_a_prompt(params, model):
    examples = [Example("a text", "positive", "negative")]
    texts = {dln._write(model, params, "Sort.", examples, np.random.default_rng(n)) for n in range(4)}
    assert len(texts) > 1
    assert all("\n" not in text for text in texts)


def test_the_tuned_copy_reads_otherwise_and_needs_records(params, inputs):
    found = setup.pools(params, inputs)
    weights, losses = readers.tuned_weights(params, found.spare)
    assert len(losses) == 2
    original = setup.model_of(params)
    (copy,) = (other for name, other in readers.readers(params.model_copy(update={"readers": []}), weights))
    for name, before in original.net.named_parameters():
        same = bool((before == copy.net.get_parameter(name)).all())
        assert same == (name not in weights), name
    assert [n for n, _ in readers.readers(params, {})] == ["tiny"]
    for change, says in (
        ({"records": 500}, "500 records for the tuned copy"),
        ({"layers": 9}, "layers 9: more"),
    ):
        about = params.tuned.model_copy(update=change)
        with pytest.raises(StageError, match=says):
            readers.tuned_weights(params.model_copy(update={"tuned": about}), found.spare)


def test_calibration_is_a_switch_and_takes_out_the_bias(params, model):
    texts = ["red film", "cold text"]
    on, off = (
        setup.answers(model, params.model_copy(update={"calibrate": c}), "Sort.", texts)
        for c in (True, False)
    )
    assert on.values == pytest.approx(off.values - off.bias)
    assert on.uncalibrated(params) == pytest.approx(off.values)
    assert off.uncalibrated(params.model_copy(update={"calibrate": False})) is off.values


def test_membership_has_an_interval():
    y = np.array([0, 0, 0, 0, 0, 0])
    values = np.array([[4.0, 0], [5, 0], [1, 0], [2, 0], [0, 0], [0.5, 0]])
    found = measure._membership(values, y)
    assert found["auc"] == pytest.approx(8 / 9)
    assert 0 < found["auc_least"] < found["auc"] < found["auc_most"] < 1


def test_one_vote_each_without_noise(params, model):
    made = fixed(rooms(params, model), range(8))
    assert all(poll["voters"] == 8 and poll["chosen"] == poll["first"] for poll in made.polls)
    copied = fixed(rooms(params, model, 1), [0], copies=5)
    assert all(poll["voters"] == 5 for poll in copied.polls)


def test_words_shared_with_a_record():
    texts, public = ["a warm and soft film", "it is cold"], "sort a warm text"
    assert secret.longest_run("say warm and soft twice", texts, public) == 3
    assert secret.longest_run("sort a warm text", texts, public) == 0
    assert secret.longest_run("nothing here", [], "") == 0
    assert (
        secret.masked("say Warm and soft  twice", texts, public) == "say [private] [private] [private] twice"
    )
    assert secret.masked("it is", texts, public) == "it is"


def test_a_secret_that_is_shown_is_exposed(model, monkeypatch):
    seen = {}

    def scored(net, items):
        seen["prefix"] = bytes(items[0].prefix)
        sums = np.zeros(64)
        sums[secret.WORDS.index(secret.secret(3))] = 9.0 if "harbor" in shown else -9.0
        return [sums]

    monkeypatch.setattr(secret, "score", scored)
    for shown, bits in (("harbor", 6.0), ("nothing", 0.0)):
        assert secret.exposure(model, shown, 3) == pytest.approx(bits)
    assert len(set(secret.WORDS)) == 64


def test_stages_publish_no_private_text(params, inputs, model, monkeypatch):
    """Neither results nor arrays of any stage hold three words in a row of a private record."""
    for stage in (prepare, train, measure):
        monkeypatch.setattr(stage, "model_of", lambda _: model)
    made = {"prepare": prepare.run(params, inputs, 0)}

    def evidence(output):
        return Evidence(
            json.loads(json.dumps(output.results)),
            read_arrays=lambda: output.arrays,
            read_scratch=lambda: output.scratch,
        )

    given = {**inputs, "prepare": evidence(made["prepare"])}
    made["train"] = train.run(params, given, 0)
    given["train"] = evidence(made["train"])
    made["measure"] = measure.run(params, given, 0)
    found = setup.pools(params, inputs)
    private = [found.pool[i].text.split() for i in setup.private(params, found, 0)]
    for name, output in made.items():
        text = json.dumps(output.results)
        assert not any(" ".join(words[a : a + 3]) in text for words in private for a in (0, 1)), name
        assert all(values.dtype != np.uint8 for values in output.arrays.values()), name
    # the test can fail: what measure reads does quote a record, where a method shows it
    quoted = train._chosen(
        Found(texts=[" ".join(private[0])]), "x", lambda _: 1, None, np.random.default_rng(0)
    )
    assert quoted["prompt"] == " ".join(private[0])
    assert secret.masked(quoted["prompt"], [" ".join(private[0])], "x") == "[private] " * 3 + "[private]"
    assert made["measure"].results["methods"]["icl"]["run"] >= 4
    again = train.run(params, given, 0)
    assert again.results == made["train"].results


def test_gains_are_on_the_items_that_both_answer(params):
    """A method that answers the first items alone is compared with the initial instruction on these."""
    zero = np.array([1] * 4 + [0] * 8)
    answered = {
        "right/zero": zero,
        "right/dln": np.array([1, 1, 1, 0]),
        "tuned/zero": zero[:8],
        "right/opt": 1 - zero,
    }
    row = SimpleNamespace(
        params=params,
        evidence={
            "train": Evidence({"methods": {}}),
            "measure": Evidence({"methods": {"dln": {"auc": 0.5}}}, read_arrays=lambda: answered),
            "defend": Evidence({}, read_arrays=lambda: {"items": np.array([12])}),
        },
    )
    whole, *made = table._prompts(row)
    assert whole["auc_dln"] == 0.5
    found = {about["method"]: about for about in made}
    assert found["dln"]["gain"] == pytest.approx(-0.25)
    assert found["opt"]["gain"] == pytest.approx(8 / 12 - 4 / 12)
    assert found["opt"]["first"] == pytest.approx(4 / 8)
    assert found["zero"]["tuned"] == pytest.approx(4 / 8)
    assert found["zero"]["gain"] == 0
    columns = {key for line in table._items(row) for key in line}
    assert {"right_dln", "tuned_zero", "right_soft_8"} <= columns


def test_figures_of_cells_that_do_not_run_the_same_methods():
    rows = [("a", "zero"), ("a", "dp_8"), ("a", "poisson_8"), ("b", "zero"), ("b", "dp_8")]
    methods = pd.DataFrame(rows, columns=["cell", "method"]).assign(
        run=0, exposure=1.0, auc=0.5, chat=0.6, first=0.5
    )
    methods["tuned"] = [0.5, 0.5, 0.5, np.nan, np.nan]
    bars = by_method(methods)
    assert sum("not measured" in text.get_text() for ax in bars.axes for text in ax.texts) == 3
    shown = [[tick.get_text() for tick in ax.get_xticklabels()] for ax in matrix(methods, ["tuned"]).axes]
    assert shown == [["own template", "chat template", "tuned copy"], ["own template", "chat template"]]
