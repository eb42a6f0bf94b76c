"""Scoring, generation and kept prefixes of a language model equal the slow direct way."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retrace.data.texts.read import Choice
from retrace.llm import chat, tiny
from retrace.llm.judges import choice, margin
from retrace.llm.kernels import generate, layers, masks, nll, prefix, score, sweep
from retrace.llm.load import LanguageModel, load
from retrace.llm.rows import Row, batches, halves
from retrace.stage import StageError

NET = tiny.network(1).double()
END = 257
token_rows = st.lists(st.integers(0, 255), min_size=1, max_size=9).map(tuple)
item_lists = st.lists(
    st.builds(score.Item, token_rows, st.lists(token_rows, min_size=1, max_size=4).map(tuple)),
    min_size=1,
    max_size=5,
)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def option_by_option(net, item):
    """One whole forward pass for each option."""
    sums = []
    for option in item.options:
        found = net(torch.tensor([item.prefix + option])).logits[0].log_softmax(-1)
        at = len(item.prefix) - 1
        sums.append(sum(found[at + k, token].item() for k, token in enumerate(option)))
    return sums


@settings(max_examples=25, deadline=None)
@given(item_lists, st.integers(1, 60))
def test_shared_prefix_scores_equal_option_by_option(items, budget):
    fast = score.score(NET, items, budget)
    for item, sums in zip(items, fast, strict=True):
        assert sums == pytest.approx(option_by_option(NET, item), abs=1e-9)


few_words = st.lists(st.integers(1, 2), min_size=1, max_size=5).map(tuple)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(few_words, min_size=1, max_size=6).map(tuple), min_size=1, max_size=3))
def test_beginnings_that_options_share_are_computed_once(options):
    items = [score.Item((5, 6, 7)[: 1 + i], one) for i, one in enumerate(options)]
    for item, sums in zip(items, score.score(NET, items), strict=True):
        assert sums == pytest.approx(option_by_option(NET, item), abs=1e-9)
        distinct = {option[:end] for option in item.options for end in range(1, len(option))}
        assert item.inputs == len(item.prefix) + len(distinct)


@settings(max_examples=10, deadline=None)
@given(item_lists, token_rows, st.integers(1, 60))
def test_a_common_block_is_as_good_as_longer_prefixes(items, common, budget):
    longer = [score.Item(common + item.prefix, item.options) for item in items]
    for item, sums in zip(longer, score.score(NET, items, budget, common=common), strict=True):
        assert sums == pytest.approx(option_by_option(NET, item), abs=1e-9)
    with pytest.raises(ValueError, match="cannot share"):
        score.score(NET, items, switch=lambda rows: None, common=common)


def test_scores_in_single_precision_hold_to_five_digits():
    net = tiny.network(2)
    items = [score.Item((5, 6, 7), ((1, 2, 3), (4,), (9, 9)))]
    assert score.score(net, items)[0] == pytest.approx(option_by_option(net, items[0]), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("before", "options"), [((), ((1,),)), ((1,), ()), ((1,), ((1,), ()))])
def test_items_without_tokens_are_refused(before, options):
    with pytest.raises(ValueError, match="needs a prefix"):
        score.Item(before, options)


@settings(max_examples=15, deadline=None)
@given(st.lists(token_rows, min_size=1, max_size=6), st.integers(1, 80))
def test_batched_generation_equals_one_prompt_at_a_time(prompts, budget):
    fast = generate.generate(NET, prompts, 6, END, budget)[0]
    for prompt, answer in zip(prompts, fast, strict=True):
        ids = list(prompt)
        for _ in range(6):
            ids.append(int(NET(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == END:
                ids.pop()
                break
        assert answer == ids[len(prompt) :]


def test_rows_leave_early_and_the_others_do_not_notice():
    prompts = [(1, 2, 3), (40,), (7, 8, 9, 10)]
    whole = generate.generate(NET, prompts, 8, END)[0]
    stops = whole[1][:2]
    short = generate.generate(NET, prompts, 8, END, done=lambda ids: list(ids) == stops)[0]
    assert short == [whole[0], stops, whole[2]]
    ended = generate.generate(NET, prompts, 8, whole[0][1])[0]  # the second token of row 0 ends an answer
    assert ended[0] == whole[0][:1] if whole[0][0] != whole[0][1] else ended[0] == []


def some_masks(variants, seed, first=0):
    made = masks.nothing_masked(NET, variants)
    draw = torch.Generator().manual_seed(seed)
    made.mlp[:, first:] = torch.rand(made.mlp[:, first:].shape, generator=draw) > 0.3
    made.heads[:, first:] = torch.rand(made.heads[:, first:].shape, generator=draw) > 0.4
    return made


def pruned(made, variant):
    net = tiny.network(1).double()
    masks.prune(net, made.mlp[variant], made.heads[variant])
    return net


@pytest.mark.parametrize("first", [0, 2, 4])
def test_variants_in_one_batch_equal_pruned_copies(first):
    made = some_masks(3, seed=first, first=first)
    assert made.first == first
    items = [score.Item((3, 4), ((5, 6), (7,))), score.Item((8,), ((9, 1), (2, 2, 2)))]
    fast = sweep.score_variants(NET, made, items, budget=9)
    known = [Row((1, 2, 3, 4), 2), Row((9, 9), 1)]
    losses = sweep.variant_nll(NET, made, known, budget=9)
    prompts = [(1, 2, 3), (40,)]
    rows = [v for v in range(3) for _ in prompts]
    with masks.masked(NET, made, rows) as switch:
        answers = generate.generate(NET, prompts, 5, END, switch=switch, copies=3, shared=made.first)
    for variant in range(3):
        copy = pruned(made, variant)
        for item, sums in zip(items, fast[variant], strict=True):
            assert sums == pytest.approx(option_by_option(copy, item), abs=1e-9)
        assert answers[variant] == generate.generate(copy, prompts, 5, END)[0]
        assert losses[variant] == pytest.approx(nll.mean_nll(copy, known), abs=1e-9)


def test_masks_leave_no_trace_and_want_to_be_told_their_rows():
    made, items = some_masks(2, 5), [score.Item((1, 2), ((3,),))]
    before = score.score(NET, items)
    with masks.masked(NET, made, [0, 1]) as switch:
        with pytest.raises(RuntimeError, match="did not tell"):
            score.score(NET, items)
        inside = score.score(NET, items, switch=switch)
    assert score.score(NET, items)[0].tolist() == before[0].tolist() != inside[0].tolist()


def test_masks_of_the_wrong_kind_are_refused():
    with pytest.raises(ValueError, match="boolean"):
        masks.UnitMasks(torch.ones(1, 4, 64), torch.ones(1, 4, 4))
    with pytest.raises(ValueError, match="units"):
        masks.UnitMasks(torch.ones(1, 4, 64).bool(), torch.ones(2, 4, 4).bool())


@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_answers_from_kept_states_equal_whole_passes(start):
    rows = [Row((1, 2, 3, 4, 5), 2), Row((6, 7), 1), Row(tuple(range(12)), 9)]
    kept = prefix.lower(NET, [row.ids for row in rows], start, budget=12)
    assert [len(states) for states in kept] == [5, 2, 12]
    direct = [-option_by_option(NET, score.Item(row.ids[: row.start], (row.answer,)))[0] for row in rows]
    assert nll.answer_nll(NET, rows, kept, start).tolist() == pytest.approx(direct, abs=1e-9)
    means = [total / len(row.answer) for total, row in zip(direct, rows, strict=True)]
    assert nll.mean_nll(NET, rows, kept, start, budget=13).tolist() == pytest.approx(means, abs=1e-9)


def test_a_row_without_an_answer_has_no_likelihood():
    with pytest.raises(ValueError, match="without an answer"):
        nll.answer_nll(NET, [Row((1, 2), 2)])
    with pytest.raises(ValueError, match="without an answer"):
        nll.answer_states(NET, [Row((1, 2), 2)])


@pytest.mark.parametrize("start", [0, 2])
def test_rows_end_to_end_equal_each_row_alone(start):
    rows = [Row((1, 2, 3, 4, 5), 2), Row((6, 7), 1), Row(tuple(range(12)), 9), Row((8,) * 5, 4)]
    kept = prefix.lower(NET, [row.ids for row in rows], start)
    alone = [layers.run(NET, states[None], start)[0] for states in kept]
    before = NET.config._attn_implementation
    lengths = [len(row.ids) for row in rows]
    torch.testing.assert_close(layers.run_rows(NET, torch.cat(kept), lengths, start), torch.cat(alone))
    assert NET.config._attn_implementation == before
    expected = torch.cat([states[row.start - 1 : -1] for states, row in zip(alone, rows, strict=True)])
    for given_states in (kept, None) if start == 0 else (kept,):
        states, targets = nll.answer_states(NET, rows, given_states, start)
        torch.testing.assert_close(states, expected)
        assert targets.tolist() == [token for row in rows for token in row.answer]


def test_networks_that_are_alike_below_share_its_states():
    """The second network differs from layer 2 on, and has its own results from what the first left."""
    other = tiny.network(1).double()
    with torch.no_grad():
        for layer in other.model.layers[2:]:
            layer.mlp.down_proj.weight += 0.1
    items = [score.Item((1, 2), ((3, 4), (3, 5))), score.Item((1, 2, 3), ((4,), (5, 6)))]
    rows = [Row((1, 2, 3), 1), Row((4, 5), 1)]

    def found(net, below=None):
        sums = score.score(net, items, 6, below=below)
        return [s.tolist() for s in sums], nll.mean_nll(net, rows, budget=3, below=below).tolist()

    below, seen = prefix.Below(2), []
    first = found(NET, below)
    hook = other.model.layers[0].register_forward_hook(lambda *_: seen.append(1))
    shared = found(other, below)
    assert not seen  # no lower layer was computed again
    hook.remove()
    assert (first, shared) == (found(NET), found(other))
    assert shared[1] != first[1]


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 100))
def test_batches_hold_every_row_once_within_the_budget(lengths, budget):
    made = batches(lengths, budget)
    assert sorted(i for batch in made for i in batch) == list(range(len(lengths)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    longest = [lengths[batch[0]] for batch in made]
    assert longest == sorted(longest, reverse=True)


class Scarce(torch.nn.Module):
    """Stands before the first layer and refuses batches of more than `most` rows."""

    def __init__(self, most):
        super().__init__()
        self.most, self.seen = most, []

    def forward(self, _, given):
        self.seen.append(len(given[0]))
        if len(given[0]) > self.most:
            raise torch.OutOfMemoryError("no memory")


def test_a_batch_that_does_not_fit_is_halved_and_then_refused():
    items = [score.Item((i, 1), ((2,),)) for i in range(5)]
    plain = score.score(NET, items)
    scarce = Scarce(2)
    hook = NET.model.layers[0].mlp.register_forward_pre_hook(scarce)
    try:
        assert [s.tolist() for s in score.score(NET, items)] == [s.tolist() for s in plain] or np.allclose(
            score.score(NET, items), plain, atol=1e-12
        )
        assert max(scarce.seen) == 5
        prompts = [item.prefix for item in items]
        assert generate.generate(NET, prompts, 2, END)[0]
        assert len(prefix.lower(NET, prompts, 2)) == 5
        scarce.most = 0
        with pytest.raises(StageError, match="one row alone does not fit"):
            score.score(NET, items)
    finally:
        hook.remove()
    with pytest.raises(StageError, match="one row alone"):
        halves([3])


def test_margin_and_choice_by_hand():
    model = load("tiny")
    prompts = [chat.prompt_ids(model, text) for text in ("hello", "what is it?")]
    made = margin.items(model, prompts)
    sums = [option_by_option(model.net, item) for item in made]
    by_hand = [
        np.mean([s / len(o) for s, o in zip(row, item.options, strict=True)][:8])
        - np.mean([s / len(o) for s, o in zip(row, item.options, strict=True)][8:])
        for row, item in zip(sums, made, strict=True)
    ]
    assert margin.margins(model, prompts) == pytest.approx(by_hand, rel=1e-5, abs=1e-5)
    kept = margin.variant_margins(model, masks.nothing_masked(model.net, 2), prompts)
    assert kept[0] == pytest.approx(by_hand, rel=1e-5, abs=1e-5)
    questions = [Choice("one?", ("a", "bb"), 1), Choice("two?", ("c", "d", "e", "f"), 0)]
    items = choice.items(model, questions)
    found = choice.choose(questions, items, [np.array([-3.0, -2.0]), np.array([-5.0, -1.0, -2.0, -3.0])])
    assert found.right.tolist() == [True, False]
    assert found.lead.tolist() == [2.0, -4.0]
    assert found.picked.tolist() == [1, 1]
    assert found.chance == pytest.approx(0.375)


def test_chat_text_and_its_refusals():
    model = load("tiny")
    prompt = chat.prompt_ids(model, "hi", system="be kind")
    text = "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert model.tokenizer.decode(prompt) == text
    assert model.tokenizer.decode(chat.prompt_ids(model, "hi", bare=True)) == text.split("<|im_end|>\n", 1)[1]
    row = chat.answered(model, prompt, "yes")
    assert model.tokenizer.decode(row.answer) == "yes<|im_end|>"
    assert model.tokenizer.decode(chat.answered(model, prompt, "yes", limit=2).answer) == "ye"
    for call in (
        lambda: chat.prompt_ids(model, "x" * 600),
        lambda: chat.answered(model, prompt, "x" * 600),
    ):
        with pytest.raises(StageError, match=r"exceeds the context of tiny \(512\): shorten it"):
            call()
    plain = tiny.tokenizer()
    plain.chat_template = None
    with pytest.raises(StageError, match="no chat template"):
        chat.prompt_ids(LanguageModel("bare", model.net, plain, ""), "hi")
