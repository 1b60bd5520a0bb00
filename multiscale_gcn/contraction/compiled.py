"""P^T A P in Numba, by any number of threads.

Every thread merges a range of coarse rows: it collects the entries of a row's members, sorts them
by coarse column, and adds up equal ones. Everything random happens within one row, in the cache.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange

from multiscale_gcn.graph import Graph

ENTRIES_PER_THREAD = 1 << 15
"""A thread's share is at least so large; smaller graphs take fewer threads."""
SHORT = 48
"""Rows up to this length are sorted by insertion, longer ones by radix."""
DIGIT = 10
"""Bits of a column that one pass of the radix sort looks at."""

LOWER_HALF = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def aggregate(graph: Graph, parent: np.ndarray, num_coarse: int) -> Graph:
    num_blocks = max(1, min(get_num_threads(), graph.num_entries // ENTRIES_PER_THREAD))
    # Large arrays are allocated here, not in the kernels: NumPy asks the system for huge pages.
    first = np.zeros(num_coarse + 1, graph.indices.dtype)
    members = np.empty(graph.num_nodes, graph.indices.dtype)
    bounds = np.empty(num_blocks + 1, np.int64)
    begin = np.empty(num_blocks + 1, np.int64)
    longest = _group(parent, graph.indptr, first, members, bounds, begin)

    indices = np.empty(graph.num_entries, graph.indices.dtype)
    weights = np.empty(graph.num_entries, np.float64)
    indptr = np.zeros(num_coarse + 1, np.int64)
    fine = (graph.indptr, graph.indices, graph.weights, parent)
    keys = np.empty((num_blocks, 2, longest), np.uint64)
    row = np.empty((num_blocks, longest), np.float64)
    passes = -(-max(num_coarse - 1, 1).bit_length() // DIGIT)
    merge = _merge_blocks if num_blocks > 1 else _merge_only_block
    merge(fine, first, members, bounds, begin, passes, keys, row, indices, weights, indptr)
    np.cumsum(indptr, out=indptr)

    for block in range(1, num_blocks):
        low, high = indptr[bounds[block]], indptr[bounds[block + 1]]
        for array in (indices, weights):
            array[low:high] = array[begin[block] : begin[block] + high - low]
    indices.resize(indptr[-1], refcheck=False)
    weights.resize(indptr[-1], refcheck=False)
    node_weights = np.bincount(parent, weights=graph.node_weights, minlength=num_coarse)
    return Graph.from_valid(indptr, indices, weights, node_weights, graph.quantum)


@njit(cache=True)
def _group(parent, indptr, first, members, bounds, begin):
    """Members of coarse node c, in increasing order: members[first[c]:first[c + 1]]; and ranges
    of nodes, bounds, with about equally many entries, begin. Returns the most of one node."""
    num_coarse = len(first) - 1
    for c in parent:
        first[c + 1] += 1
    for c in range(num_coarse):
        first[c + 1] += first[c]
    for u in range(len(parent)):
        c = parent[u]
        members[first[c]] = u
        first[c] += 1
    for c in range(num_coarse, 0, -1):
        first[c] = first[c - 1]
    first[0] = 0
    num_blocks = len(bounds) - 1
    share = indptr[-1] // num_blocks + 1
    bounds[:] = num_coarse
    begin[:] = indptr[-1]
    bounds[0] = 0
    begin[0] = 0
    block = 1
    entries = np.int64(0)
    longest = np.int64(0)
    for c in range(num_coarse):
        if entries >= block * share:
            bounds[block] = c
            begin[block] = entries
            block += 1
        length = np.int64(0)
        for i in range(first[c], first[c + 1]):
            length += indptr[members[i] + 1] - indptr[members[i]]
        entries += length
        longest = max(longest, length)
    return longest


@njit(cache=True, parallel=True)
def _merge_blocks(
    fine, first, members, bounds, begin, passes, keys, row, indices, weights, lengths
):
    for block in prange(len(bounds) - 1):
        _merge(
            fine, first, members, bounds[block], bounds[block + 1], begin[block], passes,
            keys[block, 0], keys[block, 1], row[block], indices, weights, lengths,
        )  # fmt: skip


@njit(cache=True)
def _merge_only_block(
    fine, first, members, bounds, begin, passes, keys, row, indices, weights, lengths
):
    _merge(
        fine, first, members, bounds[0], bounds[1], begin[0], passes,
        keys[0, 0], keys[0, 1], row[0], indices, weights, lengths,
    )  # fmt: skip


@njit(cache=True)
def _merge(
    fine, first, members, low, high, tail, passes, keys, other, row, indices, weights, lengths
):
    """Coarse rows low to high, one after the other from tail; row c has lengths[c + 1] entries."""
    fine_indptr, fine_indices, fine_weights, parent = fine
    counts = np.empty(1 << DIGIT, np.int64)
    for c in range(low, high):
        length = 0
        for i in range(first[c], first[c + 1]):
            u = members[i]
            for at in range(fine_indptr[u], fine_indptr[u + 1]):
                keys[length] = (np.uint64(parent[fine_indices[at]]) << HALF) | np.uint64(length)
                row[length] = fine_weights[at]
                length += 1
        if length <= SHORT:
            _sort_by_insertion(keys, length)
        else:
            _sort_by_radix(keys, other, length, passes, counts)
        begin = tail
        last = np.int64(-1)
        for i in range(length):
            column = np.int64(keys[i] >> HALF)
            weight = row[np.int64(keys[i] & LOWER_HALF)]
            if column == last:
                weights[tail - 1] += weight
            else:
                indices[tail] = column
                weights[tail] = weight
                tail += 1
                last = column
        lengths[c + 1] = tail - begin


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
        shift = HALF + np.uint64(digit * DIGIT)
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
