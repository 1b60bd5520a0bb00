"""Columns that say where an edge begins and ends, by numbers or by names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.convert.values import as_ids

PAIRS = (("source", "target"), ("from", "to"), ("src", "dst"), ("u", "v"))
"""What the two columns are called, in any case."""
WEIGHTS = ("weight", "w")


def ends_among(columns: Sequence[str]) -> tuple[str, str]:
    """The columns of the two ends; the first pair, and as they are spelled here, if there is none.

    Examples
    --------
    >>> ends_among(["From", "To", "km"])
    ('From', 'To')
    """
    lower = [column.strip().lower() for column in columns]
    for first, second in PAIRS:
        if first in lower and second in lower:
            return columns[lower.index(first)], columns[lower.index(second)]
    return PAIRS[0]


def weight_among(columns: Sequence[str]) -> str | None:
    """The column of weights, if one is called so.

    Examples
    --------
    >>> weight_among(["u", "v", "W"]), weight_among(["u", "v", "km"])
    ('W', None)
    """
    return next((column for column in columns if column.strip().lower() in WEIGHTS), None)


def numbered(
    columns: dict[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], tuple[str, ...] | None]:
    """The columns as ids; of texts, which are numbered in their order as texts, the names too.

    Raises
    ------
    ValueError
        For a column of anything but whole numbers or texts, naming the row.
    """
    for name, array in columns.items():
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ValueError(
                f"row {np.isnan(array).argmax()} of column {name!r} is missing; leave the row out, "
                "or say which node it is"
            )
    texts = {name: array for name, array in columns.items() if _begins_with_text(array)}
    if not texts:
        return {name: as_ids(array, f"column {name!r}") for name, array in columns.items()}, None
    for name, array in columns.items():
        for row, value in enumerate(array):
            if not isinstance(value, str) or not value:
                other = next(iter(texts))
                raise ValueError(
                    f"row {row} of column {name!r} is {shown(value)}, and column {other!r} names "
                    "nodes by texts; give a text there too, or leave the row out"
                )
    length = len(next(iter(columns.values())))
    joined = np.concatenate([array.astype(np.str_) for array in columns.values()])
    names, ids = np.unique(joined, return_inverse=True)
    parts = ids.reshape(len(columns), length)
    return dict(zip(columns, parts.astype(np.int64), strict=True)), tuple(names.tolist())


def _begins_with_text(array: np.ndarray) -> bool:
    if array.dtype.kind == "U":
        return True
    return array.dtype == object and any(isinstance(value, str) for value in array)
