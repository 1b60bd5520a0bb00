"""Values from level to level: the matrices, faces and orders behind the methods of Hierarchy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import one_of, real_number, shown
from multiscale_gcn.checks.arrays import plain_array, real_array
from multiscale_gcn.hierarchy.barycentric import barycentric
from multiscale_gcn.hierarchy.choosing import EXTREMES, extreme, most_frequent
from multiscale_gcn.hierarchy.least_squares import least_squares
from multiscale_gcn.hierarchy.level import Level, parent_between
from multiscale_gcn.hierarchy.smoothing import smooth

if TYPE_CHECKING:
    import scipy.sparse as sp


def prolongation(
    levels: Sequence[Level],
    coarse: int,
    fine: int,
    kind: str = "constant",
    damping: float | None = None,
    positions: ArrayLike | None = None,
) -> sp.csr_array:
    one_of(kind, "kind", ("constant", "smoothed", "smoothed_once", "linear", "interpolated"))
    if damping is not None and kind not in ("smoothed", "smoothed_once"):
        raise ValueError(
            f"damping = {shown(damping)} goes with kind='smoothed' and kind='smoothed_once' only; "
            "leave it out"
        )
    if positions is not None and kind != "linear":
        raise ValueError("positions goes with kind='linear' only; leave it out")
    if kind == "smoothed":
        return _smoothed_prolongation(levels, coarse, fine, damping)
    if kind == "smoothed_once":
        return _prolongation_smoothed_once(levels, coarse, fine, damping)
    if kind == "linear":
        return _linear_prolongation(levels, coarse, fine, positions)
    if kind == "interpolated":
        return _interpolated_prolongation(levels, coarse, fine)
    return _constant_prolongation(levels, coarse, fine)


def _constant_prolongation(levels: Sequence[Level], coarse: int, fine: int) -> sp.csr_array:
    import scipy.sparse as sp

    parent = parent_between(levels, fine, coarse)
    n = len(parent)
    shape = (n, levels[coarse].num_nodes)
    return sp.csr_array((np.ones(n), parent, np.arange(n + 1)), shape=shape)


def _interpolated_prolongation(levels: Sequence[Level], coarse: int, fine: int) -> sp.csr_array:
    result = _constant_prolongation(levels, fine, fine)
    for level in levels[fine:coarse]:
        step = level.interpolation
        if step is None:
            step = _constant_prolongation(levels, level.index + 1, level.index)
        result = result @ step
    result.sort_indices()
    return result


def _smoothed_prolongation(
    levels: Sequence[Level], coarse: int, fine: int, damping: float | None
) -> sp.csr_array:
    damping = _checked_damping(damping)
    result = _constant_prolongation(levels, fine, fine)
    for level in levels[fine:coarse]:
        step = _constant_prolongation(levels, level.index + 1, level.index)
        result = result @ smooth(step, level.graph, damping)
    return result


def _prolongation_smoothed_once(
    levels: Sequence[Level], coarse: int, fine: int, damping: float | None
) -> sp.csr_array:
    damping = _checked_damping(damping)
    constant = _constant_prolongation(levels, coarse, fine)
    return constant if coarse == fine else smooth(constant, levels[fine].graph, damping)


def _checked_damping(damping: float | None) -> float | None:
    return None if damping is None else real_number(damping, "damping", above=0)


def _linear_prolongation(
    levels: Sequence[Level], coarse: int, fine: int, positions: ArrayLike | None
) -> sp.csr_array:
    if positions is None:
        raise ValueError("kind = 'linear' needs positions; give those of the finest level's nodes")
    finest = node_positions(positions, levels[0].num_nodes)
    off = np.argwhere(~np.isfinite(finest))
    if len(off):
        node, axis = off[0].tolist()
        raise ValueError(
            f"positions[{node}, {axis}] = {finest[node, axis]} must be finite; place the node"
        )
    finest = finest / (np.abs(finest).max(initial=0.0) or 1.0)  # squares shall not overflow
    at_fine = restriction(levels, 0, fine, "mean") @ finest
    at_coarse = restriction(levels, fine, coarse, "mean") @ at_fine
    parent = parent_between(levels, fine, coarse)
    return barycentric(parent, levels[coarse].graph, at_fine, at_coarse)


def node_positions(positions: ArrayLike, num_nodes: int) -> np.ndarray:
    """As float64, one for each node of the finest level."""
    array = real_array(positions, "positions").astype(np.float64)
    if array.ndim != 2 or len(array) != num_nodes:
        raise ValueError(f"positions has shape {array.shape}, expected ({num_nodes}, d)")
    return array


def restriction(levels: Sequence[Level], fine: int, coarse: int, kind: str) -> sp.csr_array:
    one_of(kind, "kind", ("sum", "mean", "weighted_mean", "sampled"))
    if kind == "sampled":
        return _sampling(levels, fine, coarse)
    if kind == "sum":
        values = np.ones(levels[fine].num_nodes)
    elif kind == "mean":
        values = _mean_of_means(levels, fine, coarse)
    else:
        parent = parent_between(levels, fine, coarse)
        values = levels[fine].graph.node_weights / levels[coarse].graph.node_weights[parent]
    result = _constant_prolongation(levels, coarse, fine)
    result.data = values
    return result.T.tocsr()


def _sampling(levels: Sequence[Level], fine: int, coarse: int) -> sp.csr_array:
    import scipy.sparse as sp

    node = samples(levels, fine, coarse)
    shape = (len(node), levels[fine].num_nodes)
    return sp.csr_array((np.ones(len(node)), node, np.arange(len(node) + 1)), shape=shape)


def samples(levels: Sequence[Level], fine: int, coarse: int) -> np.ndarray:
    """The node of level ``fine`` that each node of level ``coarse`` is, shape (n_coarse,)."""
    node = np.arange(levels[coarse].num_nodes)
    for level in reversed(levels[fine:coarse]):
        if level.sampled is None:
            raise ValueError(
                f"kind = 'sampled' needs nodes that were chosen, and those of level "
                f"{level.index + 1} are clusters; take 'mean'"
            )
        node = level.sampled[node]
    return node


def _mean_of_means(levels: Sequence[Level], fine: int, coarse: int) -> np.ndarray:
    """Product, along the way up, of one over the number of siblings, shape (n_fine,)."""
    values = np.ones(levels[fine].num_nodes)
    node = np.arange(levels[fine].num_nodes)
    for level in levels[fine:coarse]:
        assert level.parent is not None
        node = level.parent[node]
        values /= np.bincount(level.parent)[node]
    return values


def restrict(
    levels: Sequence[Level], values: ArrayLike, fine: int, coarse: int, kind: str
) -> np.ndarray:
    one_of(kind, "kind", ("sum", "mean", "weighted_mean", "max", "min", "majority", "sampled"))
    if kind == "sampled":
        given = plain_array(values, "values")
        _check_length(given, levels[fine].num_nodes, "values")
        chosen: np.ndarray = given[samples(levels, fine, coarse)]
        return chosen
    if kind == "majority":
        ordered = _with_an_order(plain_array(values, "values"), "values")
        _check_length(ordered, levels[fine].num_nodes, "values")
        return most_frequent(parent_between(levels, fine, coarse), ordered)
    array = _checked(values, levels[fine].num_nodes, "values")
    if kind in EXTREMES:
        return extreme(kind, parent_between(levels, fine, coarse), array)
    return _product(restriction(levels, fine, coarse, kind), array)


def fit(
    levels: Sequence[Level],
    values: ArrayLike,
    fine: int,
    coarse: int,
    kind: str,
    damping: float | None,
    positions: ArrayLike | None,
) -> np.ndarray:
    array = _checked(values, levels[fine].num_nodes, "values").astype(np.float64)
    off = np.argwhere(~np.isfinite(array))
    if len(off):
        place = tuple(off[0].tolist())
        raise ValueError(
            f"values[{', '.join(map(str, place))}] = {array[place]} must be finite: one such value "
            "would be in all coarse ones; fill it in"
        )
    matrix = prolongation(levels, coarse, fine, kind, damping, positions)
    flat = array.reshape(len(array), int(np.prod(array.shape[1:])))
    return least_squares(matrix, flat).reshape(matrix.shape[1], *array.shape[1:])


def prolong(levels: Sequence[Level], values: ArrayLike, coarse: int, fine: int) -> np.ndarray:
    array = plain_array(values, "values")
    _check_length(array, levels[coarse].num_nodes, "values")
    prolonged: np.ndarray = array[parent_between(levels, fine, coarse)]
    return prolonged


def restrict_edges(
    levels: Sequence[Level], attributes: ArrayLike, fine: int, coarse: int, kind: str
) -> np.ndarray:
    import scipy.sparse as sp

    array = _checked(attributes, levels[fine].graph.num_entries, "attributes")
    one_of(kind, "kind", ("sum", "mean", "max", "min"))
    place = _coarse_entries(levels, fine, coarse)
    if kind in EXTREMES:
        return extreme(kind, place, array)
    shape = (levels[coarse].graph.num_entries, len(place))
    share = np.ones(len(place)) if kind == "sum" else 1.0 / np.bincount(place)[place]
    return _product(sp.csr_array((share, (place, np.arange(len(place)))), shape=shape), array)


def _coarse_entries(levels: Sequence[Level], fine: int, coarse: int) -> np.ndarray:
    """The entry of the coarse graph in which each entry of the fine one lies, shape (nnz_fine,)."""
    parent = parent_between(levels, fine, coarse).astype(np.int64)
    inner, outer = levels[fine].graph, levels[coarse].graph
    n = outer.num_nodes
    keys = outer.rows().astype(np.int64) * n + outer.indices
    wanted = parent[inner.rows()] * n + parent[inner.indices]
    place: np.ndarray = np.searchsorted(keys, wanted)
    found = np.zeros(len(place), dtype=np.bool_)
    inside = place < len(keys)
    found[inside] = keys[place[inside]] == wanted[inside]
    if not found.all():
        at = int(np.argmin(found))
        raise ValueError(
            f"the edge ({inner.rows()[at]}, {inner.indices[at]}) of level {fine} has none to go to "
            f"in level {coarse}, which is no contraction; give attributes to its edges yourself"
        )
    return place


def _checked(values: ArrayLike, length: int, name: str) -> np.ndarray:
    array = real_array(values, name)
    _check_length(array, length, name)
    return array


def _with_an_order(array: np.ndarray, name: str) -> np.ndarray:
    texts = array.dtype.kind == "O" and all(isinstance(item, str) for item in array.flat)
    if array.dtype.kind in "OV" and not texts:
        raise ValueError(
            f"{name} must hold numbers, texts or dates, got dtype {array.dtype}; number them "
            "yourself with numpy.unique(..., return_inverse=True)"
        )
    return array


def _check_length(array: np.ndarray, length: int, name: str) -> None:
    if array.ndim == 0 or len(array) != length:
        raise ValueError(f"{name} has shape {array.shape}, expected ({length}, ...)")


def _product(matrix: sp.csr_array, values: np.ndarray) -> np.ndarray:
    flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
    result: np.ndarray = (matrix @ flat).reshape(matrix.shape[0], *values.shape[1:])
    return result


def coarse_faces(faces: ArrayLike, parent: np.ndarray, num_nodes: int) -> np.ndarray:
    faces = plain_array(faces, "faces")
    if faces.shape == (0,):  # a list without faces
        faces = np.empty((0, 3), dtype=np.int64)
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
    once: np.ndarray = merged[np.sort(first)]
    return once


def binary_tree_order(levels: Sequence[Level]) -> tuple[np.ndarray, ...]:
    order = np.arange(levels[-1].num_nodes)
    orders = [order]
    for level in reversed(levels[:-1]):
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
