"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

try:
    import fcntl
except ImportError:  # where files cannot be locked, what a killed writer left stays
    fcntl = None  # type: ignore[assignment]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write into, which gets its name when all is written and safe on the disk.

    It stands beside ``path`` under a temporary name until then; a link is followed, and stays one.
    What writers left that were killed is removed first; a file that somebody is writing is locked,
    and stays.

    Raises
    ------
    OSError
        Naming the path, and what was wrong. A file that stood there before is as it was.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from multiscale_gcn.checks.writing import whole_file
    >>> with TemporaryDirectory() as folder:
    ...     with whole_file(f"{folder}/a.txt") as file:
    ...         _ = file.write(b"all of it")
    ...     Path(f"{folder}/a.txt").read_text()
    'all of it'
    """
    path = Path(path)
    place = place_of(path)
    try:
        _remove_left_overs(place)
        temporary, file = _temporary(place)
    except OSError as error:
        raise _named(error, path) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(place)  # while it is locked: nobody takes it for a left-over
        _sync_folder(place.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise _named(error, path) from error
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def place_of(path: Path) -> Path:
    """Where the file will stand: where a link leads to, as for any other writer.

    A device or a pipe has no content that could be replaced, and would itself be.

    Raises
    ------
    OSError
        For a folder, a device or a pipe, and for what lies in no folder.
    """
    try:
        folder, other = path.is_dir(), path.exists() and not path.is_file()
        place = path.resolve() if path.is_symlink() else path
        lost = not place.parent.is_dir()
    except (OSError, RuntimeError) as error:  # names that are too long, links in a circle
        raise OSError(f"{path} cannot be written: {error}; give another name") from error
    if folder:
        raise IsADirectoryError(f"{path} is a folder; give the name of a file")
    if other:
        raise FileExistsError(
            f"{path} is a device or a pipe, which a whole file would replace; give another name"
        )
    if lost:
        raise FileNotFoundError(
            f"{path} cannot be written: there is no folder {place.parent}; make it"
        )
    return place


def _named(error: OSError, path: Path) -> OSError:
    reason = error.strerror or str(error)
    text = f"{path} cannot be written: {reason}; what stood there before is unchanged"
    return OSError(error.errno, text) if error.errno else OSError(text)


def _temporary(path: Path) -> tuple[Path, IO[bytes]]:
    while True:
        temporary = path.with_name(f"{path.name}.{uuid4().hex}.part")
        file = temporary.open("xb")
        if _lock(file) and os.fstat(file.fileno()).st_nlink:
            return temporary, file
        file.close()  # another writer took it for a left-over before it was locked


def _remove_left_overs(path: Path) -> None:
    if fcntl is None:
        return
    pattern = re.compile(re.escape(path.name) + r"\.[0-9a-f]{32}\.part")
    for candidate in path.parent.iterdir():
        if pattern.fullmatch(candidate.name):
            with suppress(OSError), candidate.open("rb") as file:
                if _lock(file):
                    candidate.unlink()


def _lock(file: IO[bytes]) -> bool:
    """Take the file for this process, unless another has it; it is free again when closed."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Make the new name last, where folders can be synchronised."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
