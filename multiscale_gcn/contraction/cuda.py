"""P^T A P on a CUDA device.

Every coarse row gets room for all entries of its members. Short rows are sorted and added up in
registers, longer ones in shared memory, and the longest in a sum for each column; where that would
be too many sums, all entries of the longest rows are sorted at once.
"""

from __future__ import annotations

from typing import Any

import cupy as cp
import numpy as np

from multiscale_gcn.cuda import (
    THREADS,
    DeviceGraph,
    all_blocks,
    kernel,
    lanes_for,
    num_processors,
    on_device,
    some_blocks,
)
from multiscale_gcn.graph import Graph

SOURCE = "contraction/kernels.cu"

MIDDLE = ((256, 64), (2048, 256))
"""Rows of up to so many entries, powers of two, are sorted in shared memory, by a block of so many
threads."""
MOST_COLUMNS = 1 << 20
"""With up to so many coarse nodes a block of the long rows can note which of them it met."""
MOST_SUMS = 1 << 27
"""So many sums, over all blocks, the long rows may take."""
BLOCK_OF_A_ROW = 512


def aggregate(graph: Graph, parent: np.ndarray, num_coarse: int) -> Graph:
    coarse = aggregate_on_device(on_device(graph), cp.asarray(parent, cp.int32), num_coarse)
    return coarse.to_graph(graph.quantum)


def parents_on_device(mate: Any) -> tuple[Any, int]:  # parent [n] int32, number of coarse nodes
    """Coarse id of every node, numbered by the first member of each pair."""
    n = len(mate)
    leaders = cp.cumsum(mate >= cp.arange(n, dtype=cp.int32), dtype=cp.int64)
    parent = cp.empty(n, cp.int32)
    kernel(SOURCE, "number_pairs")(all_blocks(n), (THREADS,), (mate, leaders, np.int64(n), parent))
    return parent, int(leaders[-1]) if n else 0


def aggregate_on_device(graph: DeviceGraph, parent: Any, num_coarse: int) -> DeviceGraph:
    """P^T A P from and to arrays on the device; every number below ``num_coarse`` must occur."""
    n, nnz = graph.num_nodes, graph.num_entries
    if n == 0:
        return graph
    node_weights = cp.zeros(num_coarse)
    first, members, begin = _grouped(graph, parent, num_coarse, node_weights)
    columns, values = cp.empty(nnz, cp.int32), cp.empty(nnz)
    lengths = cp.empty(num_coarse, cp.int64)
    rows = (graph.indptr, graph.indices, graph.weights, parent,
            first, members, begin, columns, values, lengths)  # fmt: skip

    lanes = lanes_for(1.5 * nnz / num_coarse)
    lists, list_lengths = cp.empty((3, num_coarse), cp.int32), cp.zeros(3, cp.int32)
    kernel(SOURCE, "add_short_rows")(
        some_blocks(num_coarse * lanes),
        (THREADS,),
        (*rows, np.int64(num_coarse), np.int32(lanes), np.int32(MIDDLE[0][0]),
         np.int32(MIDDLE[1][0]), lists, list_lengths),
    )  # fmt: skip
    counts = list_lengths.tolist()
    for which, (most, threads) in enumerate(MIDDLE):
        if counts[which]:
            kernel(SOURCE, "add_middle_rows")(
                some_blocks(counts[which], 1),
                (threads,),
                (*rows, lists[which], list_lengths[which:], np.int32(most)),
                shared_mem=16 * most,
            )
    if counts[2]:
        add = _add_long_rows if num_coarse <= MOST_COLUMNS else _sort_long_rows
        add(rows, cp.sort(lists[2, : counts[2]]), num_coarse)

    indptr = cp.zeros(num_coarse + 1, cp.int64)
    cp.cumsum(lengths, out=indptr[1:])
    coarse_nnz = int(indptr[-1])
    indices, weights = cp.empty(coarse_nnz, cp.int32), cp.empty(coarse_nnz)
    lanes = lanes_for(coarse_nnz / num_coarse)
    kernel(SOURCE, "compact")(
        some_blocks(num_coarse * lanes),
        (THREADS,),
        (begin, columns, values, indptr, np.int64(num_coarse), np.int32(lanes), indices, weights),
    )
    return DeviceGraph(indptr, indices, weights, node_weights)


def _grouped(
    graph: DeviceGraph, parent: Any, num_coarse: int, node_weights: Any
) -> tuple[Any, Any, Any]:
    """Members of coarse node c, in any order: members[first[c]:first[c + 1]]; and the number of
    entries before it, begin[c]. Adds up the node weights."""
    n = graph.num_nodes
    sizes, entries = cp.zeros(num_coarse, cp.int64), cp.zeros(num_coarse, cp.int64)
    rank = cp.empty(n, cp.int64)
    kernel(SOURCE, "count_members")(
        all_blocks(n),
        (THREADS,),
        (graph.indptr, parent, graph.node_weights, np.int64(n), sizes, entries, node_weights, rank),
    )
    first, begin = cp.zeros(num_coarse + 1, cp.int64), cp.zeros(num_coarse + 1, cp.int64)
    cp.cumsum(sizes, out=first[1:])
    cp.cumsum(entries, out=begin[1:])
    members = cp.empty(n, cp.int32)
    kernel(SOURCE, "place_members")(
        all_blocks(n), (THREADS,), (parent, rank, first, np.int64(n), members)
    )
    return first, members, begin


def _add_long_rows(rows: tuple[Any, ...], chosen: Any, num_coarse: int) -> None:
    num_blocks = min(len(chosen), num_processors(), max(1, MOST_SUMS // num_coarse))
    add = kernel(SOURCE, "add_long_rows")
    shared = 4 * (-(-num_coarse // 32))
    add.max_dynamic_shared_size_bytes = 4 * (MOST_COLUMNS // 32)
    add(
        (num_blocks,),
        (1024,),
        (*rows, chosen, np.int32(len(chosen)), np.int32(num_coarse),
         cp.zeros(num_blocks * num_coarse)),
        shared_mem=shared,
    )  # fmt: skip


def _sort_long_rows(rows: tuple[Any, ...], chosen: Any, num_coarse: int) -> None:
    begin = rows[6]
    starts = cp.zeros(len(chosen) + 1, cp.int64)
    cp.cumsum(begin[chosen + 1] - begin[chosen], out=starts[1:])
    total = int(starts[-1])
    keys, entries = cp.empty(total, cp.uint64), cp.empty(total)
    kernel(SOURCE, "gather_long_rows")(
        (len(chosen),), (BLOCK_OF_A_ROW,), (*rows, chosen, starts, keys, entries)
    )
    order = cp.argsort(keys)
    keys = keys[order]
    differs = cp.zeros(total, cp.int64)
    differs[1:] = keys[1:] != keys[:-1]
    rank = cp.cumsum(differs)
    kernel(SOURCE, "add_sorted_rows")(
        all_blocks(total),
        (THREADS,),
        (*rows, chosen, starts, keys, order, rank, entries, np.int64(total)),
    )
