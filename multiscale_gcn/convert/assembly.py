"""The last step of every reader: checked entries to a symmetric matrix without duplicates."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.graph import LARGEST_INT32, Graph


def refuse(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"{name} does not go with this kind of source; leave it out")


def as_ids(array: np.ndarray, name: str) -> np.ndarray:
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "ui":
        raise ValueError(
            f"{name} must hold integer node ids, got dtype {array.dtype}: cast them, or number "
            "names with numpy.unique(names, return_inverse=True)"
        )
    return array.astype(np.int64)


def count_nodes(num_nodes: int | None, **ids: np.ndarray) -> int:
    """``num_nodes``, or one more than the largest id; refuses ids outside."""
    largest = max((int(array.max()) for array in ids.values() if array.size), default=-1)
    if num_nodes is None and largest > LARGEST_INT32:
        raise ValueError(
            f"the largest node id is {largest}, which would make as many nodes and more; number "
            "the ids that occur with numpy.unique(ids, return_inverse=True), or say num_nodes"
        )
    n = largest + 1 if num_nodes is None else num_nodes
    for name, array in ids.items():
        outside = np.argwhere((array < 0) | (array >= n))
        if len(outside):
            at = tuple(int(i) for i in outside[0])
            raise ValueError(
                f"{name}[{', '.join(map(str, at))}] = {array[at]} is not a node: ids run from 0 "
                f"to num_nodes - 1 = {n - 1}"
            )
    return n


def as_real(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "buif":
        raise ValueError(f"weights must be real numbers, got dtype {values.dtype}")
    return values.astype(np.float64)


def from_sides(
    sides: np.ndarray,  # [S, 2], in any direction and any number
    node_weights: Any,
    n: int,
    what: str,
) -> Graph:
    """An edge of weight 1 for every pair that occurs; pairs of a node with itself are none."""
    sides = np.sort(sides, axis=1)
    sides = np.unique(sides[sides[:, 0] != sides[:, 1]], axis=0).T
    return assemble(sides, np.ones(sides.shape[1]), node_weights, n, True, what)


def assemble(
    ids: np.ndarray,  # [2, E]
    values: np.ndarray,  # [E]
    node_weights: Any,
    n: int,
    symmetrize: bool,
    what: str,
) -> Graph:
    """Sum duplicates, drop zeros, mirror if asked; the constructor checks the rest."""
    import scipy.sparse as sp

    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        at = bad[0]
        raise ValueError(
            f"the weight of ({ids[0, at]}, {ids[1, at]}) is {values[at]} ({what}, number {at}); "
            "weights must be finite and not negative: drop or replace it"
        )
    if len(values) and not values.any():
        raise ValueError("every weight is zero; a graph without edges has no entries at all")
    kept = values > 0
    matrix = sp.csr_array((values[kept], (ids[0, kept], ids[1, kept])), shape=(n, n))
    matrix.sum_duplicates()
    if symmetrize:
        transposed = matrix.T.tocsr()
        pattern = matrix.copy()
        pattern.data = np.ones_like(pattern.data)
        matrix = (matrix + (transposed - transposed.multiply(pattern))).tocsr()
        matrix.eliminate_zeros()
        matrix.sort_indices()
    overflow = np.flatnonzero(~np.isfinite(matrix.data))
    if len(overflow):
        raise ValueError("duplicate entries add up to infinity; scale the weights down")
    return Graph(matrix.indptr, matrix.indices, matrix.data, node_weights)
