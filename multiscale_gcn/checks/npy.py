"""Arrays in NumPy's format, as large as the bytes that are there; nothing is unpickled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import IO

import numpy as np

CHUNK = 1 << 20
LONGEST_EMPTY = 1_000_000
"""No axis of an array without bytes is longer: it costs no byte to claim any length."""


@dataclass(frozen=True)
class Header:
    """What an array says of itself."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype


def read_header(file: IO[bytes]) -> Header:
    """The header of an array; the file is left where its contents begin.

    Raises
    ------
    ValueError
        If there is none, or one of another format than NumPy gives to arrays of plain types.
    """
    try:
        version = np.lib.format.read_magic(file)
    except ValueError as error:
        raise ValueError(f"it is no npy file: {error}") from None
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"its array has the format {version}, not (1, 0) or (2, 0)")
    return Header(*read(file))


def read_array(file: IO[bytes], header: Header, size: int, name: str) -> np.ndarray:
    """The contents of an array that has so many bytes.

    Raises
    ------
    ValueError
        If the header claims another number of them, or objects.
    """
    if header.dtype.hasobject:
        raise ValueError(f"{name} is pickled, and pickled arrays are not read here")
    check_shape(header.shape, header.dtype, size, name)
    flat = np.empty(size, np.uint8)
    view, done = flat.data, 0
    while done < size:
        part = file.read(min(size - done, CHUNK))
        if not part:
            raise ValueError(f"{name} ends after {done} of {size} bytes")
        view[done : done + len(part)] = part
        done += len(part)
    array: np.ndarray = np.ndarray(
        header.shape, header.dtype, flat.data, order="F" if header.fortran else "C"
    )
    return array


def check_shape(shape: tuple[int, ...], dtype: np.dtype, size: int, name: str) -> None:
    """Refuse an array that claims other than ``size`` bytes, or endless axes of nothing."""
    claimed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or claimed != size:
        raise ValueError(
            f"{name} of shape {shape} and dtype {dtype} has another number of bytes: {size}"
        )
    if claimed == 0 and max(shape, default=0) > LONGEST_EMPTY:
        raise ValueError(f"{name} claims the shape {shape} and holds nothing")
