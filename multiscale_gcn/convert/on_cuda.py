"""Matrices and edge lists on a CUDA device to the arrays of a graph there."""

from __future__ import annotations

import math
from typing import Any

import cupy as cp

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.convert.options import Symmetrize, as_symmetrize
from multiscale_gcn.convert.reading import as_graph
from multiscale_gcn.convert.values import LARGEST_INT64, as_ids, refuse_gaps
from multiscale_gcn.cuda.arrays import DeviceArrays
from multiscale_gcn.graph import LARGEST_INT32
from multiscale_gcn.graph.exact import (
    LARGEST_EXPONENT,
    SMALLEST_EXPONENT,
    Rounding,
    quantum_of,
    round_weights,
)


def read(
    source: Any, weights: Any, num_nodes: int | None, symmetrize: bool | Symmetrize
) -> tuple[DeviceArrays, Rounding, float | None]:
    """The graph with exact weights, what rounding them changed, and their quantum."""
    if num_nodes is not None:
        num_nodes = whole_number(num_nodes, "num_nodes", least=0)
    entries = _entries(source, weights, num_nodes)
    if entries is None:
        graph = as_graph(source, weights=weights, num_nodes=num_nodes, symmetrize=symmetrize)
    else:
        ids, values, n = entries
        assembled = _assembled(ids, values, n, as_symmetrize(symmetrize))
        if assembled is not None:
            return _rounded(*assembled)
        graph = as_graph(
            cp.asnumpy(ids),
            kind="edge_index",
            weights=cp.asnumpy(values),
            num_nodes=n,
            symmetrize=symmetrize,
        )
    graph, rounding = round_weights(graph)
    return DeviceArrays.of(graph), rounding, graph.quantum


def _entries(source: Any, weights: Any, num_nodes: int | None) -> tuple[Any, Any, int] | None:
    """Rows and columns, weights, and number of nodes of what stands on the device; else None."""
    if hasattr(source, "tocoo") and isinstance(getattr(source, "data", None), cp.ndarray):
        coo = source.tocoo()
        if coo.shape[0] != coo.shape[1]:
            raise ValueError(f"the matrix has shape {coo.shape}; a graph needs a square one")
        return (
            cp.stack([coo.row, coo.col]).astype(cp.int64),
            _real(coo.data),
            coo.shape[0],
        )
    if getattr(source, "is_cuda", False):
        source = source.detach()
        if source.layout != _strided():
            coo = source.to_sparse_coo()
            if coo.dim() != 2 or coo.shape[0] != coo.shape[1]:
                raise ValueError(
                    f"the tensor has shape {tuple(coo.shape)}; a graph needs a square one"
                )
            values = _real(cp.asarray(coo._values()))
            return cp.asarray(coo._indices()), values, int(coo.shape[0])
        source = cp.asarray(source)
    if not isinstance(source, cp.ndarray):
        return None
    if source.ndim != 2 or source.shape[0] != 2 or source.dtype.kind not in "ui":
        raise ValueError(
            f"an array on the device must be an edge_index of integers, shape (2, E); got "
            f"{source.dtype} of {source.shape}"
        )
    if source.dtype.kind == "u" and source.size and int(source.max()) > LARGEST_INT64:
        as_ids(cp.asnumpy(source), "edge_index")  # refuses it, and names the place
    ids = source.astype(cp.int64)
    values = cp.ones(ids.shape[1])
    if weights is not None:
        values = _real(cp.asarray(weights.detach() if hasattr(weights, "detach") else weights))
        if values.shape != (ids.shape[1],):
            raise ValueError(f"weights has shape {values.shape}, expected ({ids.shape[1]},)")
    if num_nodes is None:
        num_nodes = int(ids.max()) + 1 if ids.size else 0
        refuse_gaps(num_nodes, ids.size)
    return ids, values, num_nodes


def _real(values: Any) -> Any:
    if values.dtype.kind not in "buif":
        raise ValueError(f"weights must be real numbers, got dtype {values.dtype}; take abs()")
    return values.astype(cp.float64)


def _strided() -> Any:
    import torch

    return torch.strided


def _assembled(
    ids: Any,  # [2, E] int64
    values: Any,  # [E] float64
    n: int,
    symmetrize: Symmetrize | None,
) -> tuple[Any, Any, Any] | None:
    """The arrays of the symmetric matrix; None for what the host must do or refuse."""
    if n > LARGEST_INT32 or symmetrize not in (None, "mirror"):
        return None
    if ids.shape[1] == 0:
        return cp.zeros(n + 1, cp.int64), cp.zeros(0, cp.int32), cp.zeros(0)
    if bool((ids < 0).any()) or bool((ids >= n).any()):
        return None
    if not (_in_range(values) and bool((values > 0).all())):
        return None
    keys, values = _in_order(ids[0] * n + ids[1], values)
    first = cp.ones(len(keys), cp.bool_)
    first[1:] = keys[1:] != keys[:-1]
    if not bool(first.all()):
        # The host adds up in an order of its own, so here only sums that are exact in any order.
        if bool((_to_multiples(values)[0] != values).any()):
            return None
        values = cp.bincount(cp.cumsum(first) - 1, weights=values)
        keys = keys[first]
        if not _in_range(values):
            return None
    back = keys % n * n + keys // n
    at = cp.minimum(cp.searchsorted(keys, back), len(keys) - 1)
    has_image = keys[at] == back
    if symmetrize:
        keys = cp.concatenate([keys, back[~has_image]])
        keys, values = _in_order(keys, cp.concatenate([values, values[~has_image]]))
        back = keys % n * n + keys // n
        at = cp.searchsorted(keys, back)
    elif not bool(has_image.all()):
        return None
    if bool((values[at] != values).any()):
        return None
    indptr = cp.searchsorted(keys, cp.arange(n + 1, dtype=cp.int64) * n)
    return indptr.astype(cp.int64), (keys % n).astype(cp.int32), values


def _in_order(keys: Any, values: Any) -> tuple[Any, Any]:
    order = cp.argsort(keys)
    return keys[order], values[order]


def _in_range(values: Any) -> bool:
    largest = float(values.max())
    if not math.isfinite(largest):
        return False
    return SMALLEST_EXPONENT < math.frexp(largest)[1] < LARGEST_EXPONENT


def _to_multiples(values: Any) -> tuple[Any, float]:
    """The values as :func:`~multiscale_gcn.round_weights` rounds them, and their quantum."""
    if len(values) == 0:
        return values, 1.0
    unit = quantum_of(len(values), float(values.max()))
    return cp.maximum(cp.floor(values / unit), 1.0) * unit, unit


def _rounded(indptr: Any, indices: Any, values: Any) -> tuple[DeviceArrays, Rounding, float]:
    weights, unit = _to_multiples(values)
    changed = weights != values
    rounding = Rounding()
    if bool(changed.any()):
        relative = cp.abs(weights - values) / values
        rounding = Rounding(int(changed.sum()), 0, float(relative.max()))
    node_weights = cp.ones(len(indptr) - 1)
    return DeviceArrays.checked(indptr, indices, weights, node_weights), rounding, unit
