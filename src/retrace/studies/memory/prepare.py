"""Lay out what a cell needs beside what is drawn while training: test sequences, images, a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from retrace.data.as_images import as_images
from retrace.data.images import Images
from retrace.data.sequences.pixels import pixel_sequences
from retrace.data.sequences.reviews import unpack
from retrace.data.sequences.tasks import BitTask, Characters, Pixels
from retrace.data.sequences.text import corpus
from retrace.metrics.ngrams import ngram_bits
from retrace.seeds import generator
from retrace.stage import Array, Inputs, Output, StageError

if TYPE_CHECKING:
    from retrace.studies.memory.params import Prepare


def run(params: Prepare, inputs: Inputs, seed: int) -> Output:
    """Test batches of a task drawn at random (`in<i>` as in training, `long...` longer ones); or the data.

    Leaves `<batch>.x` (T,B,X) and `<batch>.y` (A,B,Y); or pixels uint8 and labels of both parts; or codes.
    Results: channels, sizes, and rivals without a recurrent network (logistic regression, n-grams).
    """
    task = params.task
    try:
        if isinstance(task, Pixels):
            return _pixels(task, as_images(inputs["dataset"]), seed)
        if isinstance(task, Characters):
            return _characters(task, as_images(inputs["dataset"]), seed)
        return _bits(task, params, seed)
    except ValueError as error:
        raise StageError(str(error)) from None


def _bits(task: BitTask, params: Prepare, seed: int) -> Output:
    rng = generator(seed, "test")
    batches = {f"in{i}": task.draw(rng, params.batch) for i in range(params.tests)}
    batches |= task.tests(rng, params.batch)
    scratch: dict[str, Array] = {}
    for name, batch in batches.items():
        scratch |= {f"{name}.x": batch.x, f"{name}.y": batch.y}
    results = {
        "channels": list(task.channels),
        "steps": {name: len(batch.x) for name, batch in batches.items()},
        "ones": float(np.mean([batch.y.mean() for batch in batches.values()])),
    }
    return Output(results, scratch=scratch)


def _pixels(task: Pixels, images: Images, seed: int) -> Output:
    parts = pixel_sequences(images, task.permutation, task.test, generator(seed, "split"))
    scratch = {
        "train.x": parts.x_train,
        "train.y": parts.y_train,
        "test.x": parts.x_test,
        "test.y": parts.y_test,
    }
    from sklearn.linear_model import LogisticRegression  # a second that the other tasks need not wait

    line = LogisticRegression(max_iter=200, C=0.1).fit(parts.x_train / 255, parts.y_train)
    results: dict[str, Any] = {
        "channels": [1, images.classes],
        "steps": {"test": int(parts.x_test.shape[1])},
        "images": [len(parts.y_train), len(parts.y_test)],
        "rivals": {"logistic": float(line.score(parts.x_test / 255, parts.y_test))},
    }
    return Output(results, scratch={name: np.ascontiguousarray(value) for name, value in scratch.items()})


def _characters(task: Characters, images: Images, seed: int) -> Output:
    text = corpus(unpack(images.x), task.symbols, task.held_out, generator(seed, "split"))
    test = text.test[: task.test]
    read = text.train[: task.budget]
    results = {
        "channels": [text.size, text.size],
        "symbols": text.symbols,
        "characters": [len(text.train), len(test)],
        "rivals": {f"gram{n}": ngram_bits(read, test, text.size, n) for n in (1, 2, 3, 5)},
    }
    return Output(results, scratch={"train": text.train, "test": test})
