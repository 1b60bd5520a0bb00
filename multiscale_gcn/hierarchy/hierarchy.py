"""A graph and its coarser versions, with the maps between all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import items, shown, whole_number
from multiscale_gcn.contraction import aggregate
from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph.exact import Rounding, round_weights
from multiscale_gcn.graph.names import Name
from multiscale_gcn.hierarchy import batches, files, naming, stored, transfer
from multiscale_gcn.hierarchy.level import Level, check_levels, fingerprint, parent_between
from multiscale_gcn.hierarchy.parts import Parts, ReceptiveField
from multiscale_gcn.hierarchy.parts.field import as_field
from multiscale_gcn.matching import ORDER_VERSION

if TYPE_CHECKING:
    import pandas
    import scipy.sparse as sp


@dataclass(frozen=True, eq=False, repr=False)
class Hierarchy:
    """Graphs from fine to coarse. :func:`~multiscale_gcn.coarsen` makes one.

    Levels are numbered from 0, the finest; negative indices count from the coarsest.

    Parameters
    ----------
    levels : sequence of Level
        Each but the last with its parent map.
    method : str
        How the levels came about, for people; no computation reads it.
    rounding : Rounding
        What making the weights exact changed.
    order_version : int
        Version of the edge order under which the levels were made.

    Raises
    ------
    ValueError
        If the levels do not follow each other, naming the first that does not.

    See Also
    --------
    coarsen : all levels at once
    assess : what the levels keep, in numbers
    plot_hierarchy : a picture of the levels
    multiscale_gcn.nn.HierarchyTransfer : maps between scales from a hierarchy

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> hierarchy = coarsen(nx.grid_2d_graph(8, 8), sizes=[16, 5])
    >>> hierarchy
    Hierarchy of 5 levels: HeavyEdgeMatching(rating=NormalizedCut(), seed=0)
    level    nodes    edges  ratio  heaviest / mean
        0       64      112                    1.00
        1       32       58   2.00             1.00
        2       16       24   2.00             1.00
        3        8       15   2.00             1.00
        4        5        8   1.60             1.25
    >>> hierarchy.level(16).graph
    Graph(16 nodes, 24 edges, 16 self loops)
    >>> hierarchy.restriction(0, 2, "mean").shape
    (16, 64)
    """

    levels: tuple[Level, ...]
    method: str = "given parents"
    rounding: Rounding = field(default_factory=Rounding)
    order_version: int = ORDER_VERSION

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(items(self.levels, "levels")))
        check_levels(self.levels)
        if not isinstance(self.method, str):
            raise TypeError(f"method = {shown(self.method)} must be a text for people")
        if not isinstance(self.rounding, Rounding):
            raise TypeError(f"rounding = {shown(self.rounding)} must be a Rounding")
        version = whole_number(self.order_version, "order_version")
        object.__setattr__(self, "order_version", version)

    @classmethod
    def from_parents(
        cls, graph: Any, parents: Sequence[Any], *, backend: str = "auto"
    ) -> Hierarchy:
        """A hierarchy of your own clusters, of any size.

        Parameters
        ----------
        graph
            Anything that :func:`~multiscale_gcn.as_graph` takes.
        parents : sequence of arrays of int
            For every level but the last the cluster of each of its nodes, numbered from 0
            without gaps.
        backend : str
            See :func:`~multiscale_gcn.select_backend`.

        Returns
        -------
        Hierarchy

        Raises
        ------
        ValueError
            If an array of parents is none of its level, naming which.
        BackendUnavailable
            If the backend cannot run here.

        Examples
        --------
        >>> from multiscale_gcn import Graph, Hierarchy
        >>> path = Graph([0, 1, 3, 4], [1, 0, 2, 1])
        >>> Hierarchy.from_parents(path, [[0, 0, 0]]).level(1).graph
        Graph(1 nodes, 0 edges, 1 self loops)
        """
        fine, rounding = round_weights(as_graph(graph))
        levels = []
        for k, parent in enumerate(items(parents, "parents")):
            try:
                coarse = aggregate(fine, parent, backend=backend)
            except ValueError as error:
                raise ValueError(f"parents[{k}]: {error}") from None
            levels.append(Level(k, fine, parent))
            fine = coarse
        levels.append(Level(len(levels), fine, None))
        return Hierarchy(tuple(levels), rounding=rounding)

    def __len__(self) -> int:
        return len(self.levels)

    def __iter__(self) -> Iterator[Level]:
        return iter(self.levels)

    def __getitem__(self, index: int) -> Level:
        return self.levels[self._index(index)]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of nodes of every level, finest first."""
        return tuple(level.num_nodes for level in self.levels)

    def level(self, num_nodes: int) -> Level:
        """The level of exactly so many nodes.

        Parameters
        ----------
        num_nodes : int

        Returns
        -------
        Level

        Raises
        ------
        ValueError
            If there is none; it lists the sizes that there are.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
        >>> hierarchy.level(2)
        Level(1: Graph(2 nodes, 1 edges, 2 self loops))
        """
        num_nodes = whole_number(num_nodes, "num_nodes")
        for level in self.levels:
            if level.num_nodes == num_nodes:
                return level
        remedy = (
            f"coarsen(graph, sizes=[{num_nodes}]) makes one"
            if self.levels[0].constraints.batch is None
            else "these are of all members of the batch together"
        )
        raise ValueError(f"no level has num_nodes = {num_nodes}, only {self.sizes}; {remedy}")

    def parent(self, fine: int, coarse: int) -> np.ndarray:
        """Node of level ``coarse`` that each node of level ``fine`` belongs to.

        Parameters
        ----------
        fine, coarse : int
            Indices of the two levels, ``fine <= coarse``.

        Returns
        -------
        array of int, shape (n_fine,)

        Raises
        ------
        IndexError
            If there is no such level.
        ValueError
            If ``coarse`` is finer than ``fine``.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
        >>> hierarchy.parent(0, 1).tolist()
        [0, 0, 1, 1]
        """
        fine, coarse = self._pair(fine, coarse)
        return parent_between(self.levels, fine, coarse)

    @overload
    def members(self) -> tuple[Hierarchy, ...]: ...

    @overload
    def members(self, node: Name, level: int = -1) -> tuple[Name, ...]: ...

    def members(
        self, node: Name | None = None, level: int = -1
    ) -> tuple[Hierarchy, ...] | tuple[Name, ...]:
        """The finest nodes that share a coarse node with this one, by what you call them.

        Without a node: the hierarchies of the members of a batch, each as :func:`coarsen` makes it
        alone.

        Parameters
        ----------
        node : str, int or tuple, optional
            A node of the finest graph: its name, or its number if the nodes have no names.
        level : int
            Of the coarse node.

        Returns
        -------
        tuple of names, or tuple of Hierarchy

        Raises
        ------
        ValueError
            If there is no such node; without a node, if the hierarchy is not of a batch.
        IndexError
            If there is no such level.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> two = nx.disjoint_union(nx.path_graph(8), nx.path_graph(5))
        >>> hierarchy = coarsen(two, min_nodes=2, batch=[0] * 8 + [1] * 5)
        >>> [member.sizes for member in hierarchy.members()]
        [(8, 4, 2), (5, 3, 2)]
        >>> roads = nx.Graph([("Kiel", "Hamburg"), ("Hamburg", "Bremen"), ("Ulm", "Augsburg")])
        >>> coarsen(roads, levels=1).members("Kiel")
        ('Kiel', 'Hamburg')
        """
        if node is not None:
            return naming.members(self.levels, node, self._index(level))
        return tuple(replace(self, levels=levels) for levels in batches.members(self.levels))

    def parts(self, k: int, halo: int | ReceptiveField = 0) -> Parts[Hierarchy]:
        """The hierarchy in parts, with what a network reads around them.

        The cores of the parts share out all nodes of all levels. They are whole clusters of a
        coarse level, which is cut in balanced parts with few edges between them; the cut is the
        same on every machine. A network that works on a part and its halo computes on the core
        what it computes on the whole, if the halo is its receptive field.

        Parameters
        ----------
        k : int
            Number of parts; there are fewer if there are fewer nodes.
        halo : int or ReceptiveField
            What is added to the cores: so many hops on the finest level, or all that a network
            reads that has such a field. Beyond it there is one more ring of neighbours, so that the
            degree of each node that is read is that of the whole graph.

        Returns
        -------
        Parts
            A sequence; a part is made when it is asked for. Of the constraints the parts have
            labels and survivors.

        Raises
        ------
        ValueError
            If ``k`` is not positive, or ``halo`` no number of hops and no receptive field of this
            hierarchy.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> hierarchy = coarsen(nx.grid_2d_graph(40, 40), levels=3)
        >>> parts = hierarchy.parts(4, halo=2)
        >>> parts[0], parts[0].hierarchy.sizes
        (Part(0: 372 nodes, 126 around them), (498, 251, 131, 73))
        """
        k = whole_number(k, "k", least=1)
        of_levels = partial(
            Hierarchy._of_valid,
            method=self.method,
            rounding=self.rounding,
            order_version=self.order_version,
        )
        return Parts(self.levels, of_levels, k, as_field(halo, len(self)))

    def restriction(
        self,
        fine: int,
        coarse: int,
        kind: Literal["sum", "mean", "weighted_mean", "sampled"] = "mean",
    ) -> sp.csr_array:
        """Matrix that takes values on the nodes of a level to those of a coarser one.

        Parameters
        ----------
        fine, coarse : int
            Indices of the two levels, ``fine <= coarse``.
        kind : {"mean", "sum", "weighted_mean", "sampled"}
            ``"mean"`` is the product of the means from level to level, as HGN's coarse meshes
            use it; ``"weighted_mean"`` the mean over all descendants by their node weights;
            ``"sum"`` their sum; ``"sampled"`` takes the value of the node that the coarse node
            is, where levels were made by choosing nodes.

        Returns
        -------
        scipy.sparse.csr_array of float64, shape (n_coarse, n_fine)
            Rows of both means sum to 1, and applied after :meth:`prolongation` they are the
            identity, as the sampled one is.

        Raises
        ------
        IndexError
            If there is no such level.
        ValueError
            If ``coarse`` is finer than ``fine``, ``kind`` is none of these, or ``"sampled"`` and
            a level in between has clusters for nodes.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
        >>> hierarchy.restriction(0, 1, "mean").toarray().tolist()
        [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
        """
        fine, coarse = self._pair(fine, coarse)
        return transfer.restriction(self.levels, fine, coarse, kind)

    def prolongation(
        self,
        coarse: int,
        fine: int,
        kind: Literal[
            "constant", "smoothed", "smoothed_once", "linear", "interpolated"
        ] = "constant",
        *,
        damping: float | None = None,
        positions: ArrayLike | None = None,
    ) -> sp.csr_array:
        """Matrix that takes values on the nodes of a level to those of a finer one.

        Parameters
        ----------
        coarse, fine : int
            Indices of the two levels, ``fine <= coarse``.
        kind : {"constant", "smoothed", "smoothed_once", "linear", "interpolated"}
            ``"constant"`` gives every node the value of the coarse node it belongs to.
            ``"smoothed"`` is the product, from level to level, of (I - damping D^-1 L) P, where P
            is the constant prolongation, L = D - W the Laplacian of the finer graph and D its
            diagonal: smoothed aggregation, Vanek, Mandel and Brezina 1996, Computing 56, for
            multigrid on L. ``"smoothed_once"`` is (I - damping D^-1 L) P with the P of all steps
            together and the L of the finest level, which has fewer entries. ``"linear"`` is for
            meshes: the weights of the coarse node and of its neighbours reproduce the node's
            position, and so whatever is linear in it, and are those nearest to the constant ones:
            moving least squares, Levin 1998, Mathematics of Computation 67. ``"interpolated"`` is
            the product of what the method made, see ``Level.interpolation``, and constant where a
            level has none.
        damping : float, optional
            4/3 over the largest eigenvalue of D^-1 L by default, which is found to a thousandth.
        positions : array of float, shape (n, d), optional
            Of the nodes of the finest level, for ``"linear"``. Nodes of other levels stand where
            :meth:`coarse_positions` puts them.

        Returns
        -------
        scipy.sparse.csr_array of float64, shape (n_fine, n_coarse)
            Rows sum to 1. The constant one has one 1 in every row, and is the transpose of the
            ``"sum"`` restriction. The linear one has weights below 0 and above 1 too; the
            magnitudes of a row add up to at most 3. Where more would be needed, or the coarse
            nodes lie in a plane or line that the node is not in, its position is reproduced in as
            many directions as can be. A coarse node without neighbours, or in the same place as
            all of them, leaves the constant row.

        Raises
        ------
        IndexError
            If there is no such level.
        ValueError
            If ``coarse`` is finer than ``fine``, ``kind`` is none of these, ``damping``
            is not positive, there is not one finite position for every node of the finest level,
            or one of these goes with another kind.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
        >>> hierarchy.prolongation(1, 0).toarray().tolist()
        [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
        >>> hierarchy.prolongation(1, 0, "smoothed", damping=0.5).toarray().tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
        >>> linear = hierarchy.prolongation(1, 0, "linear", positions=[[0], [1], [2], [3]])
        >>> linear.toarray().round(9).tolist()
        [[1.25, -0.25], [0.75, 0.25], [0.25, 0.75], [-0.25, 1.25]]
        """
        fine, coarse = self._pair(fine, coarse)
        return transfer.prolongation(self.levels, coarse, fine, kind, damping, positions)

    def restrict(
        self,
        values: ArrayLike,
        fine: int,
        coarse: int,
        kind: Literal["sum", "mean", "weighted_mean", "max", "min", "majority", "sampled"] = "mean",
    ) -> np.ndarray:
        """Values on the nodes of a level, or labels, from those on a finer one.

        Parameters
        ----------
        values : array of real numbers, shape (n_fine, ...)
            NaN makes the value of its coarse node NaN, and no other. ``"majority"`` and
            ``"sampled"`` take any dtype, such as texts; NaN is then a value like others, for the
            majority one that is larger than all of them.
        fine, coarse : int
            Indices of the two levels, ``fine <= coarse``.
        kind : {"mean", "sum", "weighted_mean", "max", "min", "majority", "sampled"}
            As in :meth:`restriction`; ``"max"`` and ``"min"`` are the largest and the smallest
            value of all descendants, ``"majority"`` the one that most of them have. Of several
            it is the smallest; each descendant counts as one, whatever it weighs.

        Returns
        -------
        array, shape (n_coarse, ...)
            float64; the maximum, the minimum, the majority and the sampled ones have the dtype of
            ``values``.

        Raises
        ------
        IndexError
            If there is no such level.
        ValueError
            If ``coarse`` is finer than ``fine``, ``values`` do not fit the finer level, or
            ``kind`` is none of these.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
        >>> hierarchy.restrict([1, 3, 5, 9], 0, 1).tolist()
        [2.0, 7.0]
        >>> hierarchy.restrict([1, 3, 5, 9], 0, 1, "max").tolist()
        [3, 9]
        >>> hierarchy.restrict(["arm", "arm", "leg", "arm"], 0, 1, "majority").tolist()
        ['arm', 'arm']
        """
        fine, coarse = self._pair(fine, coarse)
        return transfer.restrict(self.levels, values, fine, coarse, kind)

    def least_squares(
        self,
        values: ArrayLike,
        fine: int,
        coarse: int,
        kind: Literal[
            "constant", "smoothed", "smoothed_once", "linear", "interpolated"
        ] = "smoothed",
        *,
        damping: float | None = None,
        positions: ArrayLike | None = None,
    ) -> np.ndarray:
        """Coarse values whose prolongation comes nearest to the values, in the sum of squares.

        :meth:`restrict` takes no account of the way back. This does: it is the pseudo-inverse of
        the :meth:`prolongation` with the same options, applied to the values.

        Parameters
        ----------
        values : array of finite real numbers, shape (n_fine, ...)
        fine, coarse : int
            Indices of the two levels, ``fine <= coarse``.
        kind, damping, positions
            As in :meth:`prolongation`.

        Returns
        -------
        array of float64, shape (n_coarse, ...)
            Of several that are as near the one of the smallest norm. Every coarse value depends on
            values everywhere, most on those close by. What the prolongation makes 3,000 times
            smaller than other values counts as lost, and may be missing in part.

        Raises
        ------
        IndexError
            If there is no such level.
        ValueError
            As :meth:`prolongation`, and if ``values`` do not fit the finer level or are not finite.

        Examples
        --------
        >>> import networkx as nx
        >>> import numpy as np
        >>> from multiscale_gcn import coarsen
        >>> hierarchy = coarsen(nx.path_graph(40), sizes=[10])
        >>> values = np.sin(np.arange(40) / 6)
        >>> up = hierarchy.prolongation(-1, 0, "smoothed")
        >>> def lost(coarse_values):
        ...     return round(float(np.linalg.norm(up @ coarse_values - values)), 2)
        >>> lost(hierarchy.restrict(values, 0, -1))
        0.54
        >>> lost(hierarchy.least_squares(values, 0, -1, "smoothed"))
        0.22
        """
        fine, coarse = self._pair(fine, coarse)
        return transfer.fit(self.levels, values, fine, coarse, kind, damping, positions)

    def prolong(self, values: ArrayLike, coarse: int, fine: int) -> np.ndarray:
        """Values on the nodes of a level, or labels, to the nodes of a finer one.

        Parameters
        ----------
        values : array of any dtype, shape (n_coarse, ...)
        coarse, fine : int
            Indices of the two levels, ``fine <= coarse``.

        Returns
        -------
        array of the same dtype, shape (n_fine, ...)
            Every node has what the coarse node has that it belongs to.

        Raises
        ------
        IndexError
            If there is no such level.
        ValueError
            If ``coarse`` is finer than ``fine``, or ``values`` do not fit the coarser level.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> coarsen(nx.path_graph(4), sizes=[2]).prolong(["left", "right"], 1, 0).tolist()
        ['left', 'left', 'right', 'right']
        """
        fine, coarse = self._pair(fine, coarse)
        return transfer.prolong(self.levels, values, coarse, fine)

    def restrict_edges(
        self,
        attributes: ArrayLike,
        fine: int,
        coarse: int,
        kind: Literal["sum", "mean", "max", "min"] = "sum",
    ) -> np.ndarray:
        """Attributes of the edges of a level, from those of a finer one.

        Parameters
        ----------
        attributes : array of real numbers, shape (nnz_fine, ...)
            One for every stored entry of the finer graph, in the order of its ``edge_index()``:
            two for an edge, one for a self loop. The two may differ.
        fine, coarse : int
            Indices of the two levels, ``fine <= coarse``.
        kind : {"sum", "mean", "max", "min"}
            Over all entries that merge into one. Entries between descendants of one coarse node
            merge into its self loop.

        Returns
        -------
        array, shape (nnz_coarse, ...)
            For every stored entry of the coarser graph; float64, and the maximum and the minimum
            of the dtype of ``attributes``. NaN makes the attribute of its coarse entry NaN.

        Raises
        ------
        IndexError
            If there is no such level.
        ValueError
            If ``coarse`` is finer than ``fine``, ``attributes`` do not fit the finer graph,
            ``kind`` is none of these, or an edge has none to go to, as levels that are no
            contraction leave it.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
        >>> hierarchy[0].graph.edge_index().tolist()
        [[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]]
        >>> hierarchy.restrict_edges([1, 1, 5, 5, 9, 9], 0, 1).tolist()
        [2.0, 5.0, 5.0, 18.0]
        """
        fine, coarse = self._pair(fine, coarse)
        return transfer.restrict_edges(self.levels, attributes, fine, coarse, kind)

    def coarse_positions(
        self,
        positions: ArrayLike,
        coarse: int,
        kind: Literal["mean", "weighted_mean", "sampled"] = "mean",
    ) -> np.ndarray:
        """Positions of the nodes of a level, from those of the finest.

        Parameters
        ----------
        positions : array of float, shape (n, d)
        coarse : int
            Index of the level.
        kind : {"mean", "weighted_mean", "sampled"}
            As in :meth:`restriction`.

        Returns
        -------
        array of float64, shape (n_coarse, d)

        Raises
        ------
        IndexError
            If there is no such level.
        ValueError
            If there is not one position for every node of the finest level.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
        >>> hierarchy.coarse_positions([[0, 0], [1, 0], [2, 0], [3, 0]], 1).tolist()
        [[0.5, 0.0], [2.5, 0.0]]
        """
        finest = transfer.node_positions(positions, self.levels[0].num_nodes)
        means: np.ndarray = self.restriction(0, coarse, kind) @ finest
        return means

    def coarse_faces(self, faces: ArrayLike, coarse: int) -> np.ndarray:
        """Triangles of a level, from those of the finest: none degenerate, none twice.

        They are no surface in general: nodes merge wherever an edge is heavy, and then three or
        more triangles may share one. :func:`~multiscale_gcn.mesh_pyramid` merges only what leaves a
        surface; for its levels these are their ``faces``.

        Parameters
        ----------
        faces : array of int, shape (F, 3)
        coarse : int
            Index of the level.

        Returns
        -------
        array of int64, shape (F_coarse, 3)
            In the order and orientation in which they first appear.

        Raises
        ------
        IndexError
            If there is no such level.
        ValueError
            If ``faces`` are no triangles of nodes of the finest level, naming the first.

        Examples
        --------
        >>> from multiscale_gcn import Hierarchy, as_graph
        >>> faces = [[0, 1, 2], [0, 2, 3]]
        >>> square = as_graph(faces, kind="faces")
        >>> Hierarchy.from_parents(square, [[0, 0, 1, 2]]).coarse_faces(faces, 1).tolist()
        [[0, 1, 2]]
        """
        return transfer.coarse_faces(faces, self.parent(0, coarse), self.levels[0].num_nodes)

    def binary_tree_order(self) -> tuple[np.ndarray, ...]:
        """Order of every level's nodes in which siblings stand side by side, padded with -1.

        In the order of level k, places 2i and 2i + 1 are the children of place i of level k + 1,
        so pooling by pairs is a plain stride-2 pooling. A node with one child gets a fake one,
        -1, whose descendants are all fake. Source: Defferrard, Bresson and Vandergheynst,
        "Convolutional neural networks on graphs with fast localized spectral filtering", NIPS
        2016, section 2.3.

        Returns
        -------
        tuple of int64 arrays
            For level k of L + 1 levels, shape (2**(L - k) * n_coarsest,).

        Raises
        ------
        ValueError
            If a node has more than two children.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> hierarchy = coarsen(nx.path_graph(5), levels=2)
        >>> [order.tolist() for order in hierarchy.binary_tree_order()]
        [[0, 1, 2, -1, 3, 4, -1, -1], [0, 1, 2, -1], [0, 1]]
        """
        return transfer.binary_tree_order(self.levels)

    def to_frame(self) -> pandas.DataFrame:
        """The coarse node of every node of the finest graph, by what you call it.

        Returns
        -------
        pandas.DataFrame
            A row for each node, whose index is its name, or its number if the nodes have no names;
            a column ``level 1``, ``level 2``, ... for each coarser level.

        Raises
        ------
        ImportError
            Without pandas, with the line that installs it.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> roads = nx.Graph([("Kiel", "Hamburg"), ("Hamburg", "Bremen"), ("Ulm", "Augsburg")])
        >>> coarsen(roads, sizes=[3, 2]).to_frame().loc["Bremen"].tolist()
        [1, 0]
        """
        return naming.frame(self.levels)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the order's version and of every graph, weight and map, as 64 hex digits.

        Two hierarchies with the same fingerprint are the same, whichever machine made them:
        store it with weights that were trained on the graphs.
        """
        return fingerprint(self.levels, self.order_version)

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one ``.npz`` file without pickled objects, all or nothing.

        Parameters
        ----------
        path : str or os.PathLike

        Raises
        ------
        OSError
            If it cannot be written; what stood there before is still there.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen
        >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
        >>> with TemporaryDirectory() as folder:
        ...     hierarchy.save(Path(folder) / "path.npz")
        """
        files.save(path, self.levels, self.method, self.rounding, self.order_version)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Hierarchy:
        """Read what :meth:`save` wrote, or open the folder that ``coarsen(..., out=...)`` wrote.

        The arrays of a folder are mapped into memory: they are read when they are asked for, and
        nothing is checked of them but their lengths.

        Parameters
        ----------
        path : str or os.PathLike
            Of a file or a folder.

        Returns
        -------
        Hierarchy

        Raises
        ------
        ValueError
            If the file or folder is none of ours, of a later format, unfinished, or damaged.
        OSError
            If it cannot be read.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import networkx as nx
        >>> from multiscale_gcn import Hierarchy, coarsen
        >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
        >>> with TemporaryDirectory() as folder:
        ...     hierarchy.save(Path(folder) / "path.npz")
        ...     again = Hierarchy.load(Path(folder) / "path.npz")
        >>> again.fingerprint == hierarchy.fingerprint
        True
        """
        if isinstance(path, str | PathLike) and Path(path).is_dir():
            return cls._of_valid(*stored.open_levels(Path(path)))
        return cls(*files.load(path))

    @classmethod
    def _of_valid(
        cls, levels: tuple[Level, ...], method: str, rounding: Rounding, order_version: int
    ) -> Hierarchy:
        """Of levels that an algorithm made: their maps are not read."""
        made = object.__new__(cls)
        values = (levels, method, rounding, order_version)
        for name, value in zip(
            ("levels", "method", "rounding", "order_version"), values, strict=True
        ):
            object.__setattr__(made, name, value)
        return made

    def _index(self, index: int) -> int:
        index = whole_number(index, "level")
        if not -len(self) <= index < len(self):
            raise IndexError(f"level {index} does not exist; there are {len(self)}, from 0")
        return index % len(self)

    def _pair(self, fine: int, coarse: int) -> tuple[int, int]:
        fine, coarse = self._index(fine), self._index(coarse)
        if fine > coarse:
            raise ValueError(f"level {coarse} is finer than level {fine}; swap the two")
        return fine, coarse

    def __repr__(self) -> str:
        lines = [
            f"{type(self).__name__} of {len(self)} levels: {self.method}",
            "level    nodes    edges  ratio  heaviest / mean",
        ]
        finer = None
        for level in self.levels:
            n = level.num_nodes
            ratio = "" if finer is None else f"{finer / n:.2f}" if n else "-"
            weights = level.graph.node_weights
            spread = f"{weights.max() / weights.mean():.2f}" if n else "-"
            lines.append(f"{level.index:5} {n:8} {level.graph.num_edges:8} {ratio:>6} {spread:>16}")
            finer = n
        return "\n".join(lines)
