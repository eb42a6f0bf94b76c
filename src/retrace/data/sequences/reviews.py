"""Movie-review sentences as rows of bytes, the form in which the catalogue keeps every data set."""

from __future__ import annotations

import io
import tarfile

import numpy as np

from retrace.data.images import Images

CODEC = "cp1252"  # one byte a character; it holds every character of the sentences
SENTENCES = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
INNER = "additional_resources/hutto_ICWSM_2014.tar.gz"


def from_source(distribution: bytes) -> Images:
    """The 10,605 sentences in vaderSentiment's source distribution (Hutto and Gilbert 2014), in file order.

    `x` (N,1,W,1): the characters, padded with zeros; `y`: the mean human rating in [-4,4] as
    round(10 (rating + 4)), so 0..80. Errors: ValueError when the archive does not hold them.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(distribution)) as outer:
            inner = next((m for m in outer if m.name.endswith(INNER)), None)
            packed = outer.extractfile(inner) if inner else None
            if packed is None:
                raise ValueError(f"the archive has no {INNER}")
            with tarfile.open(fileobj=io.BytesIO(packed.read())) as files:
                file = files.extractfile(SENTENCES)
                text = file.read().decode("utf-8") if file else ""
    except (tarfile.TarError, KeyError) as error:
        raise ValueError(f"not vaderSentiment's source distribution: {error}") from None
    lines = [line.rstrip("\r").split("\t") for line in text.split("\n") if line.strip()]
    return pack([words for _, _, words in lines], [float(rating) for _, rating, _ in lines])


def pack(sentences: list[str], ratings: list[float]) -> Images:
    """Sentences and ratings in [-4,4] in the catalogue's form; see `from_source`."""
    rows = [np.frombuffer(sentence.strip().encode(CODEC), dtype=np.uint8) for sentence in sentences]
    x = np.zeros((len(rows), 1, max(map(len, rows)), 1), dtype=np.uint8)
    for place, row in zip(x, rows, strict=True):
        place[0, : len(row), 0] = row
    return Images(x, np.rint(10 * (np.asarray(ratings) + 4)).astype(np.int64), 81)


def unpack(x: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> list[str]:
    """The sentences of `x` (N,1,W,1), without the padding; ValueError for any other shape."""
    if x.ndim != 4 or x.shape[1] != 1 or x.shape[3] != 1:
        raise ValueError(f"text must be bytes (N,1,W,1), not {x.shape}; use a data set of sentences")
    return [row.tobytes().rstrip(b"\0").decode(CODEC) for row in x[:, 0, :, 0]]
