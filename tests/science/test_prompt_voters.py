"""Voters with kept keys and values equal voters that compute their whole prompts; how a prompt is drawn."""

import numpy as np
import pytest
import torch

from retrace.llm import tiny
from retrace.llm.load import LanguageModel
from retrace.llm.prompts.classify import bias, likelihoods, prompted
from retrace.llm.prompts.draw import count, draw, most
from retrace.llm.prompts.frame import Example, examples_text, frame, tail
from retrace.llm.prompts.voters import Voters, cast
from retrace.stage import StageError


@pytest.fixture(scope="module")
def model():
    return LanguageModel("tiny", tiny.network().requires_grad_(False), tiny.tokenizer(), "")


def whole(net, rows):
    with torch.no_grad():
        return torch.stack([net(torch.tensor([row])).logits[0, -1] for row in rows])


def test_kept_voters_equal_whole_prompts(model):
    """Whatever order groups are chosen in, and when the prompt begins anew or parts from the last one."""
    rng = np.random.default_rng(0)
    shared = tuple(rng.integers(250, size=17).tolist())
    tails = [tuple(rng.integers(250, size=n).tolist()) for n in (5, 9, 3, 12, 7, 1)]
    kept = Voters(model.net, shared, tails, room=6)
    prompts = [(), (3,), (3, 8), (3, 8, 40), (3, 9), (3, 9, 1, 2), (), (5, 5, 5, 5, 5, 5), (5, 5)]
    for said in prompts:
        groups = rng.choice(6, size=4, replace=False).tolist()
        found = kept.logits(groups, said)
        direct = whole(model.net, [(*shared, *tails[g], *said) for g in groups])
        assert torch.allclose(found, direct, atol=1e-4)
        noise = torch.from_numpy(rng.gumbel(size=found.shape))
        assert cast(found, noise, 0.5) == cast(direct, noise, 0.5)


def test_only_chosen_groups_compute_and_only_what_is_new(model):
    tails = [(1, 2, 3), (4, 5, 6, 7), (8,)]
    kept = Voters(model.net, (9, 9), tails, room=4)
    kept.logits([0, 1], ())
    assert kept.computed == 7
    kept.logits([0, 1], (5,))
    assert kept.computed == 9
    kept.logits([2, 0], (5, 6))
    assert kept.computed == 9 + 3 + 1  # the third group's tail and both tokens; one token of the first


def test_gumbel_max_samples_the_softmax():
    values, rng = torch.tensor([[1.0, 0.0, -1.0]]), torch.Generator().manual_seed(0)
    noise = -torch.log(-torch.log(torch.rand(5000, 3, generator=rng)))
    shares = np.bincount(cast(values.expand(5000, 3), noise, 0.7), minlength=3) / 5000
    assert shares == pytest.approx(torch.softmax(values[0] / 0.7, 0).numpy(), abs=0.03)


def scripted(tokens):
    """Ballots that vote for the tokens in turn; None is a poll without a winner."""
    it = iter(tokens)
    return lambda _: {token: 3} if (token := next(it)) is not None else {}


def winner(votes):
    return most(votes) if votes else None


def test_a_prompt_ends_by_token_length_budget_or_without_consensus():
    ends = lambda token: token == 0  # noqa: E731
    assert draw(scripted([5, 6, 0, 7]), winner, 9, ends).tokens == [5, 6]
    assert draw(scripted([5, 6, 7]), winner, 2, ends).ended == "length"
    tried = draw(scripted([5, None, 6, None, None, 7]), winner, 9, ends)
    assert (tried.tokens, tried.ended, len(tried.polls)) == ([5, 6], "no consensus", 5)
    spread = draw(scripted([5, None] * 9), winner, 9, ends, retries=(1, 2))
    assert (len(spread.tokens), spread.ended) == (3, "no consensus")
    short = draw(scripted([5, None, 6]), winner, 9, ends, queries=2)
    assert (short.tokens, short.ended) == ([5], "budget")
    assert [p.chosen for p in tried.polls] == [3, -1, 3, -1, -1]


def test_the_most_votes_win_and_ties_are_no_secret():
    assert most(count([4, 2, 2, 4, 9])) == 2
    assert dict(count([1, 1, 3])) == {1: 2, 3: 1}


def test_a_voter_reads_right_and_wrong_examples(model):
    good, bad = Example("a film", "positive", "positive"), Example("a bore", "negative", "positive")
    assert examples_text([bad, good]) == "Right:\na film = positive\nWrong:\na bore = negative, not positive"
    assert examples_text([]) == ""
    for kind in ("improve", "infer"):
        made = frame(model, kind, "Sort it.", ["negative", "positive"], "Be brief.")
        text = model.tokenizer.decode([*made.shared, *tail(model, made, [good], 2)])
        assert "a film = positive" in text
        assert text.endswith("nstruction:")
        assert ("Sort it." in text) == (kind == "improve")


def test_what_does_not_fit_is_refused(model):
    made = frame(model, "infer", "", ["a"], "")
    with pytest.raises(StageError, match="exceeds the context of tiny"):
        tail(model, made, [Example("x" * 500, "a", "a")], 4)
    with pytest.raises(StageError, match="leaves no room in the context of tiny"):
        prompted(model, "x" * 500, ["a", "b"], "plain")
    bare = LanguageModel("bare", model.net, tiny.tokenizer(), "")
    bare.tokenizer.chat_template = None
    with pytest.raises(StageError, match="no chat template"):
        frame(bare, "infer", "", ["a"], "")


@pytest.mark.parametrize("template", ["plain", "chat"])
def test_labels_are_scored_as_a_whole_pass_does(model, template):
    labels = ["no", "yes"]
    made = prompted(model, "Sort.", labels, template, [("one", "yes")])
    found = likelihoods(model, made, ["a cat", "two dogs"])
    for row, text in enumerate(["a cat", "two dogs"]):
        before = (
            *made.before,
            *model.tokenizer(f" {text}", add_special_tokens=False)["input_ids"],
            *made.after,
        )
        for column, label in enumerate(made.labels):
            log = torch.log_softmax(model.net(torch.tensor([[*before, *label]])).logits[0], -1)
            direct = np.mean([float(log[len(before) - 1 + k, t]) for k, t in enumerate(label)])
            assert found[row, column] == pytest.approx(direct, abs=1e-4)
    neutral = likelihoods(model, made, ("N/A", "text", "?")).mean(0)
    assert bias(model, made) == pytest.approx(neutral)
