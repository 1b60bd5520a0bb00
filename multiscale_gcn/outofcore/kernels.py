"""The loops that are compiled: rows that are cut, copied and added up."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.compiled.kernel import kernel
from multiscale_gcn.graph import Graph

TWO = np.uint64(2)


def coarse_cuts(indptr: np.ndarray, mate: np.ndarray, most: int) -> np.ndarray:
    """Rows at which parts begin, and the end: the coarse rows whose first members lie in a part
    have at most so many entries together, unless they are one, and it at most so many rows."""
    cuts = np.empty(len(mate) + 1, np.int64)
    count = _cut(indptr, mate, most, cuts)
    return cuts[:count].copy()


@kernel()
def _cut(indptr, mate, most, cuts):
    cuts[0] = 0
    count = 1
    entries = np.int64(0)
    for u in range(len(mate)):
        length = np.int64(0)
        v = np.int64(mate[u])
        if v >= u:
            length = indptr[u + 1] - indptr[u]
            if v > u:
                length += indptr[v + 1] - indptr[v]
        begin = cuts[count - 1]
        if u > begin and (entries + length > most or u - begin >= most):
            cuts[count] = u
            count += 1
            entries = np.int64(0)
        entries += length
    if len(mate) > 0:
        cuts[count] = len(mate)
        count += 1
    return count


def copy_rows(graph: Graph, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lengths of rows, and their columns and weights one after the other."""
    begins = graph.indptr[rows]
    lengths = graph.indptr[rows + 1] - begins
    to = np.cumsum(lengths) - lengths
    total = int(lengths.sum())
    columns, weights = np.empty(total, graph.indices.dtype), np.empty(total)
    copy_to(to, lengths, begins, (graph.indices, graph.weights), columns, weights)
    return lengths, columns, weights


@kernel()
def copy_to(to, lengths, begins, source, columns, weights):
    """Copy stretches of so many entries, which begin there, to these places."""
    from_columns, from_weights = source
    for i in range(len(to)):
        target, begin = to[i], begins[i]
        for at in range(lengths[i]):
            columns[target + at] = from_columns[begin + at]
            weights[target + at] = from_weights[begin + at]


@kernel()
def add_up(weights, parent, num_coarse):
    """Of each coarse node the weights of its members, in their order."""
    total = np.zeros(num_coarse)
    for u in range(len(parent)):
        total[parent[u]] += weights[u]
    return total


def scatter(
    first: np.ndarray,  # [E] int64
    second: np.ndarray,  # [E] int64
    weights: np.ndarray,  # [E], or none
    bounds: np.ndarray,  # of the ranges of rows
    key_type: type,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The entries of both ends, by the range that their rows lie in, otherwise in their order.

    Returns
    -------
    rows : array of uint32
        Within the range.
    keys : array of key_type
        Twice the column, and 1 more where the column came first.
    weights : array of float64
    ends : array of int64
        Where the entries of each range end.
    """
    most = 2 * len(first)
    rows: np.ndarray = np.empty(most, np.uint32)
    keys: np.ndarray = np.empty(most, key_type)
    values = np.empty(most if len(weights) else 0)
    ends = np.zeros(len(bounds), np.int64)
    _scatter(first, second, weights, bounds, (rows, keys, values), ends)
    total = int(ends[-1]) if len(ends) else 0
    return rows[:total], keys[:total], values[:total], ends[:-1]


@kernel()
def _range_of(row, bounds):
    low, high = 0, len(bounds) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if bounds[middle] <= row:
            low = middle
        else:
            high = middle
    return low


@kernel()
def _scatter(first, second, weights, bounds, to, ends):
    rows, keys, values = to
    for i in range(len(first)):
        u, v = first[i], second[i]
        ends[_range_of(u, bounds)] += 1
        if u != v:
            ends[_range_of(v, bounds)] += 1
    total = np.int64(0)
    for at in range(len(ends)):
        count = ends[at]
        ends[at] = total
        total += count
    for i in range(len(first)):
        u, v = first[i], second[i]
        for back in range(1 if u == v else 2):
            at = _range_of(u, bounds)
            place = ends[at]
            ends[at] += 1
            rows[place] = u - bounds[at]
            keys[place] = 2 * v + back
            if len(weights) > 0:
                values[place] = weights[i]
            u, v = v, u
    ends[len(ends) - 1] = total


@kernel()
def by_row(rows, keys, weights, num_rows):
    """The entries row by row, otherwise in their order, and pointers to the rows."""
    pointers = np.zeros(num_rows + 1, np.int64)
    for row in rows:
        pointers[row + 1] += 1
    for row in range(num_rows):
        pointers[row + 1] += pointers[row]
    place = pointers[:-1].copy()
    sorted_keys, sorted_weights = np.empty_like(keys), np.empty_like(weights)
    for i in range(len(rows)):
        at = place[rows[i]]
        place[rows[i]] += 1
        sorted_keys[at] = keys[i]
        sorted_weights[at] = weights[i]
    return pointers, sorted_keys, sorted_weights


@kernel()
def agree(first_row, indptr, keys, weights, rule, counts, first):
    """Make one entry of the two directions of each, in place; returns the lengths of the rows.

    Rules: 0 and 1, the weight that is there; 2, the larger; 3, the mean; 4, the sum, where one that
    is not there is 0. ``counts`` and ``first`` are told how many entries stand in one direction,
    both, both with different weights, are infinite, and no whole numbers, and where the first of
    each is.
    """
    num_rows = len(indptr) - 1
    lengths = np.zeros(num_rows, np.int64)
    tail = np.int64(0)
    for row in range(num_rows):
        at, begin = indptr[row], tail
        while at < indptr[row + 1]:
            column = np.int64(keys[at] // TWO)
            loop = column == first_row + row
            there, back, both = weights[at], 0.0, False
            at += 1
            if at < indptr[row + 1] and np.int64(keys[at] // TWO) == column:
                back, both = weights[at], True
                at += 1
            if loop:
                back = there
            if rule == 2:
                weight = max(there, back)
            elif rule == 3:
                weight = (there + back) / 2
            elif rule == 4:
                weight = there + back
            else:
                weight = there
            for which in range(5):
                if which == 0:
                    found = not both and not loop
                elif which == 1:
                    found = both
                elif which == 2:
                    found = both and there != back
                elif which == 3:
                    found = weight == np.inf
                else:
                    found = weight != np.floor(weight)
                if found:
                    if counts[which] == 0:
                        first[which, 0], first[which, 1] = first_row + row, column
                    counts[which] += 1
            keys[tail] = column
            weights[tail] = weight
            tail += 1
        lengths[row] = tail - begin
    return lengths


@kernel()
def first_one_sided(indptr, indices, values, next_of):
    """An edge whose value in one direction is not that of the other, or (-1, -1).

    Rows are gone through in their order, so the entries of a column come in that order too:
    ``next_of`` of a row, its beginning at first, is the next of its entries to be met.
    """
    for u in range(len(indptr) - 1):
        for at in range(indptr[u], indptr[u + 1]):
            v = indices[at]
            back = next_of[v]
            next_of[v] += 1
            if v > u and values[back] != values[at]:
                return u, np.int64(v)
    return np.int64(-1), np.int64(-1)
