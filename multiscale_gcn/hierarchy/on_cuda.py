"""A hierarchy that stays on a CUDA device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import Rounding
from multiscale_gcn.hierarchy.hierarchy import Hierarchy
from multiscale_gcn.hierarchy.level import Level

if TYPE_CHECKING:
    from multiscale_gcn.cuda.arrays import DeviceArrays


@dataclass(frozen=True, eq=False)
class DeviceLevel:
    """One graph of a hierarchy on a device.

    Attributes
    ----------
    graph
        With CuPy arrays ``indptr``, ``indices``, ``weights`` and ``node_weights``, which nobody
        may change.
    parent : cupy.ndarray of int32, shape (n,), or None
        Node of the next coarser level that each node belongs to; None at the coarsest.

    See Also
    --------
    DeviceHierarchy : levels on a CUDA device
    Level : one level of a hierarchy

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen_on_device
    >>> hierarchy = coarsen_on_device(nx.path_graph(8), levels=2)  # doctest: +SKIP
    >>> hierarchy[0].parent.tolist()  # doctest: +SKIP
    [0, 0, 1, 1, 2, 2, 3, 3]
    """

    graph: DeviceArrays
    parent: Any

    @property
    def num_nodes(self) -> int:
        """Number of nodes of its graph."""
        return self.graph.num_nodes


@dataclass(frozen=True, eq=False, repr=False)
class DeviceHierarchy:
    """Graphs from fine to coarse, as CuPy arrays; :func:`coarsen_on_device` makes one.

    ``cupy`` arrays and torch tensors share memory: ``torch.from_dlpack(hierarchy.parent(0, 1))``.

    Attributes
    ----------
    levels : tuple of DeviceLevel
    method : str
        How the levels came about, for people.
    rounding : Rounding
        What making the weights exact changed.
    quantum : float or None
        See :attr:`Graph.quantum`.

    See Also
    --------
    coarsen_on_device : levels that stay on a CUDA device
    Hierarchy : levels and the maps between them

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen_on_device
    >>> hierarchy = coarsen_on_device(nx.path_graph(8), levels=2)  # doctest: +SKIP
    >>> hierarchy.sizes  # doctest: +SKIP
    (8, 4, 2)
    """

    levels: tuple[DeviceLevel, ...]
    method: str
    rounding: Rounding
    quantum: float | None

    def __len__(self) -> int:
        return len(self.levels)

    def __iter__(self) -> Iterator[DeviceLevel]:
        return iter(self.levels)

    def __getitem__(self, index: int) -> DeviceLevel:
        return self.levels[index]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of nodes of every level, finest first."""
        return tuple(level.num_nodes for level in self.levels)

    def parent(self, fine: int, coarse: int) -> Any:
        """Node of level ``coarse`` that each node of level ``fine`` belongs to, on the device.

        Parameters
        ----------
        fine, coarse : int
            Indices of the two levels, ``fine <= coarse``.

        Returns
        -------
        cupy.ndarray of int32, shape (n_fine,)

        Raises
        ------
        IndexError
            If there is no such level.
        ValueError
            If ``coarse`` is finer than ``fine``.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen_on_device
        >>> hierarchy = coarsen_on_device(nx.path_graph(8), levels=2)  # doctest: +SKIP
        >>> hierarchy.parent(0, 2).tolist()  # doctest: +SKIP
        [0, 0, 0, 0, 1, 1, 1, 1]
        """
        import cupy as cp

        fine, coarse = range(len(self))[fine], range(len(self))[coarse]
        if fine > coarse:
            raise ValueError(f"level {coarse} is finer than level {fine}; swap the two")
        result = cp.arange(self.levels[fine].num_nodes, dtype=cp.int32)
        for level in self.levels[fine:coarse]:
            result = level.parent[result]
        return result

    def to_host(self) -> Hierarchy:
        """A copy as :func:`~multiscale_gcn.coarsen` returns it, with the same fingerprint.

        Returns
        -------
        Hierarchy

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import coarsen_on_device
        >>> hierarchy = coarsen_on_device(nx.path_graph(8), levels=2)  # doctest: +SKIP
        >>> hierarchy.to_host().level(2)  # doctest: +SKIP
        Level(2: Graph(2 nodes, 1 edges, 2 self loops))
        """
        return Hierarchy(levels_on_host(self.levels, self.quantum), self.method, self.rounding)

    def __repr__(self) -> str:
        lines = [
            f"DeviceHierarchy of {len(self)} levels: {self.method}",
            "level    nodes    entries  ratio",
        ]
        finer = None
        for index, level in enumerate(self.levels):
            n = level.num_nodes
            ratio = "" if finer is None else f"{finer / n:.2f}"
            lines.append(f"{index:5} {n:8} {level.graph.num_entries:10} {ratio:>6}".rstrip())
            finer = n
        return "\n".join(lines)


def levels_on_host(
    levels: Sequence[DeviceLevel],
    quantum: float | None,
    finest: tuple[Graph, Constraints] | None = None,
) -> tuple[Level, ...]:
    """Copies of the levels, but for the finest graph where the host has it already."""
    known, constraints = finest or (None, Constraints())
    result = []
    for index, level in enumerate(levels):
        graph = known if index == 0 and known is not None else level.graph.to_graph(quantum)
        parent = None if level.parent is None else level.parent.get()
        result.append(
            Level._of_valid(
                index=index,
                graph=graph,
                parent=parent,
                constraints=constraints,
                sampled=None,
                interpolation=None,
            )
        )
        if parent is not None:
            constraints = constraints.coarsened(parent)
    return tuple(result)
