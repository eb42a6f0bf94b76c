"""Sets of texts and pictures with classes that must be fetched: read when they are there, else one line."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from retrace.data.texts.labelled_names import HUB
from retrace.data.texts.labelled_sets import of_hub
from retrace.stage import StageError
from retrace.studies.layernorm import pictures


def hub(monkeypatch, load):
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load))


class Part(dict):
    """A split of the hub: columns, and as many rows as they have."""

    def __len__(self):
        return len(self["text"])


@pytest.mark.parametrize("extra", [0, 1])
def test_a_set_of_the_hub_has_its_published_rows(extra, monkeypatch):
    sizes = dict(zip(("train", "test"), HUB["emotions"].rows, strict=True))

    def load(path, split):
        count = sizes[split] + (extra if split == "test" else 0)
        return Part(text=[f"{split} {i}" for i in range(count)], label=[i % 6 for i in range(count)])

    hub(monkeypatch, load)
    if extra:
        with pytest.raises(StageError, match=r"dair-ai/emotion has \(16000, 2001\) rows, published were"):
            of_hub("emotions")
        return
    found = of_hub("emotions")
    assert (len(found.train), len(found.test), len(found.names)) == (16_000, 2_000, 6)
    assert found.texts[found.test[0]] == "test 0"
    assert found.y[7] == 1


def test_a_set_of_the_hub_that_cannot_be_had_is_one_line(monkeypatch):
    def load(*_, **__):
        raise ConnectionError("no route\nand a long story")

    hub(monkeypatch, load)
    with pytest.raises(StageError, match=r"the hub's okite97/news-data cannot be read \(no route\); check"):
        of_hub("news")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(StageError, match="pip install datasets"):
        of_hub("news")


def test_pictures_that_are_not_there_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("RETRACE_CACHE", str(tmp_path))
    with pytest.raises(
        StageError, match=r"data set utkface: put its pictures in .*pictures/utkface/<class>/"
    ):
        pictures.labels("utkface", {})
