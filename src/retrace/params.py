"""What a study's `params.py` is made of: the parameters of a stage as a type, and words that sheets share."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, StringConstraints

from retrace.data.external_names import IMAGES
from retrace.data.own import own_sets
from retrace.errors import unknown
from retrace.recipe import SOURCE
from retrace.strict import Strict


class StageParams(Strict):
    """The parameters of a stage, each a field: they are in its key, and nothing else reaches its `run`.

    A stage's class holds its own fields and those of the classes that it extends; a study's `Params` extends
    the classes of all its stages.
    """

    if not TYPE_CHECKING:  # else mypy would take every name for a parameter

        def __getattr__(self, name: str) -> Any:
            """Say what to do about a parameter that the stage does not have."""
            if name.startswith("_"):
                return super().__getattr__(name)
            kind = type(self).__name__
            raise AttributeError(f"{kind} has no parameter {name!r}: declare it there, and it is in the key")


def known(what: str, names: Collection[str]) -> AfterValidator:
    """For `Annotated[str, known(...)]`: one of `names`; any other word is answered with the nearest."""

    def check(word: str) -> str:
        if word not in names:
            raise ValueError(unknown(what, word, names))
        return word

    return AfterValidator(check)


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")]  # ends a column's name
Group = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+-]*$")]  # of cells; names a folder


def image_set(names: Collection[str]) -> AfterValidator:
    """As `known`: one of the repository's sets of images `names`, or one of the user's own in data/own/."""

    def check(word: str) -> str:
        if word not in names:
            own = own_sets(SOURCE.parent)
            if word not in own:
                raise ValueError(unknown("data set", word, [*names, *own]))
        return word

    return AfterValidator(check)


ImageSet = Annotated[str, image_set(IMAGES)]
