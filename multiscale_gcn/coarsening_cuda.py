"""From level to level on a CUDA device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cupy as cp
import numpy as np

from multiscale_gcn.constraints import Constraints
from multiscale_gcn.contraction.cuda import contract_on_device
from multiscale_gcn.cuda import DeviceArrays
from multiscale_gcn.device import DeviceLevel
from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy import Level
from multiscale_gcn.matching.cuda import Rules, match_on_device
from multiscale_gcn.matching.matching import Matching
from multiscale_gcn.matching.methods import HeavyEdgeMatching
from multiscale_gcn.matching.truncation import truncate


def descend(
    fine: DeviceArrays,
    method: HeavyEdgeMatching,
    quantum: float | None,
    rules: Rules,
    *,
    levels: int | None = None,
    min_nodes: int | None = None,
    targets: np.ndarray | None = None,
) -> tuple[DeviceLevel, ...]:
    """The levels of a hierarchy, as far as its arguments say or pairs can be found.

    Parameters
    ----------
    fine : DeviceArrays
        The finest graph.
    method : HeavyEdgeMatching
        With a rating that the kernels compute.
    quantum : float or None
        Of the weights.
    rules : Rules
        The constraints of the finest level; none if there are targets.
    levels, min_nodes
        As in :func:`~multiscale_gcn.coarsen`.
    targets : array of int, optional
        Numbers of nodes that levels must have exactly, increasing.
    """
    done: list[DeviceLevel] = []
    while fine.num_nodes and (levels is None or len(done) < levels):
        coarser = None if targets is None else targets[targets < fine.num_nodes]
        if coarser is not None and len(coarser) == 0:
            break
        mate, kind = match_on_device(fine, method, fine.weights, rules)
        if coarser is not None:
            most = fine.num_nodes - int(coarser[-1])
            mate = _at_most(most, fine, method, quantum, mate, kind)
        coarse, parent = contract_on_device(fine, mate)
        if coarse.num_nodes == fine.num_nodes or coarse.num_nodes < (min_nodes or 0):
            break
        done.append(DeviceLevel(fine, parent))
        if rules:
            rules = rules.coarsened(parent, coarse.num_nodes)
        fine = coarse
    return (*done, DeviceLevel(fine, None))


def _at_most(
    most: int,
    graph: DeviceArrays,
    method: HeavyEdgeMatching,
    quantum: float | None,
    mate: Any,
    kind: Any,
) -> Any:
    """The mates when only so many pairs are kept, which the host chooses if there are more."""
    if int(cp.count_nonzero(kind)) // 2 <= most:
        return mate
    matching = Matching(cp.asnumpy(mate), cp.asnumpy(kind))
    kept = truncate(graph.to_graph(quantum), method, Constraints(), matching, np.array([most]))
    return cp.asarray(kept.mate)


def levels_on_host(
    levels: Sequence[DeviceLevel],
    quantum: float | None,
    finest: Graph | None = None,
    constraints: Constraints | None = None,
) -> tuple[Level, ...]:
    """Copies of the levels, but for the finest graph where the host has it already."""
    constraints = Constraints() if constraints is None else constraints
    result = []
    for index, level in enumerate(levels):
        known = finest if index == 0 else None
        graph = level.graph.to_graph(quantum) if known is None else known
        parent = None if level.parent is None else cp.asnumpy(level.parent)
        result.append(Level(index, graph, parent, constraints))
        if parent is not None:
            constraints = constraints.coarsened(parent)
    return tuple(result)
