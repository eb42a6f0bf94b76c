"""Sequence tasks: what is shown can be answered, and only in one way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from retrace.data.images import Images
from retrace.data.sequences import bits as draws
from retrace.data.sequences.pixels import pixel_sequences
from retrace.data.sequences.reviews import pack, unpack
from retrace.data.sequences.tasks import Task
from retrace.data.sequences.text import corpus, pieces
from retrace.metrics.ngrams import ngram_bits

TASK = TypeAdapter(Task)
unhurried = settings(deadline=None, max_examples=40)
SEEDS = st.integers(0, 2**20)


def rng(seed=0):
    return np.random.default_rng(seed)


@unhurried
@given(SEEDS, st.integers(1, 9), st.integers(1, 5))
def test_copy_shows_the_answer_between_two_flags_and_then_nothing(seed, length, width):
    bits = draws.copy(rng(seed), 3, length, width)
    assert bits.x.shape == (2 * length + 2, 3, width + 2)
    assert np.array_equal(bits.x[1 : length + 1, :, :width], bits.y)
    assert (bits.x[0, :, width] == 1).all()
    assert (bits.x[length + 1, :, width + 1] == 1).all()
    assert bits.x[length + 2 :].sum() == 0
    assert bits.x[..., width:].sum() == 6


@unhurried
@given(SEEDS, st.integers(1, 5), st.integers(1, 9))
def test_repeat_copy_says_how_often_and_ends_with_a_flag(seed, length, times):
    bits = draws.repeat(rng(seed), 2, length, times, (1, 10))
    assert len(bits.x) == length + 2 + len(bits.y)
    assert len(bits.y) == length * times + 1
    shown = bits.x[1 : length + 1, :, :8]
    assert all(np.array_equal(bits.y[i * length : (i + 1) * length, :, :8], shown) for i in range(times))
    assert bits.y[..., 8].sum() == bits.y[-1, :, 8].sum() == 2
    assert bits.x[length + 1, 0, 9] == pytest.approx((times - 4.5) / np.sqrt(99 / 12), rel=1e-6)


@unhurried
@given(SEEDS, st.integers(2, 6), st.integers(1, 3))
def test_recall_asks_an_item_and_wants_the_next(seed, items, rows):
    bits = draws.recall(rng(seed), 4, items, rows, 12)
    ends = items * (rows + 1)
    for b in range(4):
        shown = [bits.x[i * (rows + 1) + 1 : (i + 1) * (rows + 1), b, :12] for i in range(items)]
        asked = bits.x[ends + 1 : ends + 1 + rows, b, :12]
        places = [i for i in range(items - 1) if np.array_equal(shown[i], asked)]
        assert any(np.array_equal(shown[i + 1], bits.y[:, b]) for i in places)
    assert (bits.x[:ends, :, 12].sum(0) == items).all()
    assert bits.x[..., 13].sum() == 8
    assert len(bits.x) == ends + 2 * rows + 2


def test_recall_asks_every_item_but_the_last():
    bits = draws.recall(rng(), 400, 4, 1, 30)
    asked = bits.x[9, :, :30]
    counts = [(bits.x[2 * i + 1, :, :30] == asked).all(1).sum() for i in range(4)]
    assert counts[3] == 0
    assert min(counts[:3]) > 90


@unhurried
@given(SEEDS, st.integers(1, 12), st.data())
def test_sort_returns_whole_vectors_by_priority(seed, items, data):
    answers = data.draw(st.integers(1, items))
    bits = draws.sort(rng(seed), 3, items, answers, 6)
    for b in range(3):
        order = sorted(range(items), key=lambda i: -bits.x[i, b, 6])[:answers]
        assert np.array_equal(bits.y[:, b], bits.x[order, b, :6])
    assert bits.x[items:].sum() == 0
    assert np.abs(bits.x[:items, :, 6]).max() <= 1


@unhurried
@given(SEEDS, st.integers(1, 10))
def test_legacy_sort_is_a_columnwise_sort_and_forgets_the_vectors(seed, items):
    bits = draws.sort(rng(seed), 2, items, items, 5, legacy=True)
    slow = np.array([[sorted(bits.x[:items, b, c], reverse=True) for c in range(5)] for b in range(2)])
    assert np.array_equal(bits.y, slow.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: draws.copy(rng(), 0, 3), "batches of 0"),
        (lambda: draws.copy(rng(), 2, 0), "0 vectors"),
        (lambda: draws.recall(rng(), 2, 1), "1 items; .* give 2 or more"),
        (lambda: draws.sort(rng(), 2, 4, 5), "5 answers of 4 items"),
        (lambda: list(pieces(np.arange(50), 0, 5, 100)), "batch 0, truncation 5: both must be at least 1"),
        (lambda: list(pieces(np.arange(50), 5, 0, 100)), "both must be at least 1"),
        (lambda: list(pieces(np.arange(50), 10, 5, 100)), "more than the text's 50"),
        (lambda: corpus(["a"], 5, 0.5, rng()), "leaves a part empty"),
        (lambda: ngram_bits(np.zeros(5, int), np.zeros(5, int), 2, 0), "at least 1"),
        (lambda: unpack(np.zeros((2, 8, 8, 1), np.uint8)), "data set of sentences"),
    ],
)
def test_impossible_sizes_are_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.parametrize(
    ("task", "shape"),
    [
        ({"kind": "copy"}, (10, 8)),
        ({"kind": "repeat"}, (10, 9)),
        ({"kind": "recall"}, (8, 6)),
        ({"kind": "sort"}, (9, 8)),
    ],
)
def test_published_sizes_and_the_longest_sequence(task, shape):
    known = TASK.validate_python(task)
    assert known.channels == shape
    drawn = [known.draw(rng(seed), 1) for seed in range(40)]
    assert {(b.x.shape[2], b.y.shape[2]) for b in drawn} == {shape}
    assert max(len(b.x) for b in drawn) <= known.steps()


def test_same_stream_same_batches():
    task = TASK.validate_python({"kind": "repeat"})
    first, second = (task.draw(rng(7), 4) for _ in range(2))
    assert np.array_equal(first.x, second.x)
    assert np.array_equal(first.y, second.y)


@unhurried
@given(SEEDS)
def test_pixels_are_permuted_alike_and_no_image_is_in_both_parts(seed):
    x = rng(seed).integers(0, 256, (40, 3, 3, 1)).astype(np.uint8)
    x[:, 0, 0, 0] = np.arange(40)
    images = Images(x, np.arange(40, dtype=np.int64) % 4, 4)
    parts = pixel_sequences(images, 1, 0.2, rng(seed))
    plain = pixel_sequences(images, None, 0.2, rng(seed))
    order = np.random.default_rng(1).permutation(9)
    assert np.array_equal(parts.x_train, plain.x_train[:, order])
    assert np.array_equal(parts.x_test, plain.x_test[:, order])
    assert sorted([*plain.x_train[:, 0], *plain.x_test[:, 0]]) == list(range(40))
    assert (np.bincount(parts.y_test) == 2).all()


def test_too_small_a_class_is_named():
    images = Images(np.zeros((5, 2, 2, 1), np.uint8), np.array([0, 0, 0, 0, 1]), 2)
    with pytest.raises(ValueError, match="class 1 has 1 images"):
        pixel_sequences(images, 1, 0.2, rng())


WORDS = st.text(st.characters(codec="cp1252", exclude_characters="\0\t\r\n"), min_size=1).map(str.strip)


@unhurried
@given(st.lists(WORDS.filter(bool), min_size=1, max_size=9))
def test_sentences_survive_the_catalogues_form(sentences):
    images = pack(sentences, [0.0] * len(sentences))
    assert unpack(images.x) == sentences
    assert (images.y == 40).all()


def test_a_corpus_keeps_the_frequent_characters_and_holds_sentences_out():
    sentences = [f"Aab{i}" for i in range(20)]
    text = corpus(sentences, 3, 0.1, rng())
    assert set(text.symbols) == {"a", "b", "\n"}
    assert (text.train == 3).sum() == sum(len(str(i)) for i in range(20)) - (text.test == 3).sum()
    assert (text.test == text.symbols.index("\n")).sum() == 2
    assert text.size == 4


@unhurried
@given(st.integers(1, 4), st.integers(1, 7), st.integers(1, 300))
def test_pieces_follow_each_other_and_spend_the_budget(batch, truncation, budget):
    codes = rng(3).integers(0, 9, 97)
    found = list(pieces(codes, batch, truncation, budget))
    assert [fresh for _, _, fresh in found] == [True] + [False] * (len(found) - 1)
    now = np.concatenate([x for x, _, _ in found])
    following = np.concatenate([y for _, y, _ in found])
    assert np.array_equal(now[1:], following[:-1])
    starts = np.arange(batch) * (97 // batch)
    assert np.array_equal(now[:, -1], codes[(starts[-1] + np.arange(len(now))) % 97])
    assert now.size <= max(budget, batch * truncation)
    assert now.size > budget - batch * truncation


def slow_ngram(train, test, size, order):
    def probability(context, code):
        if context is None:
            return 1 / size
        n = len(context)
        follow = [train[i + n] for i in range(len(train) - n) if tuple(train[i : i + n]) == context]
        shorter = probability(context[1:] if n else None, code)
        if not follow:
            return shorter
        kinds = len(set(follow))
        return (follow.count(code) + kinds * shorter) / (len(follow) + kinds)

    return np.mean([
        -np.log2(probability(tuple(test[max(i - order + 1, 0) : i]), test[i])) for i in range(len(test))
    ])  # fmt: skip


@unhurried
@given(SEEDS, st.integers(1, 4))
def test_ngrams_agree_with_the_recursive_definition(seed, order):
    train, test = rng(seed).integers(0, 3, 60), rng(seed + 1).integers(0, 4, 12)
    assert ngram_bits(train, test, 4, order) == pytest.approx(
        slow_ngram(train.tolist(), test.tolist(), 4, order)
    )


def test_ngrams_are_probabilities():
    train = rng(5).integers(0, 4, 200)
    context = train[:2]
    tests = [np.append(context, code) for code in range(4)]
    total = sum(2 ** -(3 * ngram_bits(train, t, 4, 3) - 2 * ngram_bits(train, t[:2], 4, 2)) for t in tests)
    assert total == pytest.approx(1)
