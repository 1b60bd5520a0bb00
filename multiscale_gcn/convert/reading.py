"""What a source is, and who reads it."""

from __future__ import annotations

from os import PathLike
from typing import Any, Literal

import numpy as np

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.convert import arrays, files, meshes, networks
from multiscale_gcn.convert.assembly import refuse
from multiscale_gcn.graph import Graph

Kind = Literal["dense", "edge_index", "edge_list", "faces"]


def as_graph(
    source: Any,
    *,
    kind: Kind | None = None,
    weights: Any = None,
    node_weights: Any = None,
    num_nodes: int | None = None,
    symmetrize: bool = False,
) -> Graph:
    """Turn what users hold as a graph into a :class:`Graph`. The order of nodes never changes.

    Parameters
    ----------
    source
        One of:

        - a ``Graph``;
        - a networkx graph (edge attribute ``weight``, node attribute ``weight``; nodes in the
          order of iteration);
        - a scipy sparse matrix or array, or a sparse torch tensor, of any format;
        - a dense square array;
        - an ``edge_index`` of shape (2, E), or an object that has one, such as
          ``torch_geometric.data.Data`` (with its ``edge_weight`` and ``node_weight``, if any, and
          its ``num_nodes``) or has an ``adj_t``;
        - a list of edges of shape (E, 2), with ``kind="edge_list"``;
        - a pandas or polars frame with columns ``source``, ``target`` and, if you like,
          ``weight``;
        - triangle faces of shape (F, 3), or an object that has them (``trimesh.Trimesh``);
        - a ``meshio.Mesh``, each of its cells by its sides;
        - the path of a mesh file, as str or Path: OBJ, PLY, OFF, STL, or whatever meshio reads.

        Torch tensors are read like arrays.
    kind : {"dense", "edge_index", "edge_list", "faces"}, optional
        What an array is. Floating point and boolean arrays are dense; integers are read by their
        shape, and refused where two readings are possible (2 x 2, 3 x 3, 2 x 3).
    weights : array, shape (E,), or str, optional
        Weights of the columns of an ``edge_index``, of the rows of an edge list or a frame. A
        name stands for an edge attribute of a networkx graph, an attribute of ``Data`` such as
        ``"edge_attr"``, or a column of a frame.
    node_weights : array, shape (n,), optional
        Node weights, 1 by default.
    num_nodes : int, optional
        Number of nodes for edges or faces; the largest id plus one by default.
    symmetrize : bool
        Mirror entries that stand in one direction only: for lists that name each edge once, and
        for triangular matrices. Without it such a source is refused.

    Returns
    -------
    Graph

    Raises
    ------
    ValueError
        For NaN, infinite, negative or all-zero weights, asymmetric sources, ids out of range and
        ids that are not integers, naming the first offending place and the remedy.
    TypeError
        For an object that is none of the above.
    FileNotFoundError
        For a path at which there is no file.
    ImportError
        If the library that reads such a file is missing, with the line that installs it.

    Notes
    -----
    Duplicate entries add up. An entry of weight zero is no edge. Self loops are kept. Faces and
    cells give every side the weight 1, however many share it.

    Nodes of a graph from a file are the vertices of the file in their order, those that no face
    names included. An STL file has no vertices, only corners: corners at the same position are
    one node, and nodes are numbered as they first appear. PLY and OFF files are read by trimesh,
    which splits faces of more than three corners into triangles; the diagonals are edges then.

    Examples
    --------
    >>> import numpy as np
    >>> from multiscale_gcn import as_graph
    >>> as_graph(np.array([[0, 1, 2], [1, 2, 3]]), kind="edge_index", symmetrize=True)
    Graph(4 nodes, 3 edges)
    >>> as_graph([(0, 1), (1, 2)], kind="edge_list", symmetrize=True)
    Graph(3 nodes, 2 edges)
    >>> as_graph(np.array([[0, 1, 2], [2, 1, 3], [0, 2, 4], [4, 2, 3]]))
    Graph(5 nodes, 8 edges)
    """
    if num_nodes is not None:
        num_nodes = whole_number(num_nodes, "num_nodes", least=0)
    if hasattr(node_weights, "detach"):
        node_weights = arrays.as_array(node_weights)
    if isinstance(source, Graph):
        refuse(weights=weights, num_nodes=num_nodes)
        if node_weights is None:
            return source
        return Graph(source.indptr, source.indices, source.weights, node_weights)
    if isinstance(source, str | PathLike):
        refuse(weights=weights, num_nodes=num_nodes)
        return files.from_file(source, node_weights)
    if networks.is_frame(source):
        return networks.from_frame(source, weights, node_weights, num_nodes, symmetrize)
    if hasattr(source, "adj") and hasattr(source, "number_of_nodes"):
        refuse(num_nodes=num_nodes)
        return networks.from_networkx(source, weights, node_weights)
    if getattr(source, "edge_index", None) is not None and not callable(source.edge_index):
        return networks.from_data(source, weights, node_weights, num_nodes, symmetrize)
    if getattr(source, "adj_t", None) is not None:
        source = source.adj_t
    if arrays.is_sparse_tensor(source):
        refuse(weights=weights, num_nodes=num_nodes)
        return arrays.from_sparse_tensor(source, node_weights, symmetrize)
    if hasattr(source, "tocoo"):
        refuse(weights=weights, num_nodes=num_nodes)
        return arrays.from_scipy(source, node_weights, symmetrize)
    if meshes.is_cell_mesh(source):
        refuse(weights=weights)
        return meshes.from_cells(source, node_weights, num_nodes)
    if hasattr(source, "faces") and hasattr(source, "vertices"):
        num_nodes = len(source.vertices) if num_nodes is None else num_nodes
        source, kind = source.faces, "faces"
    return _from_array(arrays.as_array(source), kind, weights, node_weights, num_nodes, symmetrize)


