"""P^T A P in Numba, by any number of threads.

Every thread merges a range of coarse rows: it collects the entries of a row's members, sorts them
by coarse column, and adds up equal ones. Everything random happens within one row, in the cache.

A small graph is in the cache as a whole, and is merged without sorting: it is symmetric, so its
columns, taken one after the other, append to each row what it has there, in increasing order.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from multiscale_gcn.compiled.indexing import unsigned
from multiscale_gcn.compiled.kernel import kernel
from multiscale_gcn.compiled.prefetching import prefetch
from multiscale_gcn.compiled.threads import threads_to_use
from multiscale_gcn.graph import Graph
from multiscale_gcn.matching.matching import Matching

ENTRIES_PER_THREAD = 1 << 15
"""A thread's share is at least so large; smaller graphs take fewer threads."""
SMALL = 2 * ENTRIES_PER_THREAD
"""Graphs with fewer entries are merged by columns, which takes one thread."""
SHORT = 24
"""Rows up to this length are merged by insertion; longer ones are sorted first."""
CROWDED = 64
"""More entries than this in one bucket, and the row is sorted by radix instead."""
AHEAD = 4
"""So many coarse rows before it is merged, a row's entries are fetched from memory."""
MOST_AHEAD = 128
"""Of one member's entries; the processor itself goes on with what follows."""
DIGIT = 10
"""Bits of a column that one pass of the radix sort looks at."""

ONE = np.uint64(1)
LOWER_HALF = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def contract(graph: Graph, matching: Matching) -> tuple[Graph, np.ndarray]:
    """The coarse graph of pairs, and the coarse node of every node, numbered by first members."""
    num_coarse = graph.num_nodes - matching.num_pairs
    parents = np.empty_like(matching.mate)
    parent = unsigned(parents)
    clusters, node_weights, coarse = _room(graph, num_coarse)
    longest = _place_pairs(
        unsigned(matching.mate), parent, unsigned(graph.indptr), graph.node_weights,
        clusters, node_weights, coarse[2],
    )  # fmt: skip
    return _merged(graph, parent, clusters, node_weights, coarse, longest), parents


def aggregate(graph: Graph, parent: np.ndarray, num_coarse: int) -> Graph:
    parent = unsigned(parent)
    clusters, node_weights, coarse = _room(graph, num_coarse)
    longest = _order_members(
        parent, unsigned(graph.indptr), graph.node_weights, clusters, node_weights, coarse[2]
    )
    return _merged(graph, parent, clusters, node_weights, coarse, longest)


def _room(graph: Graph, num_coarse: int):
    """For clusters, coarse node weights, and the arrays of the coarse graph. Large arrays are
    allocated here, not in the kernels: NumPy asks the system for huge pages."""
    first = np.empty(num_coarse + 1, graph.indices.dtype)
    members = unsigned(np.empty(graph.num_nodes, graph.indices.dtype))
    indices = np.empty(graph.num_entries, graph.indices.dtype)
    weights = np.empty(graph.num_entries, np.float64)
    indptr = np.empty(num_coarse + 1, np.int64)
    return (first, members), np.empty(num_coarse), (indices, weights, indptr)


def _merged(graph: Graph, parent, clusters, node_weights, coarse, longest: int) -> Graph:
    fine = (unsigned(graph.indptr), unsigned(graph.indices), graph.weights)
    if graph.num_entries < SMALL:
        entries = _merge_by_columns(fine, parent, clusters[1], coarse)
    else:
        num_coarse = len(node_weights)
        entries = merge_by_rows(fine, parent, clusters, coarse, int(longest), num_coarse)
    indices, weights, indptr = coarse
    indices.resize(entries, refcheck=False)
    weights.resize(entries, refcheck=False)
    return Graph._of_valid(indptr, indices, weights, node_weights, graph.quantum)


