"""Everything that users hold as a graph, into a :class:`Graph`, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from multiscale_gcn.graph import Graph

if TYPE_CHECKING:
    import networkx as nx

Kind = Literal["dense", "edge_index", "faces"]


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
        One of: a ``Graph``; a networkx graph (edge attribute ``weight``, node attribute
        ``weight``; nodes in the order of iteration); a scipy sparse matrix or array of any format;
        a dense square array; an ``edge_index`` of shape (2, E), as PyTorch Geometric writes it,
        or an object that has one (``Data``); triangle faces of shape (F, 3), or an object that
        has them (``trimesh.Trimesh``). Torch tensors are read like arrays.
    kind : {"dense", "edge_index", "faces"}, optional
        What an array is. Floating point and boolean arrays are dense; integers are read by their
        shape, and refused where two readings are possible (2 x 2, 3 x 3, 2 x 3).
    weights : array, shape (E,), optional
        Weights of the columns of an ``edge_index``.
    node_weights : array, shape (n,), optional
        Node weights, 1 by default.
    num_nodes : int, optional
        Number of nodes for an ``edge_index`` or faces; the largest id plus one by default.
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

    Notes
    -----
    Duplicate entries add up. An entry of weight zero is no edge. Self loops are kept. Faces give
    every edge of a triangle the weight 1, however many triangles share it.

    Examples
    --------
    >>> import numpy as np
    >>> from multiscale_gcn import as_graph
    >>> as_graph(np.array([[0, 1, 2], [1, 2, 3]]), kind="edge_index", symmetrize=True)
    Graph(4 nodes, 3 edges)
    >>> as_graph(np.array([[0, 1, 2], [2, 1, 3], [0, 2, 4], [4, 2, 3]]))
    Graph(5 nodes, 8 edges)
    """
    if isinstance(source, Graph):
        _refuse(weights=weights, num_nodes=num_nodes)
        if node_weights is None:
            return source
        return Graph(source.indptr, source.indices, source.weights, node_weights)
    if hasattr(source, "adj") and hasattr(source, "number_of_nodes"):
        _refuse(weights=weights, num_nodes=num_nodes)
        return _from_networkx(source, node_weights)
    if hasattr(source, "tocoo"):
        _refuse(weights=weights, num_nodes=num_nodes)
        return _from_scipy(source, node_weights, symmetrize)
    if getattr(source, "edge_index", None) is not None and not callable(source.edge_index):
        weights = getattr(source, "edge_weight", None) if weights is None else weights
        num_nodes = getattr(source, "num_nodes", None) if num_nodes is None else num_nodes
        source, kind = source.edge_index, "edge_index"
    elif hasattr(source, "faces") and hasattr(source, "vertices"):
        num_nodes = len(source.vertices) if num_nodes is None else num_nodes
        source, kind = source.faces, "faces"
    array = _as_array(source)
    kind = kind or _kind_of(array)
    if kind == "dense":
        _refuse(weights=weights, num_nodes=num_nodes)
        return _from_dense(array, node_weights, symmetrize)
    if kind == "edge_index":
        return _from_edge_index(array, weights, node_weights, num_nodes, symmetrize)
    if kind == "faces":
        _refuse(weights=weights)
        return _from_faces(array, node_weights, num_nodes)
    raise ValueError(f"kind = {kind!r} is none of 'dense', 'edge_index', 'faces'")


def to_networkx(graph: Graph) -> nx.Graph:
    """The graph as a ``networkx.Graph`` with node and edge attribute ``weight``.

    Examples
    --------
    >>> from multiscale_gcn import Graph, to_networkx
    >>> to_networkx(Graph([0, 1, 2], [1, 0])).edges(data=True)
    EdgeDataView([(0, 1, {'weight': 1.0})])
    """
    import networkx as nx

    result = nx.Graph()
    result.add_nodes_from((u, {"weight": w}) for u, w in enumerate(graph.node_weights.tolist()))
    rows = graph.rows()
    once = rows <= graph.indices
    result.add_weighted_edges_from(
        zip(
            rows[once].tolist(),
            graph.indices[once].tolist(),
            graph.weights[once].tolist(),
            strict=True,
        )
    )
    return result


def _refuse(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"{name} does not go with this kind of source; leave it out")


