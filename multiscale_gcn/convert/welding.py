"""Vertices at one position to one node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from multiscale_gcn.checks.arguments import real_number
from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.values import as_positions

NEIGHBOURS = 100


def weld_map(positions: Any, tolerance: float = 0.0) -> np.ndarray:
    """Node of every vertex where vertices at one position are one, as ``weld`` numbers them.

    Parameters
    ----------
    positions : array, shape (V, D)
    tolerance : float
        Vertices no further from each other are one node, and so is a chain of them. 0 takes
        positions that are exactly equal.

    Returns
    -------
    array of int64, shape (V,)
        Nodes are numbered as they first appear.

    Raises
    ------
    ValueError
        For positions that are not finite, and for a tolerance that joins a hundred vertices with
        each other on average.

    See Also
    --------
    as_graph : reads graphs, meshes, matrices, frames and files
    drop_isolated : takes isolated nodes away

    Examples
    --------
    >>> from multiscale_gcn.convert import weld_map
    >>> weld_map([[0.0, 0, 0], [1, 0, 0], [0, 0, 0], [2, 0, 0]])
    array([0, 1, 0, 2])
    """
    tolerance = real_number(tolerance, "tolerance", least=0)
    array = as_positions(positions, "positions") + 0.0  # of which -0.0 is 0.0
    _, first, inverse = np.unique(array, axis=0, return_index=True, return_inverse=True)
    group = inverse.reshape(-1)
    if tolerance > 0 and len(array):
        group = _joined(array[first], tolerance)[group]
    return _by_first_member(group)


def welded(mesh: Mesh, tolerance: float) -> Mesh:
    if mesh.positions is None:
        raise ValueError("weld does not go with a source without positions; leave it out")
    mesh_positions = as_positions(mesh.positions, "positions")
    node = weld_map(mesh_positions, tolerance)
    if len(node) != mesh.num_nodes:
        raise ValueError(
            f"num_nodes = {mesh.num_nodes} does not go with weld: the {len(node)} positions say "
            "how many nodes there are; leave it out"
        )
    n = int(node.max()) + 1 if len(node) else 0
    return replace(
        mesh,
        sides=node[mesh.sides],
        num_nodes=n,
        positions=mesh_positions[np.unique(node, return_index=True)[1]],
        triangles=None if mesh.triangles is None else node[mesh.triangles],
    )


def _joined(places: np.ndarray, tolerance: float) -> np.ndarray:
    import scipy.sparse as sp
    from scipy.spatial import cKDTree

    tree = cKDTree(places)
    near = tree.count_neighbors(tree, tolerance)  # counts every pair twice, and each with itself
    if near > NEIGHBOURS * len(places):
        raise ValueError(
            f"weld = {tolerance} joins each vertex with {near // len(places)} on average; give a "
            "smaller distance"
        )
    pairs = tree.query_pairs(tolerance, output_type="ndarray")
    n = len(places)
    matrix = sp.coo_array((np.ones(len(pairs)), pairs.T), shape=(n, n))
    labels: np.ndarray = sp.csgraph.connected_components(matrix, directed=False)[1]
    return labels


def _by_first_member(group: np.ndarray) -> np.ndarray:
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    number = np.argsort(np.argsort(first))
    return number[inverse.reshape(-1)].astype(np.int64)
