"""P^T A P in Numba, by any number of threads.

Every thread adds up a range of coarse rows in a table of slots of its own, then sorts them by
column while it copies them to where they belong.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange

from multiscale_gcn.graph import LARGEST_INT32, Graph

ENTRIES_PER_THREAD = 1 << 15
"""A thread's share is at least so large; smaller graphs take fewer threads."""
SHORT = 48
"""Rows up to this length are sorted by insertion, longer ones by radix."""
DIGIT = 10
"""Bits of a column that one pass of the radix sort looks at."""


def aggregate(graph: Graph, parent: np.ndarray, num_coarse: int) -> Graph:
    num_blocks = max(1, min(get_num_threads(), graph.num_entries // ENTRIES_PER_THREAD))
    # Large arrays are allocated here, not in the kernels: NumPy asks the system for huge pages.
    ids = graph.indices.dtype
    places = np.int32 if graph.num_entries <= LARGEST_INT32 else np.int64
    first = np.zeros(num_coarse + 1, ids)
    members = np.empty(graph.num_nodes, ids)
    bounds = np.empty(num_blocks + 1, np.int64)
    begin = np.empty(num_coarse + 1, np.int64)
    _group(parent, graph.indptr, first, members, begin, bounds)

    columns = np.empty(graph.num_entries, ids)
    values = np.empty(graph.num_entries, np.float64)
    indptr = np.zeros(num_coarse + 1, np.int64)
    slot = np.full((num_blocks, num_coarse), -1, places)
    fine = (graph.indptr, graph.indices, graph.weights, parent)
    coarse = (first, members, begin, columns, values)
    add_up = _add_up_blocks if num_blocks > 1 else _add_up_only_block
    add_up(bounds, fine, coarse, slot, indptr)
    longest = int(indptr.max())
    np.cumsum(indptr, out=indptr)

    indices = np.empty(indptr[-1], ids)
    weights = np.empty(indptr[-1], np.float64)
    keys = np.empty((num_blocks, 2, longest), np.uint64)
    passes = -(-max(num_coarse - 1, 1).bit_length() // DIGIT)
    copy_sorted = _copy_sorted_blocks if num_blocks > 1 else _copy_sorted_only_block
    copy_sorted(bounds, coarse, keys, passes, indptr, indices, weights)
    node_weights = np.bincount(parent, weights=graph.node_weights, minlength=num_coarse)
    return Graph.from_valid(indptr, indices, weights, node_weights, graph.quantum)


@njit(cache=True)
def _group(parent, indptr, first, members, begin, bounds):
    """Members of coarse node c, in increasing order: members[first[c]:first[c + 1]]; the number
    of entries before it, begin[c]; and ranges of nodes with about equally many entries, bounds."""
    num_coarse = len(first) - 1
    for c in parent:
        first[c + 1] += 1
    for c in range(num_coarse):
        first[c + 1] += first[c]
    begin[:] = 0
    for u in range(len(parent)):
        c = parent[u]
        members[first[c]] = u
        first[c] += 1
        begin[c + 1] += indptr[u + 1] - indptr[u]
    for c in range(num_coarse, 0, -1):
        first[c] = first[c - 1]
    first[0] = 0
    num_blocks = len(bounds) - 1
    share = indptr[-1] // num_blocks + 1
    bounds[:] = num_coarse
    bounds[0] = 0
    block = 1
    for c in range(num_coarse):
        if begin[c] >= block * share:
            bounds[block] = c
            block += 1
        begin[c + 1] += begin[c]


@njit(cache=True, parallel=True)
def _add_up_blocks(bounds, fine, coarse, slot, lengths):
    for block in prange(len(bounds) - 1):
        _add_up(bounds[block], bounds[block + 1], fine, coarse, slot[block], lengths)


@njit(cache=True)
def _add_up_only_block(bounds, fine, coarse, slot, lengths):
    _add_up(bounds[0], bounds[1], fine, coarse, slot[0], lengths)


@njit(cache=True)
def _add_up(low, high, fine, coarse, slot, lengths):
    """Coarse rows low to high, unsorted, row c at begin[c]; its length at lengths[c + 1]."""
    indptr, indices, weights, parent = fine
    first, members, begin, columns, values = coarse
    for c in range(low, high):
        start = begin[c]
        tail = start
        for i in range(first[c], first[c + 1]):
            u = members[i]
            for at in range(indptr[u], indptr[u + 1]):
                d = parent[indices[at]]
                to = slot[d]
                if to >= start:
                    values[to] += weights[at]
                else:
                    slot[d] = tail
                    columns[tail] = d
                    values[tail] = weights[at]
                    tail += 1
        lengths[c + 1] = tail - start


@njit(cache=True, parallel=True)
def _copy_sorted_blocks(bounds, coarse, keys, passes, indptr, indices, weights):
    for block in prange(len(bounds) - 1):
        low, high = bounds[block], bounds[block + 1]
        _copy_sorted(low, high, coarse, keys[block], passes, indptr, indices, weights)


@njit(cache=True)
def _copy_sorted_only_block(bounds, coarse, keys, passes, indptr, indices, weights):
    _copy_sorted(bounds[0], bounds[1], coarse, keys[0], passes, indptr, indices, weights)


@njit(cache=True)
def _copy_sorted(low, high, coarse, keys, passes, indptr, indices, weights):
    begin, columns, values = coarse[2], coarse[3], coarse[4]
    counts = np.empty(1 << DIGIT, np.int64)
    packed, other = keys[0], keys[1]
    for c in range(low, high):
        start = begin[c]
        to = indptr[c]
        length = indptr[c + 1] - to
        for i in range(length):
            packed[i] = (np.uint64(columns[start + i]) << np.uint64(32)) | np.uint64(i)
        if length <= SHORT:
            _sort_by_insertion(packed, length)
        else:
            _sort_by_radix(packed, other, length, passes, counts)
        for i in range(length):
            indices[to + i] = packed[i] >> np.uint64(32)
            weights[to + i] = values[start + np.int64(packed[i] & np.uint64(0xFFFFFFFF))]


@njit(cache=True)
def _sort_by_insertion(keys, length):
    for i in range(1, length):
        key = keys[i]
        j = i
        while j > 0 and keys[j - 1] > key:
            keys[j] = keys[j - 1]
            j -= 1
        keys[j] = key


@njit(cache=True)
def _sort_by_radix(keys, other, length, passes, counts):
    """Sort by the upper halves."""
    mask = np.uint64((1 << DIGIT) - 1)
    for digit in range(passes):
        shift = np.uint64(32 + digit * DIGIT)
        counts[:] = 0
        for i in range(length):
            counts[(keys[i] >> shift) & mask] += 1
        total = 0
        for value in range(1 << DIGIT):
            count = counts[value]
            counts[value] = total
            total += count
        for i in range(length):
            value = (keys[i] >> shift) & mask
            other[counts[value]] = keys[i]
            counts[value] += 1
        keys, other = other, keys
    if passes % 2 == 1:
        other[:length] = keys[:length]
