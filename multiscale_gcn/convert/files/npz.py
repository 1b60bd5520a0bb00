"""Sparse matrices as ``scipy.sparse.save_npz`` writes them; nothing is unpickled."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.sparse import from_matrix

MOST_INFLATED = 1100  # what deflate reaches at best, and a little more


def read(path: Path, options: Options) -> Entries:
    import scipy.sparse as sp

    try:
        members = _members(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    for member in members:
        member.check(path)
    names = {member.name for member in members}
    if not {"format.npy", "shape.npy", "data.npy"} <= names:
        held = ", ".join(sorted(name.removesuffix(".npy") for name in names)[:8]) or "nothing"
        raise ValueError(
            f"{path} holds {held}, and no matrix of scipy.sparse.save_npz; of arrays pass one, and "
            "a hierarchy is read by Hierarchy.load"
        )
    try:
        matrix = sp.load_npz(path)
    except Exception as error:
        raise _unreadable(path, error) from error
    return from_matrix(matrix, options)


@dataclass(frozen=True)
class Member:
    """What an array of the archive asks for, and the most that it can hold."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    held: int

    def check(self, path: Path) -> None:
        if self.dtype.hasobject:
            raise ValueError(
                f"{self.name} in {path} holds pickled objects, which are not read; save the "
                "matrix with scipy.sparse.save_npz"
            )
        asked = math.prod(self.shape) * self.dtype.itemsize
        if min(self.shape, default=0) < 0 or asked > self.held:
            raise ValueError(
                f"{self.name} in {path} has shape {self.shape}, for which it is too short; it is "
                "cut, or damaged"
            )


def _members(path: Path) -> list[Member]:
    members = []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as stream:
                old = np.lib.format.read_magic(stream) == (1, 0)
                header = np.lib.format
                read = header.read_array_header_1_0 if old else header.read_array_header_2_0
                shape, _, dtype = read(stream)
            held = min(entry.file_size, MOST_INFLATED * entry.compress_size)
            members.append(Member(entry.filename, shape, dtype, held))
    return members


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} is no archive of scipy.sparse.save_npz, or damaged ({type(error).__name__}); save "
        "the matrix again"
    )