@kernel()
def _place_pairs(mate, parent, indptr, fine_node_weights, clusters, node_weights, lengths):
    """What :func:`_order_members` does, for pairs, which it numbers by their first members."""
    first, members = clusters
    c, place, longest = np.uint64(0), np.uint64(0), np.uint64(0)
    lengths[0] = 0
    for i in range(len(mate)):
        u = np.uint64(i)
        v = np.uint64(mate[u])
        if v < u:
            continue
        first[c] = place
        members[place] = u
        place += ONE
        parent[u] = c
        weight, length = fine_node_weights[u], indptr[u + ONE] - indptr[u]
        if v > u:
            members[place] = v
            place += ONE
            parent[v] = c
            weight += fine_node_weights[v]
            length += indptr[v + ONE] - indptr[v]
        node_weights[c] = weight
        c += ONE
        lengths[c] = length
        longest = max(longest, length)
    first[c] = place
    return longest


@kernel()
def _order_members(parent, indptr, fine_node_weights, clusters, node_weights, lengths):
    """The members of coarse node c, in increasing order: members[first[c]:first[c + 1]].
    lengths[c + 1] is how many entries they have; returns the most of one node."""
    first, members = clusters
    first[:] = 0
    node_weights[:] = 0.0
    lengths[:] = 0
    for u in range(len(parent)):
        c = parent[u]
        first[c] += 1
        node_weights[c] += fine_node_weights[u]
        lengths[c + 1] += indptr[u + 1] - indptr[u]
    end, longest = np.int64(0), np.int64(0)
    for c in range(len(first)):
        end += first[c]
        first[c] = end
        longest = max(longest, lengths[c])
    for u in range(len(parent) - 1, -1, -1):
        c = parent[u]
        first[c] -= 1
        members[first[c]] = u
    return longest


@kernel()
def _merge_by_columns(fine, parent, members, coarse):
    """Fill all rows at once, column by column, each from where its members' entries would stand
    one after the other, and close the gaps; returns how many entries there are."""
    fine_indptr, fine_indices, fine_weights = fine
    indices, weights, indptr = coarse
    num_coarse = len(indptr) - 1
    for row in range(num_coarse):
        indptr[row + 1] += indptr[row]
    end = indptr.copy()
    last_column = np.full(num_coarse, -1, np.int64)
    weights[:] = 0.0
    for u in members:
        column = np.int64(parent[u])
        for at in range(fine_indptr[u], fine_indptr[u + 1]):
            row = parent[fine_indices[at]]
            end[row] += last_column[row] != column
            last_column[row] = column
            place = np.uint64(end[row] - 1)
            indices[place] = column
            weights[place] += fine_weights[at]
    tail = np.int64(0)
    for row in range(num_coarse):
        begin = indptr[row]
        indptr[row] = tail
        for at in range(begin, end[row]):
            indices[tail] = indices[at]
            weights[tail] = weights[at]
            tail += 1
    indptr[num_coarse] = tail
    return tail


