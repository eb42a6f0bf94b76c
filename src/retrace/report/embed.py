"""Figures as addresses that hold their own data: few colours in WebP without loss keep the page small."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

COLOURS = 64  # of a figure; ours have few, and soft edges
SMALL = (560, 900)  # pixels that a key figure on its card is fitted into


class Picture(NamedTuple):
    """A figure for the page: its name, the words below it, and the PNG file."""

    name: str
    caption: str
    png: Path


class Shown(NamedTuple):
    """A figure on the page: data address and size in pixels, or the reason why there is none."""

    name: str
    caption: str
    source: str = ""
    size: tuple[int, int] = (0, 0)
    problem: str = ""


def embed(paper: str, figure: Picture) -> Shown:
    """The whole figure in few colours; a file that is missing or no whole PNG is named in `problem`."""
    shown, place = Shown(figure.name, figure.caption), f"Figure {paper}/{figure.png.name}"
    try:
        with Image.open(figure.png) as image:
            return _shown(shown, image.convert("RGB"))
    except FileNotFoundError:
        return shown._replace(problem=f"{place} is missing. Draw it with: snakemake {paper}")
    except (UnidentifiedImageError, OSError, SyntaxError):
        return shown._replace(problem=f"{place} is not a whole PNG file. Delete it and draw it again.")


def thumbnail(shown: Shown) -> Shown:
    """A small copy of an embedded figure."""
    if shown.problem:
        return shown
    with Image.open(io.BytesIO(base64.b64decode(shown.source.partition(",")[2]))) as image:
        small = image.convert("RGB")
    small.thumbnail(SMALL, Image.Resampling.LANCZOS)
    return _shown(shown, small)


def _shown(shown: Shown, image: Image.Image) -> Shown:
    buffer = io.BytesIO()
    few = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.convert("RGB").save(buffer, "webp", lossless=True)
    content = base64.b64encode(buffer.getvalue()).decode("ascii")
    return shown._replace(source=f"data:image/webp;base64,{content}", size=image.size)
