"""Likelihoods of options equal those of lm-eval (0.4.13), where it is installed: an extra of the tests."""

import numpy as np
import pytest

from retrace.llm import tiny
from retrace.llm.kernels.score import Item, score

pytest.importorskip("lm_eval", reason="pip install lm_eval==0.4.13 beside the environment")


def test_likelihoods_are_those_of_the_harness():
    try:
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
    except ImportError as error:
        pytest.skip(f"lm-eval lacks a package: {error}")
    net, tokenizer = tiny.network(2), tiny.tokenizer()
    rng = np.random.default_rng(0)
    words = ["a cat sat", "on the mat", "two dogs", "ran home", "the end", "of a day"]
    items = [
        (" ".join(rng.choice(words, 2)), tuple(f" {word}" for word in rng.choice(words, 3, replace=False)))
        for _ in range(20)
    ]

    def ids(text):
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

    own = score(net, [Item(ids(text), tuple(ids(option) for option in options)) for text, options in items])
    harness = HFLM(pretrained=net, tokenizer=tokenizer, batch_size=4, add_bos_token=False)
    asked = [
        Instance("loglikelihood", {}, (text, option), n)
        for n, (text, options) in enumerate(items)
        for option in options
    ]
    theirs = np.array([value for value, _ in harness.loglikelihood(asked, disable_tqdm=True)])
    assert np.concatenate(own) == pytest.approx(theirs, abs=1e-3)
