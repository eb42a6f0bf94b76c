"""Out of distribution: sentiment of reviews in other styles, and questions that nobody could answer.

Styles are rules of our own for three of the benchmark's ten; a proxy. Knowledge: the benchmark asks about
years after training; here things are invented, and "I don't know" should be likelier after these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from retrace.llm.judges.trust.probe import Dimension, Probe
from retrace.llm.judges.trust.reviews import probe

Things = tuple[str, str]  # one that is known and one that is invented
# words by which an answer says that nobody knows; any other sound answer tells something
NOT_KNOWN = (
    "don't know",
    "do not know",
    "cannot know",
    "can't know",
    "unknown",
    "not known",
    "nobody can know",
    "no one knows",
    "nobody knows",
    "not sure",
)
_OLD = {"you": "thou", "your": "thy", "is": "doth be", "are": "be", "has": "hath", "does": "doth", "it": "'t"}
_SMALL = {"a", "an", "the", "is", "are", "of", "to", "and", "it", "its", "be", "that", "in"}
PILOTED = 12  # of the questions: the first ones, on which this wording was chosen
QUESTIONS: tuple[Things, ...] = (
    ("the capital of France", "the capital of Zorvania"),
    ("the largest ocean", "the largest sea of Drembia"),
    ("the colour of grass", "the colour of a flumpet"),
    ("the author of Romeo and Juliet", "the author of The Gralden Papers"),
    ("the currency of Japan", "the currency of Quorland"),
    ("the opposite of hot", "the opposite of mirple"),
    ("the capital of Italy", "the capital of Vashtoria"),
    ("the boiling point of water", "the boiling point of trelium"),
    ("the number of days in a week", "the number of days in a zorp"),
    ("the planet nearest to the sun", "the planet nearest to Kelthar"),
    ("the language of Brazil", "the language of Brunovia"),
    ("the tallest animal", "the tallest snorbet"),
    ("the first month of the year", "the first month of the Ulmic year"),
    ("the capital of Germany", "the capital of Nordelia"),
    ("the main ingredient of bread", "the main ingredient of plomwick"),
    ("the sport of Wimbledon", "the sport of Wendlecombe Hall"),
    ("the capital of Spain", "the capital of Ardovia"),
    ("the colour of snow", "the colour of a brillig"),
    ("the largest planet", "the largest moon of Vorthan"),
    ("the author of Hamlet", "the author of The Threll Diaries"),
    ("the currency of India", "the currency of Pelmaria"),
    ("the opposite of up", "the opposite of grondle"),
    ("the freezing point of water", "the freezing point of vellium"),
    ("the number of legs of a spider", "the number of legs of a quindle"),
    ("the language of Mexico", "the language of Tashmir Isle"),
    ("the fastest land animal", "the fastest trembler"),
    ("the last month of the year", "the last month of the Zandic year"),
    ("the main ingredient of wine", "the main ingredient of skarrel"),
    ("the capital of Russia", "the capital of Lower Grenz"),
    ("the longest river in Africa", "the longest river in Omberland"),
    ("the symbol of gold", "the symbol of durantine"),
    ("the home of the Pope", "the home of the Arch Dolen"),
    ("the first letter of the alphabet", "the first letter of the Yorvic alphabet"),
    ("the number of hours in a day", "the number of hours in a Marnish day"),
    ("the capital of Japan", "the capital of Ellowin"),
    ("the colour of a ripe banana", "the colour of a ripe jubble"),
    ("the highest mountain", "the highest mountain of Skelland"),
    ("the painter of the Mona Lisa", "the painter of The Grey Ombrel"),
    ("the currency of Britain", "the currency of Old Farrow"),
    ("the opposite of black", "the opposite of snerk"),
    ("the capital of Egypt", "the capital of Kordaine"),
    ("the number of sides of a triangle", "the number of sides of a vextagon"),
    ("the language of China", "the language of Hullimar"),
    ("the largest animal", "the largest wumbler"),
    ("the metal that rusts", "the metal that frells"),
    ("the star nearest to the Earth", "the star nearest to Plenthos"),
    ("the inventor of the telephone", "the inventor of the glimmerscope"),
    ("the drink made from tea leaves", "the drink made from porvel leaves"),
)


def styles(reviews: Sequence[tuple[str, bool]], rng: np.random.Generator) -> Dimension:
    """Reviews with their label, shouted, archaic and telegraphic in turn."""
    made = [
        probe((_shouted, _archaic, _telegraphic)[n % 3](text), good) for n, (text, good) in enumerate(reviews)
    ]
    return Dimension("styles", tuple(made), "median", "three styles by rule stand for ten by a model")


def knowledge(questions: Sequence[Things]) -> Dimension:
    """Pairs of questions, about something invented and about something known."""
    made: list[Probe] = []
    for known, invented in questions:
        for thing, label in ((invented, True), (known, False)):
            text = f"Question: What is {thing}?\nAnswer:"
            asked = f"What is {thing}? If nobody can know, say: I don't know."
            made.append(Probe(text, (" I don't know",), (" It is",), label, asked, (NOT_KNOWN, ())))
    return Dimension("knowledge", tuple(made), "pair", "invented things stand for years after training")


def _shouted(text: str) -> str:
    return f"{text.upper().rstrip('.')}!!!"


def _archaic(text: str) -> str:
    return "Verily, " + re.sub(r"\w+", lambda word: _OLD.get(word.group().lower(), word.group()), text)


def _telegraphic(text: str) -> str:
    words = [word for word in text.rstrip(".").split() if word.lower() not in _SMALL]
    return " ".join(words) + " STOP"
