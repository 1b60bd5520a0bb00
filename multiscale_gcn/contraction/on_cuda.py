"""P^T A P on a CUDA device.

Every coarse row is sorted, and equal columns are added up: short rows in the registers of a few
threads, middle ones in those of a warp or a block, and of the longest a block notes which columns
it met.
"""

from __future__ import annotations

from typing import Any

import cupy as cp
import numpy as np

from multiscale_gcn.cuda.arrays import DeviceArrays, on_device
from multiscale_gcn.cuda.launch import Launcher, Room, Struct, multiprocessors
from multiscale_gcn.graph import Graph

SOURCE = "contraction/kernels.cu"

ITEMS = 8
"""Entries that a thread sorts."""
FIRST_CLASS = 16 * ITEMS
"""Rows of up to so many entries that are not short are the first class, of up to twice as many the
second, and so on."""
CLASSES = 6
"""The last has all longer rows."""
LONG_THREADS = 1024
"""Of a block for a row of the last class."""
MOST_WORDS = 44_000
"""Of 32 columns each, which such a block notes at once; a multiple of 4."""

NUM_COUNTERS = 16
NUM_COARSE, LONGEST = 1, 4
"""Places among the counters."""
MOST_BLOCKS = 1 << 14

PROBLEM = Struct(
    indptr="pointer",
    indices="pointer",
    weights="pointer",
    node_weights="pointer",
    mate="pointer",
    first="pointer",
    members="pointer",
    starts="pointer",
    parent="pointer",
    room="pointer",
    columns="pointer",
    values="pointer",
    lists="pointer",
    of_blocks="pointer",
    tiles="pointer",
    counters="pointer",
    totals="pointer",
    coarse_indptr="pointer",
    coarse_indices="pointer",
    coarse_weights="pointer",
    coarse_node_weights="pointer",
    coarse_nodes="pointer",
    coarse_loop="pointer",
    n="int",
    short_row="int",
    first_class="int",
    most_words="int",
)


def aggregate(graph: Graph, parent: np.ndarray, num_coarse: int) -> Graph:
    coarse = aggregate_on_device(on_device(graph), cp.asarray(parent, cp.int32), num_coarse)
    return coarse.to_graph(graph.quantum)


def contract_on_device(graph: DeviceArrays, mate: Any) -> tuple[DeviceArrays, Any]:
    """The coarse graph of a matching, and the coarse id of every node, int32."""
    n = graph.num_nodes
    if n == 0:
        return graph, cp.empty(0, cp.int32)
    parent = cp.empty(n, cp.int32)
    product = _Product(graph, n, 2 * graph.longest, 2 * graph.mean_length)
    problem = product.problem(parent=parent, mate=mate, members=None, starts=None)
    product.launcher.at_once("number_pairs", n, (problem,))
    return product.merge(problem), parent


def aggregate_on_device(graph: DeviceArrays, parent: Any, num_coarse: int) -> DeviceArrays:
    """P^T A P from and to arrays on the device; every number below ``num_coarse`` must occur."""
    n = graph.num_nodes
    if n == 0:
        return graph
    mean = graph.num_entries / num_coarse
    product = _Product(graph, num_coarse, graph.num_entries, mean)
    node_weights = product.found.array("coarse_node_weights", np.float64, num_coarse)
    node_weights.fill(0)
    sizes, rank = cp.zeros(num_coarse, cp.int32), cp.empty(n, cp.int32)
    product.launcher.for_each(
        "count_members",
        n,
        (graph.indptr, parent, graph.node_weights, np.int32(n), sizes, node_weights, rank),
    )
    first = cp.zeros(num_coarse + 1, cp.int32)
    first[1:] = cp.cumsum(sizes, dtype=cp.int32)
    members, lengths = cp.empty(n, cp.int32), cp.empty(n, graph.indptr.dtype)
    product.launcher.for_each(
        "place_members", n, (graph.indptr, parent, rank, first, np.int32(n), members, lengths)
    )
    starts = cp.zeros(n + 1, graph.indptr.dtype)
    starts[1:] = cp.cumsum(lengths, dtype=graph.indptr.dtype)
    problem = product.problem(parent=parent, first=first, mate=None, members=members, starts=starts)
    product.workspace.array("counters", np.int32, NUM_COUNTERS)[NUM_COARSE] = num_coarse
    product.launcher.for_each("classify", num_coarse, (problem,))
    return product.merge(problem)


