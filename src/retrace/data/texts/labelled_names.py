"""Names of the sets of texts with classes, as facts; nothing here reads them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HubSet:
    """A set of the hub: its repository, the splits to train and test on with their rows, and its columns."""

    path: str
    splits: tuple[str, str]
    rows: tuple[int, int]
    text: str
    label: str


# repositories and columns are from memory; numbers of rows are the paper's, checked when a set is read
HUB = {
    "emotions": HubSet("dair-ai/emotion", ("train", "test"), (16_000, 2_000), "text", "label"),
    "tweettopic": HubSet(
        "cardiffnlp/tweet_topic_single", ("train_2020", "test_2020"), (2_858, 376), "text", "label"
    ),
    "news": HubSet("okite97/news-data", ("train", "test"), (4_686, 828), "Excerpt", "Category"),
}
CATALOGUED = ("brown", "reviews")
IMAGES = ("cifar10", "utkface", "nico")
SETS = ("keywords", *CATALOGUED, *HUB, *IMAGES)
