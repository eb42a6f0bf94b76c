"""Whole files or none: atomic writes, and arrays that are never pickled."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count
from pathlib import Path

import numpy as np

from retrace.errors import RetraceError
from retrace.recipe import file_digest
from retrace.stage import Array

# NumPy's names of what safetensors can hold and its own, in the order in which it lays tensors out
TENSORS = {
    "uint64": "U64",
    "int64": "I64",
    "float64": "F64",
    "float32": "F32",
    "uint32": "U32",
    "int32": "I32",
    "float16": "F16",
    "uint16": "U16",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}


def write_atomic(path: Path, data: bytes | Iterable[bytes | memoryview]) -> None:
    """Write `data`, whole or in pieces, beside `path`, flush it to disk and rename it into place.

    Raises RetraceError naming the path when the disk is full or may not be written; no part remains.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            stream.writelines([data] if isinstance(data, bytes) else data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except Exception as error:
        part.unlink(missing_ok=True) if part.parent.is_dir() else None
        if isinstance(error, OSError):
            raise RetraceError(_explain(path, error)) from error
        raise


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


def write_tensors(path: Path, arrays: Mapping[str, Array]) -> str:
    """A safetensors file of arrays, byte for byte as `safetensors` has it; its SHA-256.

    One array after another, so that they are held once: the weights of a language model are 17 GB.
    ValueError for an array of a kind that has no name there.
    """
    seen = hashlib.sha256()

    def parts() -> Iterator[bytes | memoryview]:
        for part in _tensor_parts(arrays):
            seen.update(part)
            yield part

    write_atomic(path, parts())
    return seen.hexdigest()


def tensor_bytes(arrays: Mapping[str, Array]) -> bytes:
    """What `write_tensors` writes; the same arrays give the same bytes."""
    return b"".join(_tensor_parts(arrays))


def _tensor_parts(arrays: Mapping[str, Array]) -> Iterator[bytes | memoryview]:
    """Length of the header, header (JSON, filled up to eighths), and data, the widest numbers first."""
    for name, array in arrays.items():
        if array.dtype.name not in TENSORS:
            raise ValueError(
                f"array {name!r} of {array.dtype.name} cannot be written; use {', '.join(TENSORS)}"
            )
    kinds = list(TENSORS)
    order = sorted(arrays, key=lambda name: (kinds.index(arrays[name].dtype.name), name))
    header, end = {}, 0
    for name in order:
        start, end = end, end + arrays[name].nbytes
        kind, shape = TENSORS[arrays[name].dtype.name], list(arrays[name].shape)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little")
    yield text
    for name in order:
        yield np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data


def read_npz(path: Path, sha256: str) -> dict[str, Array]:
    """Arrays of an NPZ whose bytes have that digest; RetraceError names a file that is absent or damaged."""
    check(path, sha256)
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def read_tensors(path: Path, sha256: str) -> dict[str, Array]:
    """Arrays of a safetensors file whose bytes have that digest, by name; RetraceError as in `read_npz`.

    They lie in the file until they are used, and a change of one stays in memory.
    """
    check(path, sha256)
    data = np.memmap(path, np.uint8, "c").view(np.ndarray)
    start = 8 + int.from_bytes(data[:8].tobytes(), "little")
    kinds = {kind: name for name, kind in TENSORS.items()}
    found = {}
    for name, entry in sorted(json.loads(data[8:start].tobytes()).items()):
        first, last = (start + offset for offset in entry["data_offsets"])
        found[name] = data[first:last].view(kinds[entry["dtype"]]).reshape(entry["shape"])
    return found


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
