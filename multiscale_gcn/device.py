"""A hierarchy that is made on a CUDA device and stays there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from multiscale_gcn.backends import select_backend
from multiscale_gcn.convert import as_graph
from multiscale_gcn.exact import (
    LARGEST_EXPONENT,
    SMALLEST_EXPONENT,
    Rounding,
    quantum_of,
    round_weights,
)
from multiscale_gcn.hierarchy import Hierarchy, Level
from multiscale_gcn.matching import HeavyEdgeMatching
from multiscale_gcn.ratings import EdgeWeight, NormalizedAssociation, NormalizedCut

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
        import cupy as cp

        levels = [
            Level(
                index,
                level.graph.to_graph(self.quantum),
                None if level.parent is None else cp.asnumpy(level.parent),
            )
            for index, level in enumerate(self.levels)
        ]
        return Hierarchy(tuple(levels), self.method, self.rounding)

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
        an ``edge_index`` of shape (2, E) as CuPy array or torch tensor, of which duplicates are
        added up on the host. Or anything that :func:`~multiscale_gcn.as_graph` takes.
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
    if not isinstance(method, HeavyEdgeMatching) or not isinstance(
        method.rating, EdgeWeight | NormalizedCut | NormalizedAssociation
    ):
        raise ValueError(
            f"coarsen_on_device does not run {method!r}; take HeavyEdgeMatching with one of the "
            "ratings EdgeWeight, NormalizedCut, NormalizedAssociation, or coarsen"
        )
    if levels is None and min_nodes is None:
        raise ValueError("say how far to coarsen: levels or min_nodes")
    from multiscale_gcn.contraction.cuda import contract_on_device
    from multiscale_gcn.matching.cuda import Rules, match_on_device

    fine, rounding, quantum = _read(graph, weights, num_nodes, symmetrize)
    done: list[DeviceLevel] = []
    while fine.num_nodes and (levels is None or len(done) < levels):
        mate, _ = match_on_device(fine, method, fine.weights, Rules())
        coarse, parent = contract_on_device(fine, mate)
        if coarse.num_nodes == fine.num_nodes or coarse.num_nodes < (min_nodes or 0):
            break
        done.append(DeviceLevel(fine, parent))
        fine = coarse
    return DeviceHierarchy((*done, DeviceLevel(fine, None)), method.describe(), rounding, quantum)


def _read(
    source: Any, weights: Any, num_nodes: int | None, symmetrize: bool
) -> tuple[DeviceArrays, Rounding, float | None]:
    import cupy as cp

    from multiscale_gcn.cuda import DeviceArrays

    entries = _entries(source, weights, num_nodes)
    if entries is None:
        graph, rounding = round_weights(
            as_graph(source, weights=weights, num_nodes=num_nodes, symmetrize=symmetrize)
        )
        return DeviceArrays.of(graph), rounding, graph.quantum
    ids, values, n = entries
    assembled = _assembled(ids, values, n, symmetrize)
    if assembled is None:  # as_graph says what is wrong, or adds up what stands twice
        graph, rounding = round_weights(
            as_graph(
                cp.asnumpy(ids),
                kind="edge_index",
                weights=cp.asnumpy(values),
                num_nodes=n,
                symmetrize=symmetrize,
            )
        )
        return DeviceArrays.of(graph), rounding, graph.quantum
    indptr, indices, values = assembled
    unit = quantum_of(len(values), float(values.max())) if len(values) else 1.0
    rounded = cp.maximum(cp.floor(values / unit), 1.0) * unit
    changed = rounded != values
    rounding = Rounding()
    if bool(changed.any()):
        relative = cp.abs(rounded - values) / values
        rounding = Rounding(int(changed.sum()), 0, float(relative.max()))
    return DeviceArrays.checked(indptr, indices, rounded, cp.ones(n)), rounding, unit


def _entries(source: Any, weights: Any, num_nodes: int | None) -> tuple[Any, Any, int] | None:
    """Rows and columns, weights, and number of nodes of what stands on the device; else None."""
    import cupy as cp

    if hasattr(source, "tocoo") and isinstance(getattr(source, "data", None), cp.ndarray):
        coo = source.tocoo()
        if coo.shape[0] != coo.shape[1]:
            raise ValueError(f"the matrix has shape {coo.shape}; a graph needs a square one")
        return (
            cp.stack([coo.row, coo.col]).astype(cp.int64),
            coo.data.astype(cp.float64),
            coo.shape[0],
        )
    if getattr(source, "is_cuda", False):
        source = source.detach()
        if source.layout != _strided():
            coo = source.to_sparse_coo()
            if coo.dim() != 2 or coo.shape[0] != coo.shape[1]:
                raise ValueError(
                    f"the tensor has shape {tuple(coo.shape)}; a graph needs a square one"
                )
            values = cp.asarray(coo._values().double())
            return cp.asarray(coo._indices()), values, int(coo.shape[0])
        source = cp.asarray(source)
    if not isinstance(source, cp.ndarray):
        return None
    if source.ndim != 2 or source.shape[0] != 2 or source.dtype.kind not in "ui":
        raise ValueError(
            f"an array on the device must be an edge_index of integers, shape (2, E); got "
            f"{source.dtype} of {source.shape}"
        )
    ids = source.astype(cp.int64)
    values = cp.ones(ids.shape[1])
    if weights is not None:
        values = cp.asarray(weights.detach() if hasattr(weights, "detach") else weights)
        values = values.astype(cp.float64)
        if values.shape != (ids.shape[1],):
            raise ValueError(f"weights has shape {values.shape}, expected ({ids.shape[1]},)")
    if num_nodes is None:
        num_nodes = int(ids.max()) + 1 if ids.size else 0
    return ids, values, num_nodes


def _strided() -> Any:
    import torch

    return torch.strided


def _assembled(
    ids: Any,  # [2, E] int64
    values: Any,  # [E] float64
    n: int,
    symmetrize: bool,
) -> tuple[Any, Any, Any] | None:
    """The arrays of the symmetric matrix; None for anything out of the ordinary."""
    import cupy as cp

    if n >= 2**31:
        return None
    if ids.shape[1] == 0:
        return cp.zeros(n + 1, cp.int64), cp.zeros(0, cp.int32), cp.zeros(0)
    if bool((ids < 0).any()) or bool((ids >= n).any()):
        return None
    largest = float(values.max())
    if not math.isfinite(largest) or not bool((values > 0).all()):
        return None
    if not SMALLEST_EXPONENT < math.frexp(largest)[1] < LARGEST_EXPONENT:
        return None
    keys, back = ids[0] * n + ids[1], ids[1] * n + ids[0]
    order = cp.argsort(keys)
    keys, values, back = keys[order], values[order], back[order]
    if bool((keys[1:] == keys[:-1]).any()):
        return None
    at = cp.minimum(cp.searchsorted(keys, back), len(keys) - 1)
    has_image = keys[at] == back
    if symmetrize:
        keys = cp.concatenate([keys, back[~has_image]])
        values = cp.concatenate([values, values[~has_image]])
        order = cp.argsort(keys)
        keys, values, back = keys[order], values[order], (keys % n * n + keys // n)[order]
        at = cp.searchsorted(keys, back)
    elif not bool(has_image.all()):
        return None
    if bool((values[at] != values).any()):
        return None
    indptr = cp.searchsorted(keys, cp.arange(n + 1, dtype=cp.int64) * n)
    return indptr.astype(cp.int64), (keys % n).astype(cp.int32), values
