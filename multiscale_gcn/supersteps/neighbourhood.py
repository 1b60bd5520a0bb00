"""The nodes of a partition and those of others that its rows name, numbered from 0 together.

A partition's own nodes come first, by their ids, and then its ghosts: nodes of other partitions
that are neighbours of its own. The graph is symmetric, so whoever owns a ghost knows without being
told who has it as one, and both have the list in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from multiscale_gcn.checks.immutable import read_only
from multiscale_gcn.compiled.indexing import unsigned
from multiscale_gcn.compiled.kernel import kernel
from multiscale_gcn.supersteps.partition import Partition

WORD = np.uint64(6)
IN_WORD = np.uint64(63)
ONE = np.uint64(1)
PAIRS, FOURS, EIGHTS = (
    np.uint64(0x5555555555555555),
    np.uint64(0x3333333333333333),
    np.uint64(0x0F0F0F0F0F0F0F0F),
)
SUM = np.uint64(0x0101010101010101)


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Local numbers of what a partition sees, n own nodes and g ghosts.

    Parameters
    ----------
    columns : array of uint32, shape (nnz,)
        Of the partition's entries, as local numbers.
    ids : array of unsigned int, shape (n + g,)
        Of own nodes and ghosts.
    ghost_bounds : array of int64, shape (number of partitions + 1,)
        The ghosts that partition q owns are the local numbers from entry q to the next.
    shown : array of uint32
        Own nodes that are ghosts elsewhere, increasing for each partition, one after the other.
    shown_bounds : array of int64, shape (number of partitions + 1,)
    degree, loop : array of float64, shape (n,)
        Weighted degrees and self loops of own nodes.
    neighbours : array of uint32, shape (n,)
        Numbers of neighbours of own nodes.
    """

    columns: np.ndarray
    ids: np.ndarray
    ghost_bounds: np.ndarray
    shown: np.ndarray
    shown_bounds: np.ndarray
    degree: np.ndarray
    loop: np.ndarray
    neighbours: np.ndarray

    @property
    def peers(self) -> list[int]:
        """Partitions that have ghosts of this one; they are those that it has ghosts of."""
        return np.flatnonzero(np.diff(self.shown_bounds)).tolist()

    def shown_to(self, peer: int) -> np.ndarray:
        """Own nodes that are ghosts there, increasing."""
        return self.shown[self.shown_bounds[peer] : self.shown_bounds[peer + 1]]

    def ghosts_of(self, peer: int) -> slice:
        """Local numbers of the ghosts that this one owns."""
        return slice(int(self.ghost_bounds[peer]), int(self.ghost_bounds[peer + 1]))


def neighbourhood(part: Partition) -> Neighbourhood:
    """Number what a partition sees."""
    n, low, high = part.num_nodes, part.low, part.high
    id_type = np.uint32 if part.bounds[-1] < 2**32 else np.uint64
    indptr, indices = read_only(unsigned(part.indptr)), read_only(unsigned(part.indices))
    degree, loop = np.zeros(n), np.zeros(n)
    neighbours = np.zeros(n, np.uint32)
    marks = np.zeros((int(part.bounds[-1]) >> 6) + 1, np.uint64)
    _describe(indptr, indices, read_only(part.weights), low, high, degree, loop, neighbours, marks)
    ranks, count = _ranks(marks)
    ids = np.empty(n + count, id_type)
    ids[:n] = np.arange(low, high, dtype=np.int64)
    _list(marks, ids[n:])
    ghost_bounds = n + np.searchsorted(ids[n:], part.bounds.astype(id_type))
    owner = np.repeat(np.arange(part.num_partitions), np.diff(ghost_bounds)).astype(np.uint32)
    columns = np.empty(len(indices), np.uint32)
    lengths = np.zeros(part.num_partitions, np.int64)
    last = np.full(part.num_partitions, -1, np.int64)
    _translate(indptr, indices, low, high, marks, ranks, owner, columns, lengths, last)
    shown_bounds = np.concatenate([[0], np.cumsum(lengths)])
    shown = np.empty(shown_bounds[-1], np.uint32)
    last[:] = -1
    if count:
        _show(indptr, columns, n, owner, shown_bounds[:-1].copy(), last, shown)
    return Neighbourhood(columns, ids, ghost_bounds, shown, shown_bounds, degree, loop, neighbours)


@kernel()
def _describe(indptr, indices, weights, low, high, degree, loop, neighbours, marks):
    """Terms of own nodes, and a mark for every column outside."""
    for u in range(len(indptr) - 1):
        total, own = 0.0, 0.0
        loops = 0
        for at in range(indptr[u], indptr[u + 1]):
            v = np.int64(indices[at])
            total += weights[at]
            if v == low + u:
                own, loops = weights[at], 1
            elif v < low or v >= high:
                marks[np.uint64(v) >> WORD] |= ONE << (np.uint64(v) & IN_WORD)
        degree[u] = total
        loop[u] = own
        neighbours[u] = np.int64(indptr[u + 1]) - np.int64(indptr[u]) - loops


@kernel(inline="always")
def _ones(word):
    word = word - ((word >> ONE) & PAIRS)
    word = (word & FOURS) + ((word >> np.uint64(2)) & FOURS)
    word = (word + (word >> np.uint64(4))) & EIGHTS
    return (word * SUM) >> np.uint64(56)


@kernel()
def _ranks(marks):
    """How many marks there are before each word, and at all."""
    ranks = np.empty(len(marks), np.uint32)
    count = np.int64(0)
    for at in range(len(marks)):
        ranks[at] = count
        if marks[at]:
            count += np.int64(_ones(marks[at]))
    return ranks, count


@kernel()
def _list(marks, ids):
    count = 0
    for at in range(len(marks)):
        word = marks[at]
        while word:
            lowest = word & (~word + ONE)
            ids[count] = np.uint64(at) * np.uint64(64) + _ones(lowest - ONE)
            count += 1
            word ^= lowest


@kernel()
def _translate(indptr, indices, low, high, marks, ranks, owner, columns, lengths, last):
    """Local numbers of all columns; how many own nodes each partition has as ghosts."""
    n = np.int64(len(indptr) - 1)
    for u in range(n):
        for at in range(indptr[u], indptr[u + 1]):
            v = np.int64(indices[at])
            if low <= v < high:
                columns[at] = v - low
                continue
            place = np.uint64(v)
            before = marks[place >> WORD] & ((ONE << (place & IN_WORD)) - ONE)
            ghost = np.uint64(ranks[place >> WORD]) + _ones(before)
            columns[at] = n + np.int64(ghost)
            q = np.uint64(owner[ghost])
            lengths[q] += last[q] != u
            last[q] = u


@kernel()
def _show(indptr, columns, n, owner, ends, last, shown):
    for u in range(n):
        for at in range(indptr[u], indptr[u + 1]):
            v = np.int64(columns[at])
            if v < n:
                continue
            q = np.uint64(owner[np.uint64(v - n)])
            if last[q] != u:
                shown[ends[q]] = u
                ends[q] += 1
                last[q] = u
