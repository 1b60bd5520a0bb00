"""What was found of a mirror, and the graph that has it exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from multiscale_gcn.checks.arguments import one_of
from multiscale_gcn.checks.immutable import ReadOnlyArrays
from multiscale_gcn.contraction import aggregate
from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph import Graph
from multiscale_gcn.mirrors.joining import joined
from multiscale_gcn.mirrors.pairing import NOBODY


@dataclass(frozen=True, eq=False, repr=False)
class Mirror(ReadOnlyArrays):
    """The mirror of a mesh, and how nearly the mesh has it. :func:`find_mirror` makes one.

    Parameters
    ----------
    normal : array of float64, shape (d,)
        Unit vector across the plane; its largest coordinate is positive, where it was found.
    offset : float
        Points of the plane have ``point @ normal == offset``.
    image : array of int64, shape (n,)
        The vertex on the other side; on the plane the vertex itself; -1 if none lies within the
        tolerance. It leads back: ``image[image[u]] == u``.
    distances : array of float64, shape (n,)
        How far the reflection of each vertex lies from its image, and of one without an image from
        the vertex next to it.
    exact : array of bool, shape (n,)
        Whether that is within round-off, a millionth of the diagonal of the bounding box.
    unmirrored_edges : array of int64, shape (k, 2)
        Edges whose image is no edge, smaller id first: diagonals of quads that differ between the
        sides, and edges of vertices without an image.
    num_edges : int
        Of the mesh.
    tolerance : float
        How far apart a reflection and an image may be.
    sufficient : float
        The smallest tolerance with which all vertices get images, or this one if they have. Those
        of halves that differ in number go far.

    See Also
    --------
    find_mirror : the mirror of a mesh

    Examples
    --------
    >>> from multiscale_gcn import as_graph, find_mirror
    >>> square = as_graph([[0, 1, 2], [0, 2, 3]], kind="faces")
    >>> mirror = find_mirror(square, positions=[[-1, 0], [1, 0], [1, 3], [-1, 3]], normal="x")
    >>> mirror
    Mirror(normal [1, 0], offset 0, tolerance 3)
    vertices: 4 exact, 0 approximate, 0 without an image
    edges: 4 mirrored, 1 not
    >>> mirror.image.tolist(), mirror.unmirrored_edges.tolist()
    ([1, 0, 3, 2], [[0, 2]])
    """

    normal: np.ndarray
    offset: float
    image: np.ndarray
    distances: np.ndarray
    exact: np.ndarray
    unmirrored_edges: np.ndarray
    num_edges: int
    tolerance: float
    sufficient: float

    @property
    def num_exact(self) -> int:
        """Vertices whose image lies where they are reflected to."""
        return int(self.exact.sum())

    @property
    def num_approximate(self) -> int:
        """Vertices whose image lies within the tolerance."""
        return len(self.image) - self.num_exact - self.num_unmatched

    @property
    def num_unmatched(self) -> int:
        """Vertices without an image."""
        return int(np.count_nonzero(self.image == NOBODY))

    def symmetrized(self, graph: Any, weights: Literal["max", "mean"] = "max") -> Graph:
        """The graph with the image of every edge: the mirror maps it onto itself.

        Parameters
        ----------
        graph
            Of the same vertices; anything that :func:`~multiscale_gcn.as_graph` takes, so the mesh
            itself too.
        weights : {"max", "mean"}
            An edge and its image get the larger of their weights, or the mean, in which an edge
            that is missing counts as 0, so that the sum of all stays. Vertices get theirs likewise.

        Returns
        -------
        Graph
            ``coarsen(graph, symmetry=mirror.image)`` takes it.

        Raises
        ------
        ValueError
            If a vertex has no image, naming how many, the first, and a tolerance that would do; or
            if the graph is of another number of vertices.

        Examples
        --------
        >>> from multiscale_gcn import as_graph, coarsen, find_mirror
        >>> square = as_graph([[0, 1, 2], [0, 2, 3]], kind="faces")
        >>> mirror = find_mirror(square, positions=[[-1, 0], [1, 0], [1, 3], [-1, 3]], normal="x")
        >>> both = mirror.symmetrized(square)
        >>> both
        Graph(4 nodes, 6 edges)
        >>> coarsen(both, sizes=[2], symmetry=mirror.image).parent(0, 1).tolist()
        [0, 0, 1, 1]
        """
        one_of(weights, "weights", ("max", "mean"))
        graph = self._graph(graph)
        if self.num_unmatched:
            raise ValueError(self._what_is_missing())
        matrix = graph.to_scipy()
        image = matrix[self.image][:, self.image]
        own, other = graph.node_weights, graph.node_weights[self.image]
        with np.errstate(over="ignore"):
            if weights == "max":
                matrix, node_weights = matrix.maximum(image), np.maximum(own, other)
            else:
                matrix, node_weights = (matrix + image) / 2, (own + other) / 2
        matrix.eliminate_zeros()
        matrix.sort_indices()
        return Graph(matrix.indptr, matrix.indices, matrix.data, node_weights)

    def matched(self, graph: Any) -> tuple[Graph, Mirror, np.ndarray]:
        """The graph in which vertices without an image have joined neighbours that have one.

        Halves that were meshed apart, as a decimated mesh has them, differ in number, so some
        vertices must stay without an image. In rounds each joins the neighbour of the heaviest
        edge that has one, or has joined such; of several that with the smallest id.

        Parameters
        ----------
        graph
            Of the same vertices; anything that :func:`~multiscale_gcn.as_graph` takes.

        Returns
        -------
        graph : Graph
            Of ``m`` nodes, those with an image.
        mirror : Mirror
            Of these nodes; ``mirror.symmetrized(graph)`` has it exactly.
        parent : array of int64, shape (n,)
            Node of every vertex.

        Raises
        ------
        ValueError
            If the graph is of another number of vertices, or a part of it has no vertex with an
            image.

        Examples
        --------
        >>> from multiscale_gcn import as_graph, find_mirror
        >>> square = as_graph([[0, 1, 2], [0, 2, 3]], kind="faces")
        >>> corners = [[-1, 0], [1, 0], [1, 3], [-4, 3]]
        >>> mirror = find_mirror(square, positions=corners, normal="x", offset=0, tolerance=1)
        >>> mirror.image.tolist()
        [1, 0, -1, -1]
        >>> graph, mirror, parent = mirror.matched(square)
        >>> mirror.image.tolist(), parent.tolist()
        ([1, 0], [0, 1, 0, 0])
        """
        graph = self._graph(graph)
        parent = joined(graph, self.image == NOBODY)
        kept = np.flatnonzero(self.image != NOBODY)
        image = parent[self.image[kept]]
        coarse = aggregate(graph, parent)
        mirror = Mirror._of_valid(
            normal=self.normal,
            offset=self.offset,
            image=image,
            distances=self.distances[kept],
            exact=self.exact[kept],
            unmirrored_edges=unmirrored_edges(coarse, image),
            num_edges=coarse.num_edges,
            tolerance=self.tolerance,
            sufficient=self.tolerance,
        )
        return coarse, mirror, parent

    def _graph(self, graph: Any) -> Graph:
        read, n = as_graph(graph), len(self.image)
        if read.num_nodes != n:
            raise ValueError(
                f"graph has {read.num_nodes} nodes, and the mirror is of {n} vertices; give the "
                "graph of the mesh whose mirror was found"
            )
        return read

    def _what_is_missing(self) -> str:
        first = int(np.argmax(self.image == NOBODY))
        text = (
            f"{self.num_unmatched} of {len(self.image)} vertices have no image within tolerance = "
            f"{self.tolerance:.3g}: the first is {first}, whose reflection lies "
            f"{self.distances[first]:.3g} from the next vertex; "
        )
        return text + (
            f"tolerance = {np.nextafter(self.sufficient, np.inf):.3g} finds one for all, and "
            "matched(mesh) lets them join their neighbours"
        )

    def __repr__(self) -> str:
        normal = ", ".join(f"{value:.4g}" for value in self.normal)
        missing = len(self.unmirrored_edges)
        return (
            f"Mirror(normal [{normal}], offset {self.offset:.4g}, tolerance {self.tolerance:.4g})\n"
            f"vertices: {self.num_exact} exact, {self.num_approximate} approximate, "
            f"{self.num_unmatched} without an image\n"
            f"edges: {self.num_edges - missing} mirrored, {missing} not"
        )


def unmirrored_edges(
    graph: Graph,
    image: np.ndarray,  # [n]
) -> np.ndarray:  # [k, 2]
    """Edges whose image is no edge, smaller id first."""
    n = graph.num_nodes
    u, v = graph.edge_index()
    u, v = u[u < v], v[u < v]
    a, b = image[u], image[v]
    known = np.isin(np.minimum(a, b) * n + np.maximum(a, b), u * n + v)
    lacking = (a == NOBODY) | (b == NOBODY) | ~known
    edges: np.ndarray = np.stack([u, v], axis=1)[lacking]
    return edges
