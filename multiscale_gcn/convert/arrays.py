"""Arrays and tensors to a graph, read by their shape or as they are said to be."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.convert.assembly import Entries, Mesh
from multiscale_gcn.convert.options import Kind, Options
from multiscale_gcn.convert.polygons import fan_of_faces, sides_of_faces
from multiscale_gcn.convert.values import (
    as_array,
    as_ids,
    as_real,
    as_whole_ids,
    count_nodes,
    weights_of,
)


def from_array(source: Any, options: Options) -> Entries | Mesh:
    if isinstance(source, dict):
        raise TypeError(
            "cannot read a dict as a graph; of one with the neighbours of every node make "
            "networkx.from_dict_of_lists(...), of one with arrays pass the array"
        )
    if isinstance(source, np.ma.MaskedArray) and _may_be_dense(source, options.kind):
        source = source.filled(0)  # what is masked is no edge
    array = as_array(source)
    kind = options.kind or _kind_of(array, options)
    if kind == "dense":
        options.refuse_all_but("symmetrize", source="a dense matrix", kind=kind)
        return from_dense(array)
    if kind == "faces":
        options.refuse_all_but("measures", "num_nodes", source=_FACES, kind=kind)
        return from_faces(array, options.num_nodes, "faces")
    options.refuse_all_but("weights", "num_nodes", "symmetrize", source=f"an {kind}", kind=kind)
    if kind == "edge_index":
        return from_edge_index(array, options.weights, options.num_nodes)
    return from_edge_list(array, options.weights, options.num_nodes)


def from_dense(array: np.ndarray) -> Entries:
    n = square(array.shape)
    ids = np.stack(np.nonzero(array))  # NaN counts as nonzero, so it is seen and refused
    return Entries(ids, as_real(array[ids[0], ids[1]]), n, "entries")


def from_edge_index(array: np.ndarray, weights: Any, num_nodes: int | None) -> Entries:
    ids = as_ids(array, "edge_index")
    if ids.ndim != 2 or ids.shape[0] != 2:
        turned = "; transpose it" if ids.ndim == 2 and ids.shape[1] == 2 else ""
        raise ValueError(f"edge_index must have shape (2, E), got {array.shape}{turned}")
    return from_pairs(ids, weights, num_nodes, "edge_index columns", edge_index=ids)


def from_edge_list(
    array: np.ndarray, weights: Any, num_nodes: int | None, name: str = "edge_list"
) -> Entries:
    """Of rows (u, v) or (u, v, weight)."""
    if array.shape == (0,):  # a list without edges
        array = array.reshape(0, 2)
    if array.ndim != 2 or array.shape[1] not in (2, 3):
        raise ValueError(
            "an edge list must have shape (E, 2), or (E, 3) with weights, got "
            f"{array.shape}; give one row for each edge"
        )
    ids = as_whole_ids(array[:, :2], name)
    if array.shape[1] == 3:
        if weights is not None:
            raise ValueError(
                f"weights does not go with an edge list of shape {array.shape}, whose third column "
                "holds them; leave one of the two out"
            )
        weights = array[:, 2]
    return from_pairs(ids.T, weights, num_nodes, f"{name} rows", **{name: ids})


def from_pairs(
    ids: np.ndarray,  # [2, E]
    weights: Any,
    num_nodes: int | None,
    what: str,
    **named: np.ndarray,
) -> Entries:
    values = weights_of(weights, ids.shape[1])
    n = count_nodes(num_nodes, **named)
    return Entries(ids, values, n, what, counted_by_ids=num_nodes is None)


def from_faces(array: Any, num_nodes: int | None, name: str, positions: Any = None) -> Mesh:
    """Faces of any number of corners; with positions there is a vertex for each of these."""
    faces = as_ids(array, name)
    if faces.shape == (0,):  # a list without faces
        faces = faces.reshape(0, 3)
    if faces.ndim != 2 or faces.shape[1] < 3:
        raise ValueError(
            f"{name} must have shape (F, 3), or (F, k) with more corners, got {faces.shape}; give "
            "one row for each face"
        )
    said = num_nodes is not None
    if num_nodes is None and positions is not None:
        num_nodes = len(positions)
    n = count_nodes(num_nodes, **{name: faces})
    sides, triangles = sides_of_faces(faces), fan_of_faces(faces)
    return Mesh(sides, n, name, positions, triangles, counted_by_ids=not said)


def square(shape: tuple[int, ...]) -> int:
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"the matrix has shape {tuple(shape)}; a graph needs a square one")
    return int(shape[0])


_FACES = "faces; if its rows are edges with weights, say kind='edge_list'"


def _may_be_dense(source: np.ma.MaskedArray, kind: Kind | None) -> bool:
    if kind is not None:
        return kind == "dense"
    return source.ndim == 2 and source.shape[0] == source.shape[1] and source.dtype.kind in "buif"


def _kind_of(array: np.ndarray, options: Options) -> Kind:
    if array.ndim != 2:
        raise ValueError(
            f"an array of shape {array.shape} is no graph; give a square matrix, an edge_index "
            "(2, E) or faces (F, 3)"
        )
    rows, columns = array.shape
    square = rows == columns
    edges = {2: "kind='edge_list' if its rows are edges"}
    edges[3] = f"{edges[2]} with weights"
    if array.dtype.kind in "bf":
        if not square:
            or_edges = f", or say {edges[columns]}" if columns in edges else ""
            raise ValueError(
                f"a {array.dtype} array is read as a dense matrix, and one of shape "
                f"{array.shape} is not square; node ids must be integers: cast them{or_edges}"
            )
        return "dense"
    fits: list[Kind] = []
    if square:
        fits.append("dense")
    if rows == 2:
        fits.append("edge_index")
    if columns == 3:
        fits.append("faces")
    if fits == ["faces"] and _lists_both_directions(array):
        fits.append("edge_list")
    if len(fits) == 1:
        return fits[0]
    if fits:
        readings = " or ".join(repr(kind) for kind in fits)
        raise ValueError(f"shape {array.shape} can be read in two ways; say kind={readings}")
    remedy = f"say {edges[2]}" if columns == 2 else "give one of these"
    if columns > 3:
        remedy = "say kind='faces' if its rows are faces of so many corners"
    raise ValueError(
        f"an integer array of shape {array.shape} is neither square, nor (2, E), nor (F, 3); "
        f"{remedy}"
    )


def _lists_both_directions(array: np.ndarray) -> bool:
    """Whether every row (u, v, w) has its (v, u, w), as edges with weights may."""
    if len(array) == 0:
        return False
    u, v, w = array[0]
    if not ((array[:, 0] == v) & (array[:, 1] == u) & (array[:, 2] == w)).any():
        return False
    there = np.unique(array, axis=0)
    return np.array_equal(there, np.unique(array[:, [1, 0, 2]], axis=0))
