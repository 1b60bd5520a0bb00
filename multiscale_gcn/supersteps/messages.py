"""What partitions tell each other: named arrays, in as few bytes as lose nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

Message = dict[str, np.ndarray]
Mail = dict[int, Message]
"""By partition: where a message goes to, or whence it came."""


def narrowed(array: np.ndarray) -> np.ndarray:
    """The same numbers in the smallest type that holds each of them exactly."""
    if array.dtype == np.bool_ or len(array) == 0:
        return array
    if array.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            whole = array.astype(np.uint32) if array.min() >= 0 and array.max() < 2**32 else None
            if whole is not None and (whole == array).all():
                return narrowed(whole)
            single = array.astype(np.float32)
        return single if (single == array).all() else array
    if array.dtype.kind == "i" and array.min() < 0:
        return array
    largest = int(array.max())
    for kind in (np.uint8, np.uint16, np.uint32):
        if largest <= np.iinfo(kind).max:
            return array.astype(kind)
    return array


def message(**arrays: np.ndarray | None) -> Message:
    """The arrays that there are, each as small as can be."""
    return {name: narrowed(array) for name, array in arrays.items() if array is not None}


def size_of(mail: Mapping[int, Message]) -> int:
    """Bytes of the arrays."""
    return sum(array.nbytes for one in mail.values() for array in one.values())


def arrived(mail: Mail, name: str, kind: DTypeLike = np.int64) -> np.ndarray:
    """The arrays of one name from all senders, one after the other."""
    found = [mail[sender][name] for sender in sorted(mail) if name in mail[sender]]
    return np.concatenate(found).astype(kind) if found else np.empty(0, kind)
