"""Which image sets have an attribute that is not the label, as facts; nothing here reads them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """Number of classes, names of the groups by number, and how to get the set."""

    classes: int
    groups: tuple[str, ...]
    remedy: str


_FACES = "its licence is for research alone and it is not fetched for you; unpack it there"
ATTRIBUTED = {
    "elpv": Known(2, ("poly", "mono"), "pip fetches it"),
    "utkface": Known(
        2, ("white", "black", "asian", "indian", "others"), f"see susanqq.github.io/UTKFace: {_FACES}"
    ),
    "fairface": Known(
        2,
        ("east-asian", "indian", "black", "white", "middle-eastern", "latino", "southeast-asian"),
        f"see github.com/joojs/fairface: {_FACES}",
    ),
}
