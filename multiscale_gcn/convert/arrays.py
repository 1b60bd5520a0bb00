"""Arrays, tensors and sparse matrices to a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.convert.assembly import as_ids, as_real, assemble, count_nodes, from_sides
from multiscale_gcn.graph import Graph


def as_array(source: Any) -> np.ndarray:
    if hasattr(source, "detach") and hasattr(source, "layout"):
        source = _to_numpy(source)
    try:
        array = np.asarray(source)
    except Exception as error:  # whatever the object raises when numpy asks it for its items
        raise TypeError(f"cannot read a {type(source).__name__} as a graph: {error}") from None
    if array.dtype.kind not in "buif":
        if isinstance(source, np.ndarray):
            raise TypeError(
                f"cannot read an array of dtype {array.dtype} as a graph; cast it to a type of "
                "real numbers"
            )
        raise TypeError(
            f"cannot read a {type(source).__name__} as a graph; give a networkx graph, a sparse "
            "matrix, a dense array, an edge_index, faces, a mesh, the path of a mesh file, a "
            "frame of edges, or a Graph"
        )
    return array


def as_weights(weights: Any) -> np.ndarray:
    if isinstance(weights, str):
        raise ValueError(f"weights = {weights!r} is a name, and an array has no attributes")
    return as_real(as_array(weights))


def is_sparse_tensor(source: Any) -> bool:
    return hasattr(source, "to_sparse_coo") and str(source.layout) != "torch.strided"


def from_sparse_tensor(source: Any, node_weights: Any, symmetrize: bool) -> Graph:
    coo = source.detach().cpu().to_sparse_coo()
    if coo.sparse_dim() != 2 or coo.dense_dim() != 0:
        raise ValueError(
            f"the sparse tensor has {coo.sparse_dim()} sparse and {coo.dense_dim()} dense axes; "
            "a graph needs a square matrix"
        )
    n = _square(tuple(coo.shape))
    # Not the public accessors: they refuse duplicates, which add up here anyway.
    values = as_real(_to_numpy(coo._values()))
    return assemble(_to_numpy(coo._indices()), values, node_weights, n, symmetrize, "entries")


def from_scipy(source: Any, node_weights: Any, symmetrize: bool) -> Graph:
    coo = source.tocoo()
    n = _square(coo.shape)
    ids = np.stack([coo.row, coo.col]).astype(np.int64)
    return assemble(ids, as_real(coo.data), node_weights, n, symmetrize, "entries")


def from_dense(array: np.ndarray, node_weights: Any, symmetrize: bool) -> Graph:
    n = _square(array.shape)
    ids = np.stack(np.nonzero(array))  # NaN counts as nonzero, so it is seen and refused
    values = as_real(array[ids[0], ids[1]])
    return assemble(ids, values, node_weights, n, symmetrize, "entries")


def from_edge_index(
    array: np.ndarray, weights: Any, node_weights: Any, num_nodes: int | None, symmetrize: bool
) -> Graph:
    ids = as_ids(array, "edge_index")
    if ids.ndim != 2 or ids.shape[0] != 2:
        raise ValueError(f"edge_index must have shape (2, E), got {array.shape}")
    n = count_nodes(num_nodes, edge_index=ids)
    return from_edges(ids, weights, node_weights, n, symmetrize, "edge_index columns")


def from_edge_list(
    array: np.ndarray, weights: Any, node_weights: Any, num_nodes: int | None, symmetrize: bool
) -> Graph:
    ids = as_ids(array, "edge_list")
    if ids.shape == (0,):  # a list without edges
        ids = ids.reshape(0, 2)
    if ids.ndim != 2 or ids.shape[1] != 2:
        raise ValueError(f"an edge list must have shape (E, 2), got {array.shape}")
    n = count_nodes(num_nodes, edge_list=ids)
    return from_edges(ids.T, weights, node_weights, n, symmetrize, "edge_list rows")


def from_edges(
    ids: np.ndarray,  # [2, E]
    weights: Any,
    node_weights: Any,
    n: int,
    symmetrize: bool,
    what: str,
) -> Graph:
    values = np.ones(ids.shape[1]) if weights is None else as_weights(weights)
    if values.shape != (ids.shape[1],):
        raise ValueError(f"weights has shape {values.shape}, expected ({ids.shape[1]},)")
    return assemble(ids, values, node_weights, n, symmetrize, what)


def from_faces(array: np.ndarray, node_weights: Any, num_nodes: int | None) -> Graph:
    faces = as_ids(array, "faces")
    if faces.shape == (0,):  # a list without faces
        faces = faces.reshape(0, 3)
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"faces must have shape (F, 3), got {array.shape}")
    n = count_nodes(num_nodes, faces=faces)
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return from_sides(sides, node_weights, n, "faces")


def _to_numpy(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":  # numpy has none
        tensor = tensor.float()
    array: np.ndarray = tensor.numpy()
    return array


def _square(shape: tuple[int, ...]) -> int:
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"the matrix has shape {shape}; a graph needs a square one")
    return shape[0]
