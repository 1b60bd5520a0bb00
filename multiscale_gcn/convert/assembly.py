"""The last step of every reader: checked entries to a symmetric matrix without duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from multiscale_gcn.convert.isolated import Unreferenced
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.surfaces import (
    cotangents,
    inverse_lengths,
    places_of,
    says_area,
    says_measure,
    triangles_of,
    vertex_areas,
)
from multiscale_gcn.convert.symmetry import check_symmetric, mirrored, symmetrized
from multiscale_gcn.convert.values import as_node_weights
from multiscale_gcn.graph import LARGEST_INT32, Graph
from multiscale_gcn.graph.names import telling_names

if TYPE_CHECKING:
    import scipy.sparse as sp


@dataclass(frozen=True)
class Entries:
    """What a source says: entries of a matrix, duplicates and zeros among them."""

    ids: np.ndarray  # [2, E] int64
    values: np.ndarray  # [E] float64
    num_nodes: int
    what: str
    node_weights: Any = None
    """Those of the source, for which the argument may stand in."""
    each_once: bool = False
    """Whether an entry stands for both directions."""
    counted_by_ids: bool = False
    """Whether nobody said how many nodes there are."""
    names: Sequence[Any] | None = None
    """What the source calls its nodes."""

    def unreferenced(self) -> Unreferenced | None:
        if not self.counted_by_ids:
            return None
        return Unreferenced.among(
            self.ids, self.num_nodes, "nodes stand in no edge", "say num_nodes if they are meant"
        )

    def graph(self, options: Options) -> Graph:
        """Sum duplicates, drop zeros, and make both directions agree if asked to."""
        given = options.node_weights
        node_weights = as_node_weights(
            self.node_weights if given is None else given, self.num_nodes
        )
        matrix = self._matrix()
        if self.each_once:
            matrix = mirrored(matrix)
        if options.symmetrize is not None:
            matrix = symmetrized(matrix, options.symmetrize)
        if not np.isfinite(matrix.data).all():
            raise ValueError("duplicate entries add up to infinity; scale the weights down")
        check_symmetric(matrix, options.symmetrize, self.names)
        id_type = np.int32 if self.num_nodes <= LARGEST_INT32 else np.int64
        return Graph._of_valid(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(id_type),
            matrix.data,
            node_weights,
            names=None if self.names is None else telling_names(self.names),
        )

    def _matrix(self) -> sp.csr_array:
        import scipy.sparse as sp

        ids, values, n = self.ids, self.values, self.num_nodes
        bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if len(bad):
            raise ValueError(self._why_bad(int(bad[0])))
        if len(values) and not values.any():
            raise ValueError(
                "every weight is zero; leave entries of weight zero out if there are no edges"
            )
        kept = values > 0
        with np.errstate(over="ignore"):
            matrix = sp.csr_array((values[kept], (ids[0, kept], ids[1, kept])), shape=(n, n))
            matrix.sum_duplicates()
        return matrix

    def _why_bad(self, at: int) -> str:
        u, v = (int(i) for i in self.ids[:, at])
        edge = f"({u}, {v})" if self.names is None else f"({self.names[u]!r}, {self.names[v]!r})"
        value = self.values[at]
        remedy = "drop or replace it"
        if self.what == "entries" and value < 0:
            remedy += "; of a stiffness or Laplacian matrix take abs(), or -L without its diagonal"
        return (
            f"the weight of {edge} is {value} ({self.what}, number {at}); weights must be finite "
            f"and not negative: {remedy}"
        )


@dataclass(frozen=True)
class Mesh:
    """What a mesh says: pairs of vertices, in any direction and any number."""

    sides: np.ndarray  # [S, 2] int64, all of them vertices
    num_nodes: int
    what: str
    positions: Any = None  # [V, D]
    triangles: np.ndarray | None = None  # [T, 3] of a surface; those of its polygons are fans
    counted_by_ids: bool = True

    def unreferenced(self) -> Unreferenced | None:
        if not self.counted_by_ids:
            return None
        return Unreferenced.among(
            self.sides,
            self.num_nodes,
            "vertices stand in no face or edge",
            "ignore UnreferencedNodes if they are meant",
        )

    def graph(self, options: Options) -> Graph:
        """An edge for every pair; pairs of a node with itself are none."""
        if self.num_nodes <= LARGEST_INT32:  # then a pair is one number, which is faster to sort
            low, high = self.sides.min(axis=1), self.sides.max(axis=1)
            keys = np.sort((low * self.num_nodes + high)[low != high])
            keys = keys[np.diff(keys, prepend=-1) > 0]  # np.unique hashes first, which takes longer
            ids = np.stack([keys // max(self.num_nodes, 1), keys % max(self.num_nodes, 1)])
        else:
            sides = np.sort(self.sides, axis=1)
            ids = np.unique(sides[sides[:, 0] != sides[:, 1]], axis=0).T
        values, node_weights = self._edge_weights(ids, options), options.node_weights
        if says_area(node_weights):
            node_weights = vertex_areas(*self._surface("node_weights = 'area'"))
        entries = Entries(ids, values, self.num_nodes, self.what, each_once=True)
        return entries.graph(replace(options, symmetrize=None, node_weights=node_weights))

    def _edge_weights(self, ids: np.ndarray, options: Options) -> np.ndarray:
        if not says_measure(options.weights):
            return np.ones(ids.shape[1])
        asked = f"weights = {options.weights!r}"
        if options.weights == "cotangent":
            return cotangents(ids, *self._surface(asked))
        return inverse_lengths(ids, self._places(asked))

    def _surface(self, asked: str) -> tuple[np.ndarray, np.ndarray]:
        places = self._places(asked)
        return triangles_of(self.triangles, self.what, asked), places

    def _places(self, asked: str) -> np.ndarray:
        places = places_of(self.positions, self.what, asked)
        if len(places) != self.num_nodes:
            raise ValueError(
                f"num_nodes = {self.num_nodes} does not go with {asked}: the {len(places)} "
                "positions say how many nodes there are; leave it out"
            )
        return places
