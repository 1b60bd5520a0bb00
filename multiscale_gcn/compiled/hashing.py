"""A hash of integers that is the same everywhere."""

from __future__ import annotations

import numpy as np

MASK = 2**64 - 1
LARGEST_SEED = MASK
INCREMENT = 0x9E3779B97F4A7C15
FACTOR_1 = 0xBF58476D1CE4E5B9
FACTOR_2 = 0x94D049BB133111EB


def mix64(value: int) -> int:
    """A bijection of the 64-bit integers that scatters them: SplitMix64's output function.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    value = (value + INCREMENT) & MASK
    value = ((value ^ (value >> 30)) * FACTOR_1) & MASK
    value = ((value ^ (value >> 27)) * FACTOR_2) & MASK
    return value ^ (value >> 31)


def mix64_array(values: np.ndarray) -> np.ndarray:
    """:func:`mix64` of every uint64 of an array."""
    values = values + np.uint64(INCREMENT)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(FACTOR_1)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(FACTOR_2)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


def uniform(seed: int, stream: int, ids: np.ndarray) -> np.ndarray:
    """A number from -0.5 to 0.5 for every id: a hash of the three, and a multiple of 2**-53."""
    mixed = np.uint64(mix64(mix64(seed) ^ stream))
    return (mix64_array(mixed ^ ids.astype(np.uint64)) >> np.uint64(11)) * 2.0**-53 - 0.5