def _from_array(
    array: np.ndarray,
    kind: Kind | None,
    weights: Any,
    node_weights: Any,
    num_nodes: int | None,
    symmetrize: bool,
) -> Graph:
    kind = kind or _kind_of(array)
    if kind == "dense":
        refuse(weights=weights, num_nodes=num_nodes)
        return arrays.from_dense(array, node_weights, symmetrize)
    if kind == "edge_index":
        return arrays.from_edge_index(array, weights, node_weights, num_nodes, symmetrize)
    if kind == "edge_list":
        return arrays.from_edge_list(array, weights, node_weights, num_nodes, symmetrize)
    if kind == "faces":
        refuse(weights=weights)
        return arrays.from_faces(array, node_weights, num_nodes)
    raise ValueError(f"kind = {kind!r} is none of 'dense', 'edge_index', 'edge_list', 'faces'")


def _kind_of(array: np.ndarray) -> Kind:
    if array.ndim != 2:
        raise ValueError(
            f"an array of shape {array.shape} is no graph; give a square matrix, an edge_index "
            "(2, E) or faces (F, 3)"
        )
    rows, columns = array.shape
    square = rows == columns
    if array.dtype.kind in "bf":
        if not square:
            raise ValueError(
                f"a {array.dtype} array is read as a dense matrix, and one of shape "
                f"{array.shape} is not square; node ids must be integers: cast them"
            )
        return "dense"
    fits: list[Kind] = []
    if square:
        fits.append("dense")
    if rows == 2:
        fits.append("edge_index")
    if columns == 3:
        fits.append("faces")
    if len(fits) == 1:
        return fits[0]
    if fits:
        readings = " or ".join(repr(kind) for kind in fits)
        raise ValueError(f"shape {array.shape} can be read in two ways; say kind={readings}")
    remedy = "; say kind='edge_list' if its rows are edges" if columns == 2 else ""
    raise ValueError(
        f"an integer array of shape {array.shape} is neither square, nor (2, E), nor (F, 3){remedy}"
    )
