"""Values from level to level: the matrices, faces and orders behind the methods of Hierarchy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp

    from multiscale_gcn.hierarchy import Hierarchy


def prolongation(hierarchy: Hierarchy, coarse: int, fine: int) -> sp.csr_array:
    import scipy.sparse as sp

    parent = hierarchy.parent(fine, coarse)
    n = len(parent)
    shape = (n, hierarchy[coarse].num_nodes)
    return sp.csr_array((np.ones(n), parent, np.arange(n + 1)), shape=shape)


def restriction(hierarchy: Hierarchy, fine: int, coarse: int, kind: str) -> sp.csr_array:
    if kind == "sum":
        values = np.ones(hierarchy[fine].num_nodes)
    elif kind == "mean":
        values = _mean_of_means(hierarchy, fine, coarse)
    elif kind == "weighted_mean":
        parent = hierarchy.parent(fine, coarse)
        values = hierarchy[fine].graph.node_weights / hierarchy[coarse].graph.node_weights[parent]
    else:
        raise ValueError(f"kind = {kind!r} is none of 'sum', 'mean', 'weighted_mean'")
    result = prolongation(hierarchy, coarse, fine)
    result.data = values
    return result.T.tocsr()


def _mean_of_means(hierarchy: Hierarchy, fine: int, coarse: int) -> np.ndarray:
    """Product, along the way up, of one over the number of siblings, shape (n_fine,)."""
    values = np.ones(hierarchy[fine].num_nodes)
    node = np.arange(hierarchy[fine].num_nodes)
    for level in hierarchy.levels[fine:coarse]:
        assert level.parent is not None
        node = level.parent[node]
        values /= np.bincount(level.parent)[node]
    return values


def coarse_faces(faces: np.ndarray, parent: np.ndarray, num_nodes: int) -> np.ndarray:
    faces = np.asarray(faces)
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "ui":
        raise ValueError(
            f"faces must be integers of shape (F, 3), got {faces.dtype} of {faces.shape}"
        )
    if len(faces) == 0:
        return faces.astype(np.int64)
    if faces.min() < 0 or faces.max() >= num_nodes:
        at = int(np.argmax(((faces < 0) | (faces >= num_nodes)).any(axis=1)))
        raise ValueError(f"faces[{at}] = {faces[at].tolist()}: ids run from 0 to {num_nodes - 1}")
    merged = parent[faces].astype(np.int64)
    a, b, c = merged.T
    merged = merged[(a != b) & (b != c) & (c != a)]
    _, first = np.unique(np.sort(merged, axis=1), axis=0, return_index=True)
    return merged[np.sort(first)]


def binary_tree_order(hierarchy: Hierarchy) -> tuple[np.ndarray, ...]:
    order = np.arange(hierarchy[-1].num_nodes)
    orders = [order]
    for level in reversed(hierarchy.levels[:-1]):
        children = _two_children(level.index, level.parent)
        order = np.where(order[:, None] >= 0, children[order], -1).reshape(-1)
        orders.append(order)
    return tuple(reversed(orders))


def _two_children(index: int, parent: np.ndarray | None) -> np.ndarray:  # [n_coarse, 2]
    assert parent is not None
    counts = np.bincount(parent)
    if counts.max(initial=0) > 2:
        raise ValueError(
            f"node {counts.argmax()} of level {index + 1} has {counts.max()} children; a binary "
            "tree has at most 2"
        )
    by_parent = np.argsort(parent, kind="stable")
    first = np.cumsum(counts) - counts
    children = np.full((len(counts), 2), -1, dtype=np.int64)
    children[:, 0] = by_parent[first]
    two = counts == 2
    children[two, 1] = by_parent[first[two] + 1]
    return children