def _as_array(source: Any) -> np.ndarray:
    if hasattr(source, "detach"):
        if source.layout.__str__() != "torch.strided":
            raise TypeError(
                "sparse torch tensors are not read; pass their indices as an edge_index"
            )
        source = source.detach().cpu().numpy()
    try:
        array = np.asarray(source)
    except ValueError as error:
        raise TypeError(f"cannot read a {type(source).__name__} as a graph: {error}") from None
    if array.dtype.kind not in "buif":
        raise TypeError(
            f"cannot read a {type(source).__name__} as a graph; give a networkx graph, a scipy "
            "sparse matrix, a dense array, an edge_index, faces, or a Graph"
        )
    return array


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
    remedy = "; transpose your edge list" if columns == 2 else ""
    raise ValueError(
        f"an integer array of shape {array.shape} is neither square, nor (2, E), nor (F, 3){remedy}"
    )


def _from_networkx(source: Any, node_weights: Any) -> Graph:
    if source.is_directed():
        raise ValueError("the graph is directed; pass graph.to_undirected()")
    place = {node: i for i, node in enumerate(source)}
    if node_weights is None:
        node_weights = [
            _number(data.get("weight", 1.0), f"weight of node {node!r}")
            for node, data in source.nodes(data=True)
        ]
    edges = [
        (place[u], place[v], _number(w, f"weight of edge ({u!r}, {v!r})"))
        for u, v, w in source.edges(data="weight", default=1.0)
    ]
    ids = np.array([edge[:2] for edge in edges], dtype=np.int64).reshape(-1, 2).T
    values = np.array([edge[2] for edge in edges], dtype=np.float64)
    # Parallel edges of a multigraph may be listed as (u, v) and (v, u).
    return _assemble(np.sort(ids, axis=0), values, node_weights, len(place), True, "edges")


def _number(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"the {what} is {value!r}, not a number") from None


def _from_scipy(source: Any, node_weights: Any, symmetrize: bool) -> Graph:
    coo = source.tocoo()
    if coo.ndim != 2 or coo.shape[0] != coo.shape[1]:
        raise ValueError(f"the matrix has shape {coo.shape}; a graph needs a square one")
    ids = np.stack([coo.row, coo.col]).astype(np.int64)
    return _assemble(ids, _real(coo.data), node_weights, coo.shape[0], symmetrize, "entries")


def _from_dense(array: np.ndarray, node_weights: Any, symmetrize: bool) -> Graph:
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"the matrix has shape {array.shape}; a graph needs a square one")
    ids = np.stack(np.nonzero(array))  # NaN counts as nonzero, so it is seen and refused
    values = _real(array[ids[0], ids[1]])
    if array.shape[0] and len(values) == 0:
        values = np.zeros(0)
    return _assemble(ids, values, node_weights, array.shape[0], symmetrize, "entries")


def _from_edge_index(
    array: np.ndarray, weights: Any, node_weights: Any, num_nodes: int | None, symmetrize: bool
) -> Graph:
    ids = _ids(array, "edge_index")
    if ids.ndim != 2 or ids.shape[0] != 2:
        raise ValueError(f"edge_index must have shape (2, E), got {array.shape}")
    values = np.ones(ids.shape[1]) if weights is None else _real(_as_array(weights))
    if values.shape != (ids.shape[1],):
        raise ValueError(f"weights has shape {values.shape}, expected ({ids.shape[1]},)")
    n = _num_nodes(ids, num_nodes, "edge_index")
    return _assemble(ids, values, node_weights, n, symmetrize, "edge_index columns")


def _from_faces(array: np.ndarray, node_weights: Any, num_nodes: int | None) -> Graph:
    faces = _ids(array, "faces")
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"faces must have shape (F, 3), got {array.shape}")
    n = _num_nodes(faces, num_nodes, "faces")
    sides = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    sides = np.unique(sides[sides[:, 0] != sides[:, 1]], axis=0).T
    return _assemble(sides, np.ones(sides.shape[1]), node_weights, n, True, "faces")


def _ids(array: np.ndarray, name: str) -> np.ndarray:
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "ui":
        raise ValueError(f"{name} must hold integer node ids, got dtype {array.dtype}: cast them")
    return array.astype(np.int64)


def _num_nodes(ids: np.ndarray, num_nodes: int | None, name: str) -> int:
    largest = int(ids.max()) if ids.size else -1
    n = largest + 1 if num_nodes is None else num_nodes
    outside = np.argwhere((ids < 0) | (ids >= n))
    if len(outside):
        at = tuple(int(i) for i in outside[0])
        raise ValueError(
            f"{name}[{', '.join(map(str, at))}] = {ids[at]} is not a node: ids run from 0 to "
            f"num_nodes - 1 = {n - 1}"
        )
    return n


def _real(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "buif":
        raise ValueError(f"weights must be real numbers, got dtype {values.dtype}")
    return values.astype(np.float64)


def _assemble(
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