class _Product:
    """The arrays of one contraction to at most so many nodes."""

    def __init__(self, graph: DeviceArrays, most_coarse: int, longest: int, mean: float) -> None:
        self.graph, self.most_coarse = graph, most_coarse
        self.lanes = _lanes(longest, mean)
        short = ITEMS * self.lanes
        longer_than = [short, *(max(short, FIRST_CLASS << k) for k in range(CLASSES - 1))]
        self.listed = [k for k, bound in enumerate(longer_than) if longest > bound]
        sorted_at_once = max(short, *(16 * ITEMS << k for k in self.listed if k < CLASSES - 1), 1)
        key = "unsigned" if most_coarse * sorted_at_once < 2**32 else "u64"
        self.launcher = Launcher(SOURCE, graph.indptr.dtype, f"-DKEY={key}")
        self.tiles = -(-most_coarse * self.lanes // 256)
        nnz = graph.num_entries
        listed = nnz if self.listed else 0
        self.workspace = Room(
            {"counters": 4 * NUM_COUNTERS, "totals": 16, "tiles": 8 * self.tiles},
            {
                "first": 4 * most_coarse,
                "room": graph.indptr.itemsize * most_coarse if listed else 0,
                "lists": 4 * CLASSES * most_coarse if listed else 0,
                "columns": 4 * listed,
                "values": 8 * listed,
                "of_blocks": 4 * MOST_BLOCKS,
            },
        )
        self.found = Room(
            {},
            {
                "coarse_indptr": graph.indptr.itemsize * (most_coarse + 1),
                "coarse_indices": 4 * nnz,
                "coarse_weights": 8 * nnz,
                "coarse_node_weights": 8 * most_coarse,
                "coarse_nodes": 16 * most_coarse,
                "coarse_loop": 8 * most_coarse,
            },
        )

    def problem(self, **of_nodes: Any) -> np.ndarray:
        graph = self.graph
        return PROBLEM(
            **(self.workspace.pointers() | self.found.pointers() | of_nodes),
            indptr=graph.indptr,
            indices=graph.indices,
            weights=graph.weights,
            node_weights=graph.node_weights,
            n=self.most_coarse,
            short_row=ITEMS * self.lanes,
            first_class=FIRST_CLASS,
            most_words=_words(self.most_coarse),
        )

    def merge(self, problem: np.ndarray) -> DeviceArrays:
        launch, some = self.launcher, 8 * multiprocessors()
        for k in self.listed:
            if k < CLASSES - 1:
                launch.in_turns(f"merge_list_{k}", some, (problem,))
            else:
                launch.allow_shared("merge_long_rows", 5 * MOST_WORDS)
                shared = 5 * _words(self.most_coarse)
                launch.in_turns("merge_long_rows", some, (problem,), LONG_THREADS, shared)
        launch.in_turns(f"merge_tiles_{self.lanes}", self.tiles, (problem,))
        if self.listed:
            launch.in_turns("place_rows", some, (problem,))
        numbers = self.workspace.array("counters", np.int8, 256 + 16).get()
        counters, totals = numbers[: 4 * NUM_COUNTERS].view(np.int32), numbers[256:].view(np.int64)
        n, longest, nnz = int(counters[NUM_COARSE]), int(counters[LONGEST]), int(totals[0])
        found = self.found
        return DeviceArrays(
            found.array("coarse_indptr", self.graph.indptr.dtype, n + 1),
            found.array("coarse_indices", np.int32, nnz),
            found.array("coarse_weights", np.float64, nnz),
            found.array("coarse_node_weights", np.float64, n),
            longest,
            (
                found.array("coarse_nodes", np.float64, n, 2),
                found.array("coarse_loop", np.float64, n),
            ),
        )


def _lanes(longest: int, mean: float) -> int:
    """Threads that share a coarse row, if it is short: for all rows, or else for most."""
    for enough in (longest, 1.5 * mean):
        for lanes in (1, 2, 4):
            if ITEMS * lanes >= enough:
                return lanes
    return 4


def _words(columns: int) -> int:
    """Of 32 columns each, that a block for a long row notes at once."""
    return min(MOST_WORDS, -(-columns // 128) * 4)
