"""The levels of a batch of graphs, taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.hierarchy.level import Level


def members(levels: Sequence[Level]) -> tuple[tuple[Level, ...], ...]:
    """The levels of each member, as far as it was coarsened."""
    if levels[0].constraints.batch is None:
        raise ValueError("the hierarchy is not of a batch; coarsen(graph, batch=...) makes one")
    bounds = [_bounds(level) for level in levels]
    return tuple(_member(levels, bounds, k) for k in range(len(bounds[0]) - 1))


def _bounds(level: Level) -> np.ndarray:
    """First node of every member, and the number of nodes."""
    sizes = level.constraints.member_sizes(level.num_nodes)
    return np.concatenate([[0], np.cumsum(sizes)])


def _member(levels: Sequence[Level], bounds: list[np.ndarray], k: int) -> tuple[Level, ...]:
    sizes = [int(bound[k + 1] - bound[k]) for bound in bounds]
    last = sizes.index(sizes[-1])  # from there on the member waited for the others
    result = []
    for level, bound, next_bound in zip(
        levels[: last + 1], bounds, [*bounds[1:], None], strict=False
    ):
        begin, end = int(bound[k]), int(bound[k + 1])
        parent = sampled = interpolation = None
        if level.index < last:
            assert level.parent is not None
            assert next_bound is not None
            parent = level.parent[begin:end] - next_bound[k].astype(level.parent.dtype)
            columns = slice(int(next_bound[k]), int(next_bound[k + 1]))
            if level.sampled is not None:
                sampled = level.sampled[columns] - begin
            if level.interpolation is not None:
                interpolation = level.interpolation[begin:end, columns]
        result.append(
            replace(
                level,
                graph=_slice(level.graph, begin, end),
                parent=parent,
                constraints=_slice_constraints(level.constraints, begin, end),
                sampled=sampled,
                interpolation=interpolation,
            )
        )
    return tuple(result)


def _slice(graph: Graph, begin: int, end: int) -> Graph:
    first, last = graph.indptr[begin], graph.indptr[end]
    return Graph._of_valid(
        graph.indptr[begin : end + 1] - first,
        graph.indices[first:last] - graph.indices.dtype.type(begin),
        graph.weights[first:last],
        graph.node_weights[begin:end],
        graph.quantum,
        None if graph.names is None else graph.names[begin:end],
    )


def _slice_constraints(constraints: Constraints, begin: int, end: int) -> Constraints:
    def cut(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else array[begin:end]

    symmetry = cut(constraints.symmetry)
    return Constraints(
        labels=cut(constraints.labels),
        survivors=cut(constraints.survivors),
        symmetry=None if symmetry is None else symmetry - begin,
    )