def merge_by_rows(fine, parent, clusters, coarse, longest, num_columns):
    """Merge ranges of rows in as many threads as there is work for; returns how many entries
    there are.

    Parameters
    ----------
    fine : tuple of arrays
        Pointers, columns and weights of the rows that merge.
    parent : array of int, or None
        The coarse node of each column; None: itself.
    clusters : tuple of arrays
        ``first`` and ``members``: coarse row c has the rows members[first[c]:first[c + 1]].
    coarse : tuple of arrays
        Indices and weights, with room for all entries, and ``indptr``, where indptr[c + 1] is how
        many entries the members of c have; it becomes the pointers.
    longest : int
        The most of these.
    num_columns : int
        Coarse nodes that there are, of which the rows may be a part.
    """
    indices, weights, indptr = coarse
    bits = max(1, max(num_columns - 1, 0).bit_length())
    # A key has 32 bits for a column, and as many for a place in the row.
    wide = bits > int(HALF) or longest > int(LOWER_HALF)
    with threads_to_use() as num_threads:
        num_blocks = 1 if wide else max(1, min(num_threads, len(indices) // ENTRIES_PER_THREAD))
        bounds = np.empty(num_blocks + 1, np.int64)
        begin = np.empty(num_blocks + 1, np.int64)
        _share(indptr, bounds, begin)
        keys = np.empty((num_blocks, 2, 0 if wide else longest), np.uint64)
        row = np.empty((num_blocks, 0 if wide else longest), np.float64)
        if wide:
            _merge_wide(fine, parent, clusters, coarse)
        elif num_blocks == 1:
            _merge(fine, parent, clusters, 0, len(indptr) - 1, 0, bits, keys[0], row[0], coarse)
        else:
            _merge_blocks(fine, parent, clusters, bounds, begin, bits, keys, row, coarse)
    return _close_gaps(bounds, begin, indices, weights, indptr)


@kernel()
def _share(lengths, bounds, begin):
    """Ranges of coarse nodes, bounds, with about equally many entries, and where they begin."""
    num_coarse, num_blocks = len(lengths) - 1, len(bounds) - 1
    total = np.int64(0)
    for length in lengths:
        total += length
    bounds[:] = num_coarse
    begin[:] = total
    bounds[0] = 0
    begin[0] = 0
    if num_blocks == 1:
        return
    share = total // num_blocks + 1
    block = 1
    entries = np.int64(0)
    for c in range(num_coarse):
        if entries >= block * share:
            bounds[block] = c
            begin[block] = entries
            block += 1
        entries += lengths[c + 1]


@kernel(parallel=True)
def _merge_blocks(fine, parent, clusters, bounds, begin, bits, keys, row, coarse):
    for block in prange(len(bounds) - 1):
        low, high = bounds[block], bounds[block + 1]
        keys_and_other = keys[block]
        _merge(
            fine,
            parent,
            clusters,
            low,
            high,
            begin[block],
            bits,
            keys_and_other,
            row[block],
            coarse,
        )


@kernel()
def _merge(fine, parent, clusters, low, high, tail, bits, keys_and_other, row, coarse):
    """Coarse rows low to high, one after the other from tail; row c has lengths[c + 1] entries,
    and had as many of its members before. Columns have so many bits."""
    fine_indptr, fine_indices, fine_weights = fine
    first, members = clusters
    indices, weights, lengths = coarse
    keys, other = keys_and_other[0], keys_and_other[1]
    counts = np.empty(1 << DIGIT, np.int64)
    for c in range(low, high):
        if c + AHEAD < high and lengths[c + AHEAD + 1] > SHORT:
            for member in range(first[c + AHEAD], first[c + AHEAD + 1]):
                u = members[member]
                start = np.int64(fine_indptr[u])
                end = min(np.int64(fine_indptr[u + 1]), start + MOST_AHEAD)
                prefetch(fine_indices, start, end)
                prefetch(fine_weights, start, end)
        begin = tail
        if lengths[c + 1] <= SHORT:
            for member in range(first[c], first[c + 1]):
                u = members[member]
                for at in range(fine_indptr[u], fine_indptr[u + 1]):
                    column = fine_indices[at]
                    if parent is not None:
                        column = parent[column]
                    place = tail
                    while place > begin and indices[place - 1] > column:
                        place -= 1
                    if place > begin and indices[place - 1] == column:
                        weights[place - 1] += fine_weights[at]
                        continue
                    for i in range(tail, place, -1):
                        indices[i] = indices[i - 1]
                        weights[i] = weights[i - 1]
                    indices[place] = column
                    weights[place] = fine_weights[at]
                    tail += 1
            lengths[c + 1] = tail - begin
            continue
        length = np.int64(0)  # as a literal, functions that take it would be compiled for it
        for member in range(first[c], first[c + 1]):
            u = members[member]
            for at in range(fine_indptr[u], fine_indptr[u + 1]):
                column = fine_indices[at]
                if parent is not None:
                    column = parent[column]
                keys[length] = (np.uint64(column) << HALF) | np.uint64(length)
                row[length] = fine_weights[at]
                length += 1
        if len(counts) < 2 * length:
            counts = np.empty(4 * length, np.int64)
        sorted_keys = sort_keys(keys, other, length, bits, counts)
        last = np.int64(-1)
        for i in range(length):
            place = np.int64(sorted_keys[i] >> HALF)
            weight = row[np.int64(sorted_keys[i] & LOWER_HALF)]
            if place == last:
                weights[tail - 1] += weight
            else:
                indices[tail] = place
                weights[tail] = weight
                tail += 1
                last = place
        lengths[c + 1] = tail - begin


@kernel()
def _merge_wide(fine, parent, clusters, coarse):
    """All coarse rows, where a column and a place in the row do not go into one key."""
    fine_indptr, fine_indices, fine_weights = fine
    first, members = clusters
    indices, weights, lengths = coarse
    tail = 0
    for c in range(len(lengths) - 1):
        begin, length = tail, 0
        columns, row = np.empty(lengths[c + 1], np.int64), np.empty(lengths[c + 1], np.float64)
        for member in range(first[c], first[c + 1]):
            u = members[member]
            for at in range(fine_indptr[u], fine_indptr[u + 1]):
                column = fine_indices[at]
                if parent is not None:
                    column = parent[column]
                columns[length] = np.int64(column)
                row[length] = fine_weights[at]
                length += 1
        last = np.int64(-1)
        for i in np.argsort(columns, kind="mergesort"):
            if columns[i] == last:
                weights[tail - 1] += row[i]
            else:
                last = columns[i]
                indices[tail] = last
                weights[tail] = row[i]
                tail += 1
        lengths[c + 1] = tail - begin


@kernel()
def _bit_length(value):
    bits = 0
    while value >> bits:
        bits += 1
    return bits


@kernel()
def sort_keys(keys, other, length, bits, counts):
    """Sort by the upper halves, which have so many bits; returns the array that is sorted.

    There are about as many buckets, for the leading bits of a column, as there are entries, so
    that a bucket holds few of them unless the columns crowd.
    """
    leading = min(bits, _bit_length(length))
    shift = HALF + np.uint64(bits - leading)
    counts[: 1 << leading] = 0
    for i in range(length):
        counts[keys[i] >> shift] += 1
    total, most = np.int64(0), np.int64(0)
    for bucket in range(1 << leading):
        count = counts[bucket]
        counts[bucket] = total
        total += count
        most = max(most, count)
    if most > CROWDED:
        return _sort_by_radix(keys, other, length, bits, counts)
    for i in range(length):
        bucket = keys[i] >> shift
        other[counts[bucket]] = keys[i]
        counts[bucket] += 1
    for i in range(1, length):
        key = other[i]
        j = i
        while j > 0 and other[j - 1] > key:
            other[j] = other[j - 1]
            j -= 1
        other[j] = key
    return other


@kernel()
def _sort_by_radix(keys, other, length, bits, counts):
    mask = np.uint64((1 << DIGIT) - 1)
    for digit in range(-(-bits // DIGIT)):
        shift = HALF + np.uint64(digit * DIGIT)
        counts[: 1 << DIGIT] = 0
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
    return keys


@kernel()
def _close_gaps(bounds, begin, indices, weights, lengths):
    """Move the rows of all blocks together, and add their lengths up to pointers."""
    for c in range(1, len(lengths)):
        lengths[c] += lengths[c - 1]
    for block in range(1, len(bounds) - 1):
        low, high = lengths[bounds[block]], lengths[bounds[block + 1]]
        if low == begin[block]:
            continue
        shift = begin[block] - low
        for i in range(low, high):
            indices[i] = indices[i + shift]
            weights[i] = weights[i + shift]
    return lengths[-1]
