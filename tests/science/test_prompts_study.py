"""The prompts study: parameters that do not fit, budgets, what is published, and what leaks."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from cell import ROOT
from pydantic import ValidationError

from retrace.llm import tiny
from retrace.llm.load import LanguageModel
from retrace.llm.prompts.frame import Example
from retrace.sheet import load_cells, load_study
from retrace.stage import Evidence, StageError
from retrace.studies.prompts import measure, prepare, secret, setup, train
from retrace.studies.prompts.drawing import Found, Rooms, fixed, privately
from retrace.studies.prompts.params import Params

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
    parts = [{r.text for r in part} for part in (found.pool, found.validation, found.test)]
    assert [bool(a & b) for a, b in itertools.combinations(parts, 2)] == [False] * 3
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
