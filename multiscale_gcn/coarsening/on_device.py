"""Coarsening whose result stays on a CUDA device."""

from __future__ import annotations

from typing import Any, TypeGuard

from multiscale_gcn.backends import engine_for
from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.coarsening.descent import descend
from multiscale_gcn.coarsening.how_far import HowFar
from multiscale_gcn.graph.exact import warn_of_rounding
from multiscale_gcn.hierarchy.on_cuda import DeviceHierarchy
from multiscale_gcn.methods.heavy_edge import HeavyEdgeMatching
from multiscale_gcn.ratings.formulas import FUSED
from multiscale_gcn.ratings.fused import is_fused


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

    See Also
    --------
    coarsen : all levels at once
    DeviceHierarchy : levels on a CUDA device

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import coarsen_on_device
    >>> edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]], device="cuda")  # doctest: +SKIP
    >>> coarsen_on_device(edges, levels=1).sizes  # doctest: +SKIP
    (3, 2)
    """
    engine_for("cupy")
    method = HeavyEdgeMatching() if method is None else method
    if not runs_on_device(method):
        raise ValueError(
            f"coarsen_on_device does not run {shown(method)}; take HeavyEdgeMatching without "
            f"positions and with one of the ratings "
            f"{', '.join(rating.__name__ for rating in FUSED)}, or coarsen"
        )
    how_far = HowFar.by_steps(levels, min_nodes)
    from multiscale_gcn.coarsening.on_cuda import DeviceStage, device_levels
    from multiscale_gcn.convert.on_cuda import read
    from multiscale_gcn.matching.on_cuda import DeviceConstraints

    arrays, rounding, quantum = read(graph, weights, num_nodes, symmetrize)
    warn_of_rounding(rounding)
    descent = descend(DeviceStage(arrays, method, quantum, DeviceConstraints()), how_far)
    there = device_levels(descent.stages, descent.parents)
    return DeviceHierarchy(there, method.describe(), rounding, quantum)


def runs_on_device(method: object) -> TypeGuard[HeavyEdgeMatching]:
    """Whether the kernels do all that the method does from level to level."""
    if not isinstance(method, HeavyEdgeMatching):
        return False
    return is_fused(method.rating) and method.isolated != "nearest"
