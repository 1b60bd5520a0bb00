"""One number for every stored entry of a graph: where it stands, and what is asked of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.compiled.functions import compiled
from multiscale_gcn.graph import Graph


def entries_at(graph: Graph, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Positions of these entries, which must be stored."""
    positions = np.empty(len(rows), np.int64)
    compiled(_find)(graph.indptr, graph.indices, rows, columns, positions)
    return positions


def _find(
    indptr: np.ndarray,
    indices: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    positions: np.ndarray,
) -> None:
    """In each row by halving."""
    for i in range(len(rows)):
        row, column = rows[i], columns[i]
        low, high = indptr[row], indptr[row + 1]
        while low < high:
            middle = (low + high) // 2
            if indices[middle] < column:
                low = middle + 1
            else:
                high = middle
        positions[i] = low


def checked_values(values: ArrayLike, graph: Graph, name: str) -> np.ndarray:
    """The ratings of a graph's entries as float64, finite and the same in both directions."""
    array = real_array(values, f"the ratings of {name}").astype(np.float64)
    if array.shape != (graph.num_entries,):
        raise ValueError(
            f"{name} has ratings of shape {array.shape}, and the graph has {graph.num_entries} "
            "stored entries, two for an edge; see graph.edge_index()"
        )
    rows, columns = graph.rows(), graph.indices
    wrong = np.flatnonzero(~np.isfinite(array) & (rows != columns))
    if len(wrong):
        at = wrong[0]
        raise ValueError(
            f"{name} rates the edge ({rows[at]}, {columns[at]}) as {array[at]}; "
            "ratings must be finite"
        )
    back = array[entries_at(graph, columns, rows)]
    wrong = np.flatnonzero((array != back) & (rows != columns))
    if len(wrong):
        at = wrong[0]
        raise ValueError(
            f"{name} rates the edge ({rows[at]}, {columns[at]}) as {array[at]} and "
            f"({columns[at]}, {rows[at]}) as {back[at]}; give both directions the same"
        )
    return array


def images(graph: Graph, mirror: np.ndarray) -> np.ndarray:
    """Position of the image of every entry."""
    return entries_at(graph, mirror[graph.rows()], mirror[graph.indices])
