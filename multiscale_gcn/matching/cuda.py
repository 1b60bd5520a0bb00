"""The matching on a CUDA device; equal to the specification bit for bit.

The locally dominant matching is reached in rounds: every free node points at its best free
neighbour, and those that point at each other marry. Rounds of the whole device go on while they
marry many; then one block does the rest, of which a path with increasing weights, where each
round marries one pair, needs many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cupy as cp
import numpy as np

from multiscale_gcn.constraints import Constraints
from multiscale_gcn.cuda import (
    THREADS,
    DeviceGraph,
    all_blocks,
    kernel,
    on_device,
    pointer,
    some_blocks,
)
from multiscale_gcn.graph import Graph
from multiscale_gcn.matching.matching import Matching, PairKind
from multiscale_gcn.matching.methods import MatchingMethod
from multiscale_gcn.ratings import NormalizedCut

SOURCE = "matching/kernels.cu"

ROUNDS = 3
"""So many rounds run before the host looks how many nodes are left."""
SMALL = 1 << 8
"""So few nodes are done by one block."""
PROGRESS = 16
"""Rounds of the whole device go on while they settle more than one in so many live nodes."""
MOST_ENTRIES = 1 << 10
"""One block gives up a round that looks at more entries than these."""
LONG_ROW = 64
"""Rows of more entries than so many for each of the threads that share a row get a block."""
BLOCK_OF_A_ROW = 512

_NULL = np.uintp(0)


def match(graph: Graph, method: MatchingMethod, constraints: Constraints) -> Matching:
    n = graph.num_nodes
    fine = on_device(graph)
    entries = method.rating.entries(graph)
    ratings = fine.weights if entries is graph.weights else cp.asarray(entries)
    mate, kind = match_on_device(fine, method, ratings, _rules(constraints, n))
    return Matching(cp.asnumpy(mate), cp.asnumpy(kind))


@dataclass(frozen=True, eq=False)
class Rules:
    """The constraints on the device; a null pointer for each that there is not."""

    group: Any = _NULL
    survivors: Any = _NULL
    first_of_member: Any = _NULL

    @property
    def grouped(self) -> bool:
        return self.group is not _NULL


def _rules(constraints: Constraints, n: int) -> Rules:
    group = first = None
    if constraints.labels is not None or constraints.batch is not None:
        group = np.unique(constraints.groups(n), return_inverse=True)[1].astype(np.int32)
    if constraints.batch is not None:
        first = (np.arange(n) - constraints.local_ids(n)).astype(np.int32)
    return Rules(
        *(pointer(a) if a is not None else _NULL for a in (group, constraints.survivors, first))
    )


def match_on_device(
    graph: DeviceGraph,
    method: MatchingMethod,
    ratings: Any,  # cupy [nnz], what the rating takes as the weight of each entry
    rules: Rules,
) -> tuple[Any, Any]:  # mate [n] int32, kind [n] int8
    """The mate and the kind of every node, from and to arrays on the device."""
    n = graph.num_nodes
    mate = cp.arange(n, dtype=cp.int32)
    kind = cp.zeros(n, dtype=cp.int8)
    if n == 0:
        return mate, kind
    search = _Search.of(graph, method, ratings, rules)
    search.marry_in_rounds(mate, kind)
    if method.two_hop:
        search.pair_two_hop(mate, kind)
    if method.isolated == "pair":
        isolated = cp.flatnonzero(search.neighbours == 0).astype(cp.int32)
        search.pair(isolated, cp.zeros(len(isolated), cp.int32), PairKind.ISOLATED, mate, kind)
    return mate, kind


@dataclass(frozen=True, eq=False)
class _Search:
    """How the nodes of one graph find their best neighbours."""

    graph: DeviceGraph
    rules: Rules
    limited: bool
    neighbours: Any
    edges: tuple[Any, ...]  # the arguments that the kernels call EDGES
    long_row: np.int64

    @classmethod
    def of(cls, graph: DeviceGraph, method: MatchingMethod, ratings: Any, rules: Rules) -> _Search:
        n = graph.num_nodes
        code = method.rating.code
        scale, loop = cp.empty(n), cp.empty(n)
        neighbours = cp.empty(n, cp.int32)
        long_row = np.int64(LONG_ROW * graph.lanes)
        rows, num_rows = _long_rows(graph, long_row), cp.zeros(1, cp.int32)
        inverse = np.int32(code == NormalizedCut.code)
        matrix = (graph.indptr, graph.indices, graph.weights)
        sums = (scale, loop, neighbours)
        kernel(SOURCE, "sum_rows")(
            some_blocks(n * graph.lanes),
            (THREADS,),
            (*matrix, np.int64(n), inverse, np.int32(graph.lanes), long_row, *sums, rows, num_rows),
        )
        kernel(SOURCE, "sum_long_rows")(
            some_blocks(len(rows), 1),
            (BLOCK_OF_A_ROW,),
            (*matrix, inverse, rows, num_rows, *sums),
        )
        limit = np.inf if method.max_node_weight is None else float(method.max_node_weight)
        edges = (
            graph.indptr,
            graph.indices,
            ratings,
            np.int32(code),
            *sums,
            graph.node_weights,
            np.float64(limit),
            rules.group,
            rules.survivors,
            rules.first_of_member,
        )
        return cls(graph, rules, limit < np.inf, neighbours, edges, long_row)

    def point(
        self,
        kind: Any,
        nodes: Any,  # cupy [m] int32, or a null pointer: all
        length: Any,  # cupy [1] int32
        most: int,
        only_admissible: bool,
        candidate: Any,
        rows: Any,
        num_rows: Any,  # cupy [1] int32, 0
    ) -> None:
        lanes = self.graph.lanes
        only = np.int32(only_admissible)
        kernel(SOURCE, "point")(
            some_blocks(most * lanes),
            (THREADS,),
            (*self.edges, kind, nodes, length, only, np.int32(lanes), self.long_row, candidate,
             rows, num_rows),
        )  # fmt: skip
        kernel(SOURCE, "point_long_rows")(
            some_blocks(min(most, len(rows)), 1),
            (BLOCK_OF_A_ROW,),
            (*self.edges, kind, only, rows, num_rows, candidate),
        )

    def marry_in_rounds(self, mate: Any, kind: Any) -> None:
        n = len(mate)
        candidate = cp.full(n, -2, cp.int32)
        rows = _long_rows(self.graph, self.long_row)
        live: Any = _NULL
        buffers = [cp.empty(n, cp.int32), cp.empty(n, cp.int32)]
        counts = cp.empty((2, ROUNDS + 1), cp.int32)  # live nodes, and long rows among them
        done = cp.empty(1, cp.int32)
        num_live = n
        while num_live:
            at_start = np.zeros(counts.shape, np.int32)
            at_start[0, 0] = num_live
            counts.set(at_start)
            for r in range(ROUNDS):
                length, num_rows = counts[0, r:], counts[1, r:]
                self.point(kind, live, length, num_live, True, candidate, rows, num_rows)
                kernel(SOURCE, "settle")(
                    some_blocks(num_live),
                    (THREADS,),
                    (live, length, candidate, mate, kind, buffers[0], counts[0, r + 1 :]),
                )
                live, buffers = buffers[0], buffers[::-1]
            before, num_live = counts[0, -2:].tolist()
            if num_live > SMALL and (before - num_live) * PROGRESS > before:
                continue
            if num_live:
                stale, taken = cp.empty(num_live, cp.int32), cp.empty(num_live, cp.int32)
                kernel(SOURCE, "finish")(
                    (1,),
                    (1024,),
                    (*self.edges, live, counts[0, ROUNDS:], np.int32(self.graph.lanes),
                     np.int64(MOST_ENTRIES), candidate, mate, kind, stale, taken, done),
                )  # fmt: skip
                if int(done[0]):
                    return

    def pair_two_hop(self, mate: Any, kind: Any) -> None:
        """Pair the nodes that wait at the same neighbour, as the specification says."""
        left = cp.flatnonzero((kind == int(PairKind.SINGLE)) & (self.neighbours > 0)).astype(
            cp.int32
        )
        if len(left) < 2:
            return
        hub = cp.full(len(kind), -2, cp.int32)
        length = cp.full(1, len(left), cp.int32)
        rows = _long_rows(self.graph, self.long_row)
        self.point(kind, left, length, len(left), False, hub, rows, cp.zeros(1, cp.int32))
        self.pair(left, hub[left], PairKind.TWO_HOP, mate, kind)

    def pair(
        self,
        nodes: Any,  # cupy [m] int32, increasing
        hubs: Any,  # cupy [m] int32
        kind_of_pair: PairKind,
        mate: Any,
        kind: Any,
    ) -> None:
        """Pair the nodes of the same hub and group, in the order of their ids."""
        if len(nodes) < 2:
            return
        if self.rules.grouped:
            order = _sorted_positions(self.rules.group[nodes])
            nodes, hubs = nodes[order], hubs[order]
        order = _sorted_positions(hubs)
        nodes, hubs = nodes[order], hubs[order]
        begins = hubs[1:] != hubs[:-1]
        if self.rules.grouped:
            groups = self.rules.group[nodes]
            begins |= groups[1:] != groups[:-1]
        segment = cp.zeros(len(nodes), cp.int32)
        cp.cumsum(begins, dtype=cp.int32, out=segment[1:])
        rest = (nodes, segment, np.int64(len(nodes)), np.int32(kind_of_pair), mate, kind)
        if self.limited or self.rules.survivors is not _NULL:
            name, arguments = "pair_waiting", (*self.edges, *rest)
        else:
            name, arguments = "pair_in_a_row", rest
        kernel(SOURCE, name)(all_blocks(len(nodes)), (THREADS,), arguments)


def _long_rows(graph: DeviceGraph, long_row: np.int64) -> Any:
    """Room for the ids of all long rows."""
    return cp.empty(graph.num_entries // int(long_row) + 1, cp.int32)


def _sorted_positions(values: Any) -> Any:
    """Positions that sort the values, which are not negative; equal ones keep their order."""
    keys = values.astype(cp.uint64) << 32
    keys |= cp.arange(len(values), dtype=cp.uint64)
    keys.sort()
    return (keys & 0xFFFFFFFF).astype(cp.int64)
