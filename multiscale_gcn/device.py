"""A hierarchy that is made on a CUDA device and stays there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from multiscale_gcn.arguments import whole_number
from multiscale_gcn.backends import select_backend
from multiscale_gcn.exact import Rounding
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.matching import HeavyEdgeMatching
from multiscale_gcn.matching.refusals import rates_on_device

if TYPE_CHECKING:
    from multiscale_gcn.cuda import DeviceArrays


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
        """Node of level ``coarse`` that each node of level ``fine`` belongs to, on the device."""
        import cupy as cp

        fine, coarse = range(len(self))[fine], range(len(self))[coarse]
        if fine > coarse:
            raise ValueError(f"level {coarse} is finer than level {fine}; swap the two")
        result = cp.arange(self.levels[fine].num_nodes, dtype=cp.int32)
        for level in self.levels[fine:coarse]:
            result = level.parent[result]
        return result

    def to_host(self) -> Hierarchy:
        """A copy as :func:`~multiscale_gcn.coarsen` returns it, with the same fingerprint."""
        from multiscale_gcn.coarsening_cuda import levels_on_host

        levels = levels_on_host(self.levels, self.quantum)
        return Hierarchy(levels, self.method, self.rounding)

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


def coarsen_on_device(
    graph: Any,
    *,
    levels: int | None = None,
    min_nodes: int | None = None,
    method: HeavyEdgeMatching | None = None,
    weights: Any = None,
    num_nodes: int | None = None,
    symmetrize: bool = False,
) -> DeviceHierarchy:
    """Coarsen on a CUDA device, to a hierarchy that stays there.

    It has the graphs and maps of :func:`~multiscale_gcn.coarsen`, bit for bit. That function also
    takes exact sizes and constraints.

    Parameters
    ----------
    graph
        On the device, without a copy to the host: a CuPy sparse matrix, a sparse torch tensor, or
        an ``edge_index`` of shape (2, E) as CuPy array or torch tensor. Duplicates are added up
        there if their sums are exact in any order, as those of integers are; others on the host.
        Or anything that :func:`~multiscale_gcn.as_graph` takes.
    levels, min_nodes : int, optional
        How far, as in :func:`~multiscale_gcn.coarsen`.
    method : HeavyEdgeMatching, optional
        Rated by ``NormalizedCut()``, ``EdgeWeight()`` or ``NormalizedAssociation()``.
    weights : array on the device, shape (E,), optional
        Of the columns of an ``edge_index``; 1 by default.
    num_nodes, symmetrize
        As in :func:`~multiscale_gcn.as_graph`.

    Returns
    -------
    DeviceHierarchy

    Raises
    ------
    BackendUnavailable
        Without CuPy or a device.
    ValueError
        For another method or rating, and for what ``as_graph`` refuses.
    """
    select_backend("cupy")
    method = HeavyEdgeMatching() if method is None else method
    if not rates_on_device(method):
        raise ValueError(
            f"coarsen_on_device does not run {method!r}; take HeavyEdgeMatching with one of the "
            "ratings EdgeWeight, NormalizedCut, NormalizedAssociation, or coarsen"
        )
    if levels is None and min_nodes is None:
        raise ValueError("say how far to coarsen: levels or min_nodes")
    for name, value in (("levels", levels), ("min_nodes", min_nodes)):
        if value is not None:
            whole_number(value, name, least=0)
    from multiscale_gcn.coarsening_cuda import descend
    from multiscale_gcn.convert.cuda import read
    from multiscale_gcn.matching.cuda import Rules

    fine, rounding, quantum = read(graph, weights, num_nodes, symmetrize)
    done = descend(fine, method, quantum, Rules(), levels=levels, min_nodes=min_nodes)
    return DeviceHierarchy(done, method.describe(), rounding, quantum)
