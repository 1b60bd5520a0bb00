"""What every coarsening method is: one step that says which nodes merge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from multiscale_gcn.checks.arguments import instance
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints

if TYPE_CHECKING:
    import scipy.sparse as sp


@dataclass(frozen=True, eq=False)
class Step:
    """What a method made of one level.

    Parameters
    ----------
    parent : array of int, shape (n,)
        Coarse node of every node, numbered from 0 without gaps.
    graph : Graph, optional
        The coarse graph. None: the contraction of the clusters, by which no weight is lost.
    sampled : array of int, shape (n_coarse,), optional
        The node that each coarse node is, for methods that choose nodes instead of merging them.
    interpolation : scipy.sparse.csr_array of float64, shape (n, n_coarse), optional
        How values come up from the coarse nodes. None: each node has what its coarse node has.

    See Also
    --------
    ClusteringMethod : the base of all methods

    Examples
    --------
    >>> import numpy as np
    >>> from multiscale_gcn import Step
    >>> Step(np.array([0, 0, 1]), sampled=np.array([1, 2])).sampled
    array([1, 2])
    """

    parent: np.ndarray
    graph: Graph | None = None
    sampled: np.ndarray | None = None
    interpolation: sp.csr_array | None = None


class ClusteringMethod(ABC):
    """A way to coarsen, as a value that carries its options.

    Derive from it to bring your own: :meth:`parents` is all that it takes.

    See Also
    --------
    HeavyEdgeMatching : the default: pairs by the heaviest edges
    multiscale_gcn.testing.MethodTests : what a method must do

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from multiscale_gcn import ClusteringMethod, coarsen
    >>> class Halves(ClusteringMethod):
    ...     def parents(self, graph, *, constraints, max_merges, backend):
    ...         return np.arange(graph.num_nodes) // 2
    >>> coarsen(nx.path_graph(9), levels=2, method=Halves()).sizes
    (9, 5, 3)
    """

    honours: ClassVar[frozenset[str]] = frozenset()
    """Which of "labels", "survivors", "symmetry" and "batch" the method can honour."""
    needs_sizes: ClassVar[bool] = False
    """Whether the method must be told how many nodes the next level has."""

    @abstractmethod
    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        """Take one step.

        Parameters
        ----------
        graph : Graph
            Of exact weights, see :func:`~multiscale_gcn.round_weights`.
        constraints : Constraints
            Only those that the method honours.
        max_merges : array of int, shape (number of members of the batch,), or None
            How many nodes each member may lose at most; None: as many as the method likes.
        backend : str
            See :func:`~multiscale_gcn.select_backend`.

        Returns
        -------
        array of int, shape (n,)
            Cluster of every node, numbered from 0 without gaps.

        Examples
        --------
        >>> from multiscale_gcn import Constraints, Graph, HeavyEdgeMatching
        >>> path = Graph([0, 1, 3, 4], [1, 0, 2, 1])
        >>> HeavyEdgeMatching().parents(
        ...     path, constraints=Constraints(), max_merges=None, backend="auto"
        ... ).tolist()
        [0, 0, 1]
        """

    def step(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> Step:
        """Take one step, and say what its coarse nodes are: clusters, unless overridden.

        Parameters
        ----------
        graph, constraints, max_merges, backend
            As in :meth:`parents`.

        Returns
        -------
        Step

        Examples
        --------
        >>> from multiscale_gcn import Constraints, Graph, HeavyEdgeMatching
        >>> path = Graph([0, 1, 3, 4], [1, 0, 2, 1])
        >>> step = HeavyEdgeMatching().step(
        ...     path, constraints=Constraints(), max_merges=None, backend="auto"
        ... )
        >>> step.parent.tolist(), step.graph
        ([0, 0, 1], None)
        """
        return Step(
            self.parents(graph, constraints=constraints, max_merges=max_merges, backend=backend)
        )

    def prepared(self, graph: Graph) -> ClusteringMethod:
        """The method with what it needs to know of the finest graph, before the first step.

        Parameters
        ----------
        graph : Graph
            Of exact weights.

        Returns
        -------
        ClusteringMethod
            Itself, unless it needs something.

        Examples
        --------
        >>> from multiscale_gcn import Graph, LocalVariation
        >>> path = Graph([0, 1, 3, 4], [1, 0, 2, 1])
        >>> LocalVariation(k=2).prepared(path).subspace.shape
        (3, 2)
        """
        return self

    def planned(
        self, graph: Graph, *, sizes: tuple[int, ...], constraints: Constraints, backend: str
    ) -> ClusteringMethod:
        """The method, told before the first step which sizes are asked for.

        Parameters
        ----------
        graph : Graph
            The finest, of exact weights.
        sizes : tuple of int
            Of the levels to come, decreasing. In a batch each member has them all, or those that
            it has the nodes for.
        constraints : Constraints
            Only those that the method honours.
        backend : str
            See :func:`~multiscale_gcn.select_backend`.

        Returns
        -------
        ClusteringMethod
            Itself, unless its levels depend on those to come.

        Examples
        --------
        >>> from multiscale_gcn import Constraints, Graph, HeavyEdgeMatching
        >>> path, method = Graph([0, 1, 3, 4], [1, 0, 2, 1]), HeavyEdgeMatching()
        >>> options = {"constraints": Constraints(), "backend": "auto"}
        >>> method.planned(path, sizes=(2, 1), **options) is method
        True
        """
        return self

    def coarsened(self, fine: Graph, coarse: Graph, parent: np.ndarray) -> ClusteringMethod:
        """The method for the next level: itself, unless it holds something of the nodes.

        Parameters
        ----------
        fine, coarse : Graph
            The two levels.
        parent : array of int, shape (n,)
            Coarse node of every node of the finer one.

        Returns
        -------
        ClusteringMethod

        Examples
        --------
        >>> from multiscale_gcn import Graph, HeavyEdgeMatching, aggregate
        >>> path = Graph([0, 1, 3, 4], [1, 0, 2, 1])
        >>> method = HeavyEdgeMatching()
        >>> method.coarsened(path, aggregate(path, [0, 0, 1]), [0, 0, 1]) is method
        True
        """
        return self

    def followed(self, fine: Graph, coarse: Graph, step: Step) -> ClusteringMethod:
        """The method for the next level, where it depends on more than the clusters.

        Parameters
        ----------
        fine, coarse : Graph
            The two levels.
        step : Step
            What the method made of the finer one.

        Returns
        -------
        ClusteringMethod
            What :meth:`coarsened` says, unless overridden.

        Raises
        ------
        TypeError
            If ``step`` is none.

        Examples
        --------
        >>> import numpy as np
        >>> from multiscale_gcn import Graph, HeavyEdgeMatching, Step, aggregate
        >>> path = Graph([0, 1, 3, 4], [1, 0, 2, 1])
        >>> step, method = Step(np.array([0, 0, 1])), HeavyEdgeMatching()
        >>> method.followed(path, aggregate(path, step.parent), step) is method
        True
        """
        instance(step, "step", Step, "what the method's step returns")
        return self.coarsened(fine, coarse, step.parent)

    @property
    def takes_turns(self) -> bool:
        """Whether each node waits for the ones before it, so that no device can run it."""
        return False

    @property
    def keeps_components(self) -> bool:
        """Whether nodes of different components never merge."""
        return False

    def check(self, constraints: Constraints, sizes_given: bool) -> None:
        """Refuse what the method cannot do, before any work.

        Parameters
        ----------
        constraints : Constraints
        sizes_given : bool
            Whether it is told how many nodes each level shall have.

        Raises
        ------
        ValueError
            Naming the first constraint that the method cannot honour, or for want of sizes.

        Examples
        --------
        >>> from multiscale_gcn import Constraints, MetisPartition
        >>> MetisPartition().check(Constraints(), sizes_given=False)
        Traceback (most recent call last):
        ValueError: MetisPartition makes levels of given sizes only; say sizes=[...]
        """
        name = type(self).__name__
        instance(constraints, "constraints", Constraints, "Constraints() is none")
        for constraint, array in constraints.arrays().items():
            if array is not None and constraint not in self.honours:
                raise ValueError(
                    f"{name} cannot honour {constraint}; leave it out or take HeavyEdgeMatching"
                )
        if self.needs_sizes and not sizes_given:
            raise ValueError(f"{name} makes levels of given sizes only; say sizes=[...]")

    def describe(self) -> str:
        """The constructor call, without the options that have their default value.

        Returns
        -------
        str

        Examples
        --------
        >>> from multiscale_gcn import HeavyEdgeMatching
        >>> HeavyEdgeMatching(two_hop=False).describe()
        'HeavyEdgeMatching(rating=NormalizedCut(), seed=0, two_hop=False)'
        """
        if not is_dataclass(self):
            return repr(self)
        options = ", ".join(
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if field.repr
            and (field.name in ("rating", "seed") or getattr(self, field.name) != field.default)
        )
        return f"{type(self).__name__}({options})"


class SteppingMethod(ClusteringMethod):
    """A method whose step says more than clusters; these follow from it."""

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        return self.step(
            graph, constraints=constraints, max_merges=max_merges, backend=backend
        ).parent

    @abstractmethod
    def step(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> Step: ...


def by_first_member(clusters: np.ndarray) -> np.ndarray:
    """The same clusters, numbered in the order of their first members."""
    _, first, inverse = np.unique(clusters, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbered: np.ndarray = rank[inverse.reshape(-1)]
    return numbered
