"""Images of people and things with an attribute that is not their label: the groups of fairness studies.

None of them comes with the repository. elpv is fetched from its package (its licence, CC BY-NC-SA 4.0,
forbids redistribution here); the photographs of faces the user unpacks.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from retrace.data.attributed_names import ATTRIBUTED
from retrace.data.images import Images, Labels
from retrace.data.wheels import Wheel, cache_folder, download
from retrace.errors import unknown
from retrace.files import npz_bytes, write_atomic
from retrace.stage import StageError

ELPV = Wheel(
    "elpv-dataset", "1.0.0.post1", "85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c"
)
FACE = 64  # pixels of a side that faces are brought to
RACES = ("East Asian", "Indian", "Black", "White", "Middle Eastern", "Latino_Hispanic", "Southeast Asian")


@dataclass(frozen=True)
class Attributed:
    """Images and the attribute of each, (N,) int64 in 0..groups-1."""

    images: Images
    attribute: Labels
    groups: tuple[str, ...]


def load_attributed(name: str, cache: Path | None = None) -> Attributed:
    """The set `name`, out of the cache if it has been read before.

    Errors: StageError, one line, for an unknown name, a package that does not come, or an absent folder.
    """
    if name not in ATTRIBUTED:
        raise StageError(unknown("set with an attribute", name, ATTRIBUTED))
    known, place = ATTRIBUTED[name], (cache or cache_folder()) / "attributed"
    kept = place / f"{name}-{ELPV.sha256[:12] if name == 'elpv' else FACE}.npz"
    if not kept.is_file():
        x, y, attribute = _elpv() if name == "elpv" else _faces(name, place / name)
        write_atomic(kept, npz_bytes({"x": x, "y": y, "attribute": attribute}))
    with np.load(kept, allow_pickle=False) as found:
        images = Images(found["x"], found["y"], known.classes)
        return Attributed(images, found["attribute"], known.groups)


def _elpv() -> tuple[np.ndarray, Labels, Labels]:
    """Solar cells, 300x300 brought to 30x30 by means; label 1: more likely defective than not."""
    from PIL import Image

    x, y, attribute = [], [], []
    with TemporaryDirectory() as folder, zipfile.ZipFile(download(ELPV, Path(folder))) as wheel:
        table = wheel.read("elpv_dataset/data/labels.csv").decode("utf-8")
        for line in table.splitlines():
            path, share, kind = line.replace(",", " ").split()
            with Image.open(io.BytesIO(wheel.read(f"elpv_dataset/data/{path}"))) as picture:
                pixels = np.asarray(picture.convert("L"), dtype=np.float64)
            x.append(np.rint(pixels.reshape(30, 10, 30, 10).mean((1, 3))).astype(np.uint8)[..., None])
            y.append(int(float(share) > 0.5))
            attribute.append(int(kind == "mono"))
    return np.stack(x), np.asarray(y, dtype=np.int64), np.asarray(attribute, dtype=np.int64)


def _faces(name: str, folder: Path) -> tuple[np.ndarray, Labels, Labels]:
    """Faces brought to 64x64; the attribute is the race, the label (0 or 1) the sex, in the set's words."""
    from PIL import Image

    if not folder.is_dir():
        raise StageError(f"data set {name}: not in {folder}; {ATTRIBUTED[name].remedy}")
    x, y, attribute = [], [], []
    for path, sex, race in _utkface(folder) if name == "utkface" else _fairface(folder):
        with Image.open(path) as picture:
            x.append(np.asarray(picture.convert("RGB").resize((FACE, FACE)), dtype=np.uint8))
        y.append(sex)
        attribute.append(race)
    if not x:
        raise StageError(f"data set {name}: {folder} holds no pictures of it; {ATTRIBUTED[name].remedy}")
    return np.stack(x), np.asarray(y, dtype=np.int64), np.asarray(attribute, dtype=np.int64)


def _utkface(folder: Path) -> Iterator[tuple[Path, int, int]]:
    """Names are age_sex_race_time.jpg; a few lack a part and are left out."""
    for path in sorted(folder.rglob("*.jpg")):
        parts = path.name.split("_")
        if len(parts) >= 4 and parts[1] in ("0", "1") and parts[2] in ("0", "1", "2", "3", "4"):
            yield path, int(parts[1]), int(parts[2])


def _fairface(folder: Path) -> Iterator[tuple[Path, int, int]]:
    for table in ("fairface_label_train.csv", "fairface_label_val.csv"):
        if not (folder / table).is_file():
            raise StageError(f"data set fairface: no {table} in {folder}; {ATTRIBUTED['fairface'].remedy}")
        with (folder / table).open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                yield folder / row["file"], int(row["gender"] == "Female"), RACES.index(row["race"])
