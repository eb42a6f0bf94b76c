"""Whole files or none: atomic writes, and arrays that are never pickled."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from retrace.errors import RetraceError
from retrace.recipe import file_digest
from retrace.stage import Array


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, flush it to disk and rename it into place.

    Raises RetraceError naming the path when the disk is full or may not be written; no part remains.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True) if part.parent.is_dir() else None
        raise RetraceError(_explain(path, error)) from error


def _explain(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path}: the disk is full; free some space and rerun (nothing half-written was kept)"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path}: may not be written; make {path.parent} writable and rerun"
    return f"{path}: could not be written: {error.strerror or error}"


def sha256(data: bytes) -> str:
    """SHA-256 (hex) of bytes."""
    return hashlib.sha256(data).hexdigest()


def npz_bytes(arrays: Mapping[str, Array]) -> bytes:
    """A compressed NPZ; the same arrays give the same bytes. ValueError for an array of objects."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980 whatever the clock says
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(arrays[name], order="C"), allow_pickle=False)
    return buffer.getvalue()


def tensor_bytes(arrays: Mapping[str, Array]) -> bytes:
    """A safetensors file of numpy arrays; the same arrays give the same bytes."""
    return bytes(save_tensors({name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}))


def read_npz(path: Path, sha256: str) -> dict[str, Array]:
    """Arrays of an NPZ whose bytes have that digest; RetraceError names a file that is absent or damaged."""
    check(path, sha256)
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def read_tensors(path: Path, sha256: str) -> dict[str, Array]:
    """Arrays of a safetensors file whose bytes have that digest, by name; RetraceError as in `read_npz`."""
    check(path, sha256)
    return dict(sorted(load_tensors(path.read_bytes()).items()))  # its own order differs from run to run


def check(path: Path, sha256: str) -> None:
    """Refuse an absent file; set a damaged one aside (as `<name>.damaged`) so that a rerun remakes it."""
    if not path.is_file():
        raise RetraceError(f"{path}: missing; rerun to make it again")
    if file_digest(path) != sha256:
        aside = set_aside(path)
        raise RetraceError(f"{path}: damaged (SHA-256 differs); kept as {aside.name}; rerun to make it again")


def set_aside(path: Path) -> Path:
    """Rename a damaged file to `<name>.damaged` (`<name>.2.damaged`, ...): neither used nor lost."""
    names = chain([path.name], (f"{path.name}.{number}" for number in count(2)))
    aside = next(free for name in names if not (free := path.with_name(f"{name}.damaged")).exists())
    path.replace(aside)
    return aside
