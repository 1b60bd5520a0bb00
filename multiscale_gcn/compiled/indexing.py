"""Integers with which compiled code reads arrays."""

from __future__ import annotations

import numpy as np


def unsigned(ids: np.ndarray) -> np.ndarray:
    """The same memory as unsigned integers, for ids and pointers that are never negative.

    With a signed index Numba asks at every access whether it counts from the end of the array,
    which takes longer than the access.
    """
    return ids.view(f"u{ids.itemsize}")
