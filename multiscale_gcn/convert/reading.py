"""What a source is, and who reads it."""

from __future__ import annotations

import warnings
from typing import Any

from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.graphs import graph_of
from multiscale_gcn.convert.isolated import UnreferencedNodes
from multiscale_gcn.convert.options import Kind, Options, Symmetrize
from multiscale_gcn.convert.sources import read
from multiscale_gcn.convert.welding import welded
from multiscale_gcn.graph import Graph

MOST_NODES = 2**40  # beyond, numpy fails in its own words


def as_graph(
    source: Any,
    *,
    kind: Kind | None = None,
    weights: Any = None,
    node_weights: Any = None,
    num_nodes: int | None = None,
    symmetrize: bool | Symmetrize = False,
    weld: float | None = None,
) -> Graph:
    """Turn what users hold as a graph into a :class:`Graph`. The order of nodes never changes.

    Parameters
    ----------
    source
        One of:

        - a ``Graph``, or a ``Level`` of a hierarchy, which has one;
        - a networkx graph (edge attribute ``weight``, node attribute ``weight``; nodes in the
          order of iteration), or one of igraph, networkit, rustworkx or DGL;
        - a scipy sparse matrix or array, or a sparse torch tensor, of any format;
        - a dense square array; what a masked one masks is no edge;
        - an ``edge_index`` of shape (2, E), or an object that has one, such as
          ``torch_geometric.data.Data`` (with its ``edge_weight`` and ``node_weight``, if any, and
          its ``num_nodes``), or has an ``adj_t``, or a ``face`` alone;
        - a list of edges of shape (E, 2), or of edges with weights of shape (E, 3), with
          ``kind="edge_list"``;
        - a pandas or polars frame, a table of Arrow or a relation of DuckDB, with columns
          ``source``, ``target`` and, if you like, ``weight``;
        - faces of shape (F, 3), or of more corners with ``kind="faces"``, or an object that has
          them (``trimesh.Trimesh``), or a ``trimesh.Scene``, or triangles of Open3D, of
          ``scipy.spatial.Delaunay`` and ``ConvexHull``, or of matplotlib;
        - a ``meshio.Mesh``, each of its cells by its sides;
        - the path of a file, as str or Path: meshes (OBJ, PLY, OFF, STL, glTF, or whatever meshio
          reads), graphs (METIS, GraphML, GML, GEXF), matrices (Matrix Market, scipy's npz), and
          lists of edges (text, CSV, TSV, Parquet).

        Torch tensors are read like arrays.
    kind : {"dense", "edge_index", "edge_list", "faces"}, optional
        What an array is. Floating point and boolean arrays are dense; integers are read by their
        shape, and refused where two readings are possible (2 x 2, 3 x 3, 2 x 3).
    weights : array, shape (E,), or str, optional
        Weights of the columns of an ``edge_index``, of the rows of an edge list or a frame. A
        name stands for an edge attribute of a networkx graph, an attribute of ``Data`` such as
        ``"edge_attr"``, or a column of a frame. Of a mesh with positions ``"cotangent"`` is half
        the sum of the cotangents of the angles opposite to an edge, and ``"inverse_length"`` one
        over its length.
    node_weights : array, shape (n,), or "area", optional
        Node weights, 1 by default. Of a mesh with positions ``"area"`` is a third of the area of
        the triangles around a vertex.
    num_nodes : int, optional
        Number of nodes for edges or faces; the largest id plus one by default.
    symmetrize : bool or {"mirror", "max", "mean", "sum"}
        How two directions become one edge, if A is the matrix of what the source says:

        - True or ``"mirror"``: entries that stand in one direction only stand in both, for lists
          that name each edge once, and for triangular matrices; directions that differ are refused;
        - ``"max"``: the larger of A and its transpose;
        - ``"mean"``: (A + A^T) / 2, so half of what stands in one direction only;
        - ``"sum"``: A + A^T, so twice what stands in both, a self loop and an undirected edge of
          another library included.

        By default a source with directions that differ is refused.
    weld : float, optional
        Vertices of a mesh, or of its file, that are no further apart are one node; 0 joins those
        at exactly one position. Nodes are numbered as they first appear, see
        :func:`~multiscale_gcn.convert.weld_map`.

    Returns
    -------
    Graph

    Raises
    ------
    ValueError
        For NaN, infinite, negative or all-zero weights, masked and complex ones, asymmetric
        sources, ids out of range and ids that are not integers, files that are cut or hold
        something else, and options that mean nothing for the source, naming the first offending
        place and the remedy.
    TypeError
        For an object that is none of the above.
    FileNotFoundError
        For a path at which there is no file.
    ImportError
        If the library that reads such a file is missing, with the line that installs it.

    Warns
    -----
    UnreferencedNodes
        For vertices of a mesh that nothing names, and for gaps in the ids where ``num_nodes`` is
        not said: they are isolated nodes. :func:`~multiscale_gcn.convert.drop_isolated` takes
        them away.

    See Also
    --------
    coarsen : all levels at once
    drop_isolated : takes isolated nodes away
    weld_map : which vertices lie at one position
    round_weights : weights whose every sum is exact

    Notes
    -----
    Duplicate entries add up. An entry of weight zero is no edge. Self loops are kept. Faces and
    cells give every side the weight 1, however many share it, unless ``weights`` names another.

    For areas and cotangents faces of more than three corners count as fans of triangles around
    their first corner; diagonals are no edges. Cotangents add up to less than zero across angles
    that sum to more than 180 degrees, and to zero in rectangles with a diagonal. As a weight must
    be positive, such an edge weighs a millionth of the median of the positive ones: next to the
    zero at which negative cotangents are usually cut off (so in CGAL's surface deformation),
    without losing the edge. A triangle without area has no angles and is refused, as is an edge of
    length zero; areas take such triangles for what they are, nothing.

    Nodes of a graph from a file are the vertices of the file in their order, those that no face
    names included. An STL file has no vertices, only corners: corners at the same position are
    one node, and nodes are numbered as they first appear. Faces of any number of corners give
    their sides, no diagonals.

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

    A square of two triangles, whose diagonal lies across two right angles:

    >>> from types import SimpleNamespace
    >>> square = SimpleNamespace(
    ...     vertices=[[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], faces=[[0, 1, 2], [0, 2, 3]]
    ... )
    >>> graph = as_graph(square, node_weights="area", weights="cotangent")
    >>> graph.node_weights.round(3).tolist(), graph.weights[:3].tolist()
    ([0.333, 0.167, 0.333, 0.167], [0.5, 5e-07, 0.5])
    """
    options = Options.of(kind, weights, node_weights, num_nodes, symmetrize, weld)
    source = graph_of(source)
    if isinstance(source, Graph) and node_weights is None and options.symmetrize is None:
        options.refuse_all_but(source="a Graph")
        return source
    found = read(source, options)
    try:
        if found.num_nodes > MOST_NODES:
            raise MemoryError
        if options.weld is not None:
            assert isinstance(found, Mesh)
            found = welded(found, options.weld)
        unreferenced = found.unreferenced()
        graph = found.graph(options)
    except MemoryError:
        raise ValueError(
            f"a graph of {found.num_nodes} nodes does not fit into memory; correct num_nodes, or "
            "the ids or the shape that say so"
        ) from None
    if unreferenced is not None:
        warnings.warn(str(unreferenced), UnreferencedNodes, stacklevel=2)
    return graph
