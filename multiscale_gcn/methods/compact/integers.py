"""Positions and weights as integers, so small that no sum or product of the moves overflows."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.checks.arguments import real_number, whole_number

SQUARE_BITS = 32
"""Of the largest squared distance between two places."""
WEIGHT_BITS = 26
"""Of the sum of all weights, where there are not more nodes than that."""
LARGEST_BALANCE = 8
"""With these, R <= 2**30 for a mean squared distance, 2**33 for ``balance`` times it, and 2**60 for
that times twice a weight: sums of four such terms stay below 2**62."""
BALANCE_UNITS = 256


def integer_places(positions: np.ndarray) -> np.ndarray:
    """Positions in steps of a power of two, from 0, shape (n, d).

    The step is the smallest for which no squared distance exceeds 2**32: of three axes the longest
    has up to 32,768 steps.
    """
    n, dimension = positions.shape
    if n == 0 or dimension == 0:
        return np.zeros((n, dimension), np.int64)
    low = positions.min(axis=0)
    bits = (SQUARE_BITS - (dimension - 1).bit_length()) // 2
    exponent = int(np.frexp(np.max(positions - low))[1])
    steps = np.rint(np.ldexp(positions - low, bits - exponent))
    return np.ascontiguousarray(steps, dtype=np.int64)


def integer_weights(node_weights: np.ndarray) -> np.ndarray:
    """Weights that sum to about 2**26, at least 1 each."""
    if len(node_weights) == 0:
        return np.zeros(0, np.int64)
    scaled = node_weights * (2.0**WEIGHT_BITS / float(node_weights.sum()))
    whole: np.ndarray = np.maximum(np.rint(scaled), 1.0).astype(np.int64)
    return whole


def checked_balance(balance: object) -> float:
    """Refuse what is no number from 0 to the largest balance."""
    number = real_number(balance, "balance", most=LARGEST_BALANCE)
    if number < 0:
        raise ValueError(f"balance = {number} must be from 0 to {LARGEST_BALANCE}")
    return number


def checked_rounds(rounds: object) -> int:
    return whole_number(rounds, "rounds", least=0)
