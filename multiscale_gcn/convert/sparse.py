"""Sparse matrices of scipy and torch to a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.convert.arrays import square
from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.pointers import check_pointers
from multiscale_gcn.convert.values import as_real, asking, count_nodes, has, tensor_to_array


def is_tensor(source: Any) -> bool:
    return has(source, "to_sparse_coo", "layout") and str(source.layout) != "torch.strided"


def from_tensor(source: Any, options: Options) -> Entries:
    with asking(source):
        tensor = source.detach().cpu()
        layout = str(tensor.layout)
        sparse_axes, dense_axes = tensor.sparse_dim(), tensor.dense_dim()
        shape = tuple(tensor.shape)
    if sparse_axes != 2 or dense_axes != 0:
        raise ValueError(
            f"the sparse tensor has {sparse_axes} sparse and {dense_axes} dense axes; "
            "a graph needs a square matrix"
        )
    n = square(shape)
    if layout in _COMPRESSED:  # by scipy, as torch reads beyond bounds where the pointers are wrong
        with asking(source):
            matrix = _as_scipy(tensor, layout)
        return from_matrix(matrix, options)
    with asking(source):
        # Not the public accessors: they refuse duplicates, which add up here anyway.
        ids, values = tensor_to_array(tensor._indices()), tensor_to_array(tensor._values())
    return _entries(ids, values, n)


def is_matrix(source: Any) -> bool:
    return has(source, "tocoo", "shape")


def from_matrix(source: Any, options: Options) -> Entries:
    with asking(source):
        shape = tuple(source.shape)
    n = square(shape)
    check_pointers(source)
    with asking(source):
        coo = source.tocoo()
        ids, data = np.stack([coo.row, coo.col]), coo.data
    return _entries(ids, data, n)


def _entries(ids: np.ndarray, data: Any, n: int) -> Entries:
    ids = ids.astype(np.int64)
    values = as_real(data)
    if len(values) != ids.shape[1]:
        raise ValueError(f"the matrix has {ids.shape[1]} places and {len(values)} values; mend it")
    count_nodes(n, **{"the places of entries": ids})
    return Entries(ids, values, n, "entries")


_COMPRESSED = ("torch.sparse_csr", "torch.sparse_csc", "torch.sparse_bsr", "torch.sparse_bsc")


def _as_scipy(tensor: Any, layout: str) -> Any:
    import scipy.sparse as sp

    by_rows = layout in ("torch.sparse_csr", "torch.sparse_bsr")
    pointers = tensor.crow_indices() if by_rows else tensor.ccol_indices()
    indices = tensor.col_indices() if by_rows else tensor.row_indices()
    values = tensor_to_array(tensor.values())
    if values.ndim == 3:
        indptr, ids = tensor_to_array(pointers), tensor_to_array(indices)
        return _blocks(values, indptr, ids, tuple(tensor.shape), by_rows)
    kind = sp.csr_array if by_rows else sp.csc_array
    parts = (values, tensor_to_array(indices), tensor_to_array(pointers))
    return kind(parts, shape=tuple(tensor.shape))


def _blocks(
    values: np.ndarray,  # [nnz, height, width]
    indptr: np.ndarray,
    ids: np.ndarray,
    shape: tuple[int, ...],
    by_rows: bool,
) -> Any:
    import scipy.sparse as sp

    if by_rows:
        return sp.bsr_array((values, ids, indptr), shape=shape)
    turned = sp.bsr_array((values.transpose(0, 2, 1), ids, indptr), shape=shape[::-1])
    check_pointers(turned)
    return turned.T.tocoo()
