"""Contraction: rows of second nodes go to the owners of the first, and are merged there."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.checks.immutable import read_only
from multiscale_gcn.compiled.indexing import unsigned
from multiscale_gcn.compiled.kernel import kernel
from multiscale_gcn.compiled.prefetching import prefetch
from multiscale_gcn.contraction.on_cpu import (
    AHEAD,
    HALF,
    LOWER_HALF,
    MOST_AHEAD,
    SHORT,
    sort_keys,
)
from multiscale_gcn.supersteps.gaps import decoded, encoded
from multiscale_gcn.supersteps.messages import Mail, arrived, message
from multiscale_gcn.supersteps.neighbourhood import Neighbourhood
from multiscale_gcn.supersteps.pairs import by_owner
from multiscale_gcn.supersteps.partition import Partition

ONE = np.uint64(1)


def send_rows(
    parents: np.ndarray, part: Partition, near: Neighbourhood, bounds: np.ndarray
) -> Mail:
    """Rows of own nodes whose coarse node is another partition's, with coarse columns."""
    n = part.num_nodes
    parent = parents[:n].astype(np.int64)
    gone = np.flatnonzero(parent < bounds[part.index])
    lengths = np.diff(part.indptr)
    rows = _rows(parents, part, near)
    mail: Mail = {}
    for owner, chosen in by_owner(parent[gone], bounds):
        nodes = gone[chosen]
        count = int(lengths[nodes].sum())
        columns, weights = np.empty(count, parents.dtype), np.empty(count)
        merged = np.empty(len(nodes), np.int64)
        room = np.empty((2, int(lengths[nodes].max(initial=0))), np.uint64)
        kept = _take(
            nodes, *rows,
            _bits(bounds), room, merged, columns, weights,
        )  # fmt: skip
        mail[owner] = message(
            coarse=parent[nodes],
            lengths=merged,
            gaps=encoded(merged, columns[:kept]),
            weights=weights[:kept],
            node_weight=part.node_weights[nodes],
        )
    return mail


def merge_rows(
    parents: np.ndarray, part: Partition, near: Neighbourhood, bounds: np.ndarray, mail: Mail
) -> Partition:
    """The partition of the coarse graph, without constraints: these follow from the parents."""
    first_coarse = int(bounds[part.index])
    num_coarse = int(bounds[part.index + 1]) - first_coarse
    parent = parents[: part.num_nodes].astype(np.int64) - first_coarse
    own = np.flatnonzero(parent >= 0)
    received = arrived(mail, "coarse") - first_coarse
    received_ptr = np.concatenate([[0], np.cumsum(arrived(mail, "lengths"))]).astype(np.int64)
    lengths = np.bincount(parent[own], np.diff(part.indptr)[own], num_coarse).astype(np.int64)
    lengths += np.bincount(received, np.diff(received_ptr), num_coarse).astype(np.int64)
    total, longest = int(lengths.sum()), int(lengths.max(initial=0))
    id_type = part.indices.dtype
    indptr = np.zeros(num_coarse + 1, np.int64)
    indices, weights = np.empty(total, id_type), np.empty(total)
    members = np.full((num_coarse, 2), -1, np.int64)
    _place_members(parent, members)
    extra = np.full(num_coarse, -1, np.int64)
    extra[received] = np.arange(len(received))
    rows = _rows(parents, part, near)
    others = (
        unsigned(received_ptr),
        decoded(arrived(mail, "lengths"), arrived(mail, "gaps", np.uint8), parents.dtype),
        arrived(mail, "weights", np.float64),
    )
    room = np.empty((2, longest), np.uint64)
    entries = _merge(
        rows, others, members, extra, lengths, _bits(bounds), room, np.empty(longest),
        indptr, indices, weights,
    )  # fmt: skip
    indices.resize(entries, refcheck=False)
    weights.resize(entries, refcheck=False)
    node_weights = np.zeros(num_coarse)
    node_weights += np.bincount(parent[own], part.node_weights[own], num_coarse)
    node_weights += np.bincount(received, arrived(mail, "node_weight", np.float64), num_coarse)
    return Partition(part.index, bounds, indptr, indices, weights, node_weights)


def _rows(parents: np.ndarray, part: Partition, near: Neighbourhood) -> tuple[np.ndarray, ...]:
    """What kernels read of own rows."""
    indptr = read_only(unsigned(part.indptr))
    return indptr, read_only(near.columns), read_only(part.weights), read_only(parents)


def _bits(bounds: np.ndarray) -> int:
    """Of the largest coarse id."""
    return max(1, int(bounds[-1] - 1).bit_length())


