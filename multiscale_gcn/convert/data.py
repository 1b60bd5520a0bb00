"""Objects of PyTorch Geometric, and what looks like them, to a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.convert import sparse
from multiscale_gcn.convert.arrays import from_edge_index, from_faces
from multiscale_gcn.convert.assembly import Entries, Mesh
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.values import as_array, as_ids, asking, attribute, has


def is_hetero(source: Any) -> bool:
    return has(source, "node_types", "edge_types", "to_homogeneous")


def refuse_hetero(source: Any, options: Options) -> Entries:
    raise TypeError(
        f"cannot read a {type(source).__name__} as a graph: it holds several kinds of nodes and "
        "edges; pass data.to_homogeneous(), or the edge_index of edges within one kind of nodes"
    )


def is_dgl(source: Any) -> bool:
    return has(source, "edges", "num_nodes", "ndata", "edata")


def from_dgl(source: Any, options: Options) -> Entries:
    """A graph of DGL, or what looks like one, in its order of nodes and edges."""
    if attribute(source, "is_homogeneous") is False:
        raise TypeError(
            f"cannot read a {type(source).__name__} as a graph: it holds several kinds of nodes or "
            "edges; pass dgl.to_homogeneous(graph), or the edges within one kind of nodes"
        )
    weights = options.weights
    with asking(source):
        begins, ends = source.edges()
        num_nodes = int(source.num_nodes())
        held = list(source.edata)
        named = source.edata[weights] if isinstance(weights, str) and weights in held else None
    if isinstance(weights, str):
        if named is None:
            raise ValueError(
                f"weights = {weights!r} is not in edata, only {held}; name one of these, or pass "
                "an array"
            )
        weights = as_array(named, f"weights = {weights!r}")
    ids = np.stack([as_ids(begins, "edges()[0]"), as_ids(ends, "edges()[1]")])
    return from_edge_index(ids, weights, num_nodes)


def is_data(source: Any) -> bool:
    return _holds(source, "edge_index")


def from_data(source: Any, options: Options) -> Entries:
    """Of an object with an ``edge_index``, as ``torch_geometric.data.Data``."""
    weights = options.weights
    if isinstance(weights, str):
        weights = _edge_attribute(source, weights)
    elif weights is None and _holds(source, "edge_weight"):
        weights = _edge_attribute(source, "edge_weight")
    num_nodes = options.num_nodes
    if num_nodes is None:
        num_nodes = _number_of_nodes(source)
    entries = from_edge_index(as_array(source.edge_index), weights, num_nodes)
    if options.node_weights is None and _holds(source, "node_weight"):
        return Entries(
            entries.ids,
            entries.values,
            entries.num_nodes,
            entries.what,
            node_weights=as_array(source.node_weight, "node_weight"),
            counted_by_ids=entries.counted_by_ids,
        )
    return entries


def has_adjacency(source: Any) -> bool:
    return _holds(source, "adj_t")


def from_adjacency(source: Any, options: Options) -> Entries:
    adjacency = source.adj_t
    if sparse.is_tensor(adjacency):
        return sparse.from_tensor(adjacency, options)
    if has(adjacency, "to_torch_sparse_coo_tensor"):  # of torch_sparse
        return sparse.from_tensor(adjacency.to_torch_sparse_coo_tensor(), options)
    raise TypeError(f"adj_t is a {type(adjacency).__name__}; give a sparse torch tensor")


def has_face(source: Any) -> bool:
    return _holds(source, "face")


def from_face(source: Any, options: Options) -> Mesh:
    """Of ``Data`` of a mesh, whose ``face`` has shape (3, F)."""
    face = as_ids(source.face, "face")
    if face.ndim != 2 or len(face) < 3:
        raise ValueError(
            f"face must have shape (3, F), got {face.shape}; give one column for each face"
        )
    positions = as_array(source.pos, "pos") if _holds(source, "pos") else None
    num_nodes = options.num_nodes
    if num_nodes is None and positions is None:
        num_nodes = _number_of_nodes(source)
    return from_faces(face.T, num_nodes, "face (transposed)", positions)


def batch_of(source: Any) -> np.ndarray | None:
    """Which graph of a batch each node belongs to, for what says so itself.

    Parameters
    ----------
    source
        Anything that ``as_graph`` takes. An object of edges or faces, as
        ``torch_geometric.data.Batch``, says it with ``batch``, shape (n,), or with ``ptr``, the
        first node of every member and the number of nodes; a graph of DGL with
        ``batch_num_nodes()``.

    Returns
    -------
    array of int64, shape (n,), or None
        None if the source says nothing of a batch.

    Raises
    ------
    ValueError
        For a ``batch`` or ``ptr`` that holds no whole numbers, decreases, or is not of one axis.

    Examples
    --------
    >>> import torch
    >>> from torch_geometric.data import Batch, Data
    >>> pair = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    >>> batch_of(Batch.from_data_list([pair, pair]))
    array([0, 0, 1, 1])
    """
    if is_dgl(source) and has(source, "batch_num_nodes"):
        with asking(source):
            counts = as_ids(source.batch_num_nodes(), "batch_num_nodes()")
        return np.repeat(np.arange(len(counts)), counts) if len(counts) > 1 else None
    if not (is_data(source) or has_adjacency(source) or has_face(source)):
        return None
    if _holds(source, "batch"):
        return _never_decreasing(source.batch, "batch")
    if _holds(source, "ptr"):
        ptr = _never_decreasing(source.ptr, "ptr")
        if len(ptr) == 0 or ptr[0] != 0:
            raise ValueError(
                f"ptr = {ptr.tolist()[:5]} must begin at 0: it holds the first node of every "
                "member and the number of nodes; leave it out if this is no batch"
            )
        return np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    return None


def _holds(source: Any, name: str) -> bool:
    value = attribute(source, name)
    return value is not None and not callable(value)


def _number_of_nodes(source: Any) -> int | None:
    number = attribute(source, "num_nodes")
    if number is None or callable(number):
        return None
    return whole_number(number, "num_nodes of the source", least=0)


def _edge_attribute(source: Any, name: str) -> np.ndarray:
    values = attribute(source, name)
    if values is None:
        raise ValueError(
            f"weights = {name!r} is no attribute of the {type(source).__name__}; name one, or pass "
            "an array"
        )
    array = as_array(values, f"weights = {name!r}")
    if array.ndim == 2 and array.shape[1] == 1:  # as the transforms of PyTorch Geometric write it
        return array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"weights = {name!r} has shape {array.shape}; an edge has one weight: pass "
            "weights=..., an array of shape (E,) that you make of it"
        )
    return array


def _never_decreasing(values: Any, name: str) -> np.ndarray:
    array = as_ids(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one axis, got shape {array.shape}; say batch=...")
    falls = np.flatnonzero(np.diff(array) < 0)
    if len(falls):
        at = int(falls[0]) + 1
        raise ValueError(
            f"{name}[{at}] = {array[at]} is smaller than the one before; put the nodes of each "
            "member of the batch together, in the order of members"
        )
    return array
