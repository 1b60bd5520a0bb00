"""P^T A P in Numba: every thread builds coarse rows with a table of slots of its own."""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange

from multiscale_gcn.graph import Graph

SHORT = 32
"""Rows up to this length are sorted by insertion."""


def aggregate(
    graph: Graph, parent: np.ndarray, num_coarse: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, members = _children(parent, num_coarse)
    blocks = _blocks(graph.indptr, first, members, get_num_threads())
    return _merge_rows(graph.indptr, graph.indices, graph.weights, parent, first, members, blocks)


@njit(cache=True)
def _children(parent, num_coarse):
    """Members of coarse node c, in increasing order: members[first[c]:first[c + 1]]."""
    first = np.zeros(num_coarse + 1, np.int64)
    for c in parent:
        first[c + 1] += 1
    for c in range(num_coarse):
        first[c + 1] += first[c]
    place = first[:-1].copy()
    members = np.empty(len(parent), parent.dtype)
    for u in range(len(parent)):
        members[place[parent[u]]] = u
        place[parent[u]] += 1
    return first, members


@njit(cache=True)
def _blocks(indptr, first, members, num_blocks):
    """Ranges of coarse rows with about equally many entries, as [begin, end, entries before]."""
    num_coarse = len(first) - 1
    share = indptr[-1] // num_blocks + 1
    blocks = np.full((num_blocks, 3), num_coarse, np.int64)
    blocks[:, 2] = indptr[-1]
    blocks[0, 0] = 0
    blocks[0, 2] = 0
    entries = 0
    block = 0
    for c in range(num_coarse):
        if entries >= (block + 1) * share:
            blocks[block, 1] = c
            block += 1
            blocks[block, 0] = c
            blocks[block, 2] = entries
        for i in range(first[c], first[c + 1]):
            entries += indptr[members[i] + 1] - indptr[members[i]]
    return blocks


@njit(cache=True)
def _sort(columns, values, begin, end):
    if end - begin <= SHORT:
        for i in range(begin + 1, end):
            column, value = columns[i], values[i]
            j = i
            while j > begin and columns[j - 1] > column:
                columns[j], values[j] = columns[j - 1], values[j - 1]
                j -= 1
            columns[j], values[j] = column, value
    else:
        order = np.argsort(columns[begin:end])
        columns[begin:end] = columns[begin:end][order]
        values[begin:end] = values[begin:end][order]


@njit(cache=True, parallel=True)
def _merge_rows(indptr, indices, weights, parent, first, members, blocks):
    num_coarse = len(first) - 1
    columns = np.empty(len(indices), indices.dtype)
    values = np.empty(len(indices), np.float64)
    start = np.empty(num_coarse, np.int64)
    coarse_indptr = np.zeros(num_coarse + 1, np.int64)
    for block in prange(len(blocks)):
        slot = np.full(num_coarse, -1, np.int64)
        tail = blocks[block, 2]
        for c in range(blocks[block, 0], blocks[block, 1]):
            begin = tail
            for i in range(first[c], first[c + 1]):
                u = members[i]
                for at in range(indptr[u], indptr[u + 1]):
                    column = parent[indices[at]]
                    if slot[column] >= begin:
                        values[slot[column]] += weights[at]
                    else:
                        slot[column] = tail
                        columns[tail] = column
                        values[tail] = weights[at]
                        tail += 1
            _sort(columns, values, begin, tail)
            start[c] = begin
            coarse_indptr[c + 1] = tail - begin
    for c in range(num_coarse):
        coarse_indptr[c + 1] += coarse_indptr[c]
    coarse_indices = np.empty(coarse_indptr[-1], indices.dtype)
    coarse_weights = np.empty(coarse_indptr[-1], np.float64)
    for c in prange(num_coarse):
        begin, length = coarse_indptr[c], coarse_indptr[c + 1] - coarse_indptr[c]
        coarse_indices[begin : begin + length] = columns[start[c] : start[c] + length]
        coarse_weights[begin : begin + length] = values[start[c] : start[c] + length]
    return coarse_indptr, coarse_indices, coarse_weights