@kernel()
def _place_members(parent, members):
    """Own members of every own coarse node."""
    for u in range(len(parent)):
        c = parent[u]
        if c >= 0:
            members[c, 1 if members[c, 0] >= 0 else 0] = u


@kernel()
def _take(nodes, indptr, local, weights, parents, bits, room, merged, columns, sums):
    """Rows of these nodes one after the other, each with increasing columns."""
    keys, spare = room[0], room[1]
    tail = np.uint64(0)
    counts = np.empty(1 << 10, np.int64)
    for i in range(len(nodes)):
        start, end = indptr[nodes[i]], indptr[nodes[i] + 1]
        length = np.uint64(0)
        for at in range(start, end):
            keys[length] = (np.uint64(parents[local[at]]) << HALF) | length
            length += ONE
        count = np.int64(length)
        if len(counts) < 2 * count:
            counts = np.empty(4 * count, np.int64)
        sorted_keys = sort_keys(keys, spare, count, bits, counts)
        begin, last = tail, np.int64(-1)
        for k in range(count):
            column = np.int64(sorted_keys[k] >> HALF)
            weight = weights[start + (sorted_keys[k] & LOWER_HALF)]
            if column == last:
                sums[tail - ONE] += weight
            else:
                columns[tail] = column
                sums[tail] = weight
                tail += ONE
                last = column
        merged[i] = tail - begin
    return tail


@kernel(inline="always")
def _insert(column, weight, begin, tail, indices, weights):
    """Into the sorted row from begin to tail; returns its end."""
    place = tail
    while place > begin and indices[place - ONE] > column:
        place -= ONE
    if place > begin and indices[place - ONE] == column:
        weights[place - ONE] += weight
    else:
        i = tail
        while i > place:
            indices[i] = indices[i - ONE]
            weights[i] = weights[i - ONE]
            i -= ONE
        indices[place] = column
        weights[place] = weight
        tail += ONE
    return tail


@kernel()
def _merge(rows, others, members, extra, lengths, bits, room, row, indptr, indices, weights):
    """Coarse rows one after the other; returns how many entries there are."""
    fine_indptr, local, fine_weights, parents = rows
    other_indptr, other_columns, other_weights = others
    keys, spare = room[0], room[1]
    tail = np.uint64(0)
    counts = np.empty(1 << 10, np.int64)
    for c in range(len(extra)):
        if c + AHEAD < len(extra) and lengths[c + AHEAD] > SHORT:
            for k in range(2):
                ahead = members[c + AHEAD, k]
                if ahead >= 0:
                    start = fine_indptr[ahead]
                    end = min(fine_indptr[ahead + 1], start + np.uint64(MOST_AHEAD))
                    prefetch(local, start, end)
                    prefetch(fine_weights, start, end)
        begin = tail
        if lengths[c] <= SHORT:
            for k in range(2):
                u = members[c, k]
                if u >= 0:
                    for at in range(fine_indptr[u], fine_indptr[u + 1]):
                        column = parents[local[at]]
                        weight = fine_weights[at]
                        tail = _insert(column, weight, begin, tail, indices, weights)
            if extra[c] >= 0:
                for at in range(other_indptr[extra[c]], other_indptr[extra[c] + 1]):
                    column = other_columns[at]
                    weight = other_weights[at]
                    tail = _insert(column, weight, begin, tail, indices, weights)
            indptr[c + 1] = tail
            continue
        length = np.uint64(0)
        for k in range(2):
            u = members[c, k]
            if u >= 0:
                for at in range(fine_indptr[u], fine_indptr[u + 1]):
                    keys[length] = (np.uint64(parents[local[at]]) << HALF) | length
                    row[length] = fine_weights[at]
                    length += ONE
        if extra[c] >= 0:
            for at in range(other_indptr[extra[c]], other_indptr[extra[c] + 1]):
                keys[length] = (np.uint64(other_columns[at]) << HALF) | length
                row[length] = other_weights[at]
                length += ONE
        count = np.int64(length)
        if len(counts) < 2 * count:
            counts = np.empty(4 * count, np.int64)
        sorted_keys = sort_keys(keys, spare, count, bits, counts)
        last = np.int64(-1)
        for i in range(count):
            column = np.int64(sorted_keys[i] >> HALF)
            weight = row[sorted_keys[i] & LOWER_HALF]
            if column == last:
                weights[tail - ONE] += weight
            else:
                indices[tail] = column
                weights[tail] = weight
                tail += ONE
                last = column
        indptr[c + 1] = tail
    return tail
