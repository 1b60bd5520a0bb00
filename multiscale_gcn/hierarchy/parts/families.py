"""Who belongs to a coarse node, and how many finest ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from multiscale_gcn.compiled.functions import compiled
from multiscale_gcn.hierarchy.level import Level
from multiscale_gcn.hierarchy.stored.arrays import release

if TYPE_CHECKING:
    import scipy.sparse as sp


def families(levels: Sequence[Level], fine: int) -> sp.csr_array:
    """A row for each node of the next level, whose columns are its children, increasing."""
    import scipy.sparse as sp

    parent = levels[fine].parent
    assert parent is not None
    n = len(parent)
    starts = np.arange(n + 1, dtype=parent.dtype)
    shape = (n, levels[fine + 1].num_nodes)
    rows = sp.csr_array((np.ones(n, np.int8), parent, starts), shape=shape).T.tocsr()
    release(parent)
    return rows


def num_finest(levels: Sequence[Level], level: int) -> np.ndarray:  # [n_level] float64
    """How many nodes of the finest level belong to each node of a level."""
    counts = np.ones(levels[0].num_nodes)
    for fine in range(level):
        counts = _sums(levels[fine].parent, counts, levels[fine + 1].num_nodes)
    return counts


def _sums(parent: np.ndarray | None, values: np.ndarray, num_coarse: int) -> np.ndarray:
    assert parent is not None
    sums = np.zeros(num_coarse)
    compiled(_add)(parent, values, sums)
    release(parent)
    return sums


def _add(parent: Any, values: Any, sums: Any) -> None:
    for node in range(len(parent)):
        sums[parent[node]] += values[node]


def of_rows(indptr: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Places of all entries of these rows, row by row."""
    begins = indptr[rows].astype(np.int64)
    lengths = indptr[rows + 1].astype(np.int64) - begins
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    places: np.ndarray = np.arange(total) + np.repeat(begins - (ends - lengths), lengths)
    return places
