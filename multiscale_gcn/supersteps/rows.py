"""Contraction: rows of second nodes go to the owners of the first, and are merged there."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.checks.immutable import read_only
from multiscale_gcn.compiled.indexing import unsigned
from multiscale_gcn.compiled.kernel import kernel
from multiscale_gcn.contraction.on_cpu import HALF, LOWER_HALF, SHORT, sort_keys
from multiscale_gcn.supersteps.messages import Mail, arrived, message
from multiscale_gcn.supersteps.neighbourhood import Neighbourhood
from multiscale_gcn.supersteps.pairs import by_owner
from multiscale_gcn.supersteps.partition import Partition


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
            columns=columns[:kept],
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
        arrived(mail, "columns", parents.dtype.type),
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
    np.add.at(node_weights, parent[own], part.node_weights[own])
    np.add.at(node_weights, received, arrived(mail, "node_weight", np.float64))
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
    tail = 0
    counts = np.empty(1 << 10, np.int64)
    for i in range(len(nodes)):
        u = nodes[i]
        start, end = np.int64(indptr[u]), np.int64(indptr[u + 1])
        length = end - start
        for k in range(length):
            room[0, k] = (np.uint64(parents[local[start + k]]) << HALF) | np.uint64(k)
        if len(counts) < 2 * length:
            counts = np.empty(4 * length, np.int64)
        keys = sort_keys(room[0], room[1], length, bits, counts)
        begin, last = tail, np.int64(-1)
        for k in range(length):
            column = np.int64(keys[k] >> HALF)
            weight = weights[start + np.int64(keys[k] & LOWER_HALF)]
            if column == last:
                sums[tail - 1] += weight
            else:
                columns[tail] = column
                sums[tail] = weight
                tail += 1
                last = column
        merged[i] = tail - begin
    return tail


@kernel()
def _insert(column, weight, begin, tail, indices, weights):
    """Into the sorted row from begin to tail; returns its end."""
    place = tail
    while place > begin and indices[place - 1] > column:
        place -= 1
    if place > begin and indices[place - 1] == column:
        weights[place - 1] += weight
        return tail
    for i in range(tail, place, -1):
        indices[i] = indices[i - 1]
        weights[i] = weights[i - 1]
    indices[place] = column
    weights[place] = weight
    return tail + 1


@kernel()
def _merge(rows, others, members, extra, lengths, bits, room, row, indptr, indices, weights):
    """Coarse rows one after the other; returns how many entries there are."""
    fine_indptr, local, fine_weights, parents = rows
    other_indptr, other_columns, other_weights = others
    tail = 0
    counts = np.empty(1 << 10, np.int64)
    for c in range(len(extra)):
        begin = tail
        short = lengths[c] <= SHORT
        length = 0
        for k in range(2):
            u = members[c, k]
            if u < 0:
                continue
            for at in range(fine_indptr[u], fine_indptr[u + 1]):
                column = np.int64(parents[local[at]])
                if short:
                    tail = _insert(column, fine_weights[at], begin, tail, indices, weights)
                else:
                    room[0, length] = (np.uint64(column) << HALF) | np.uint64(length)
                    row[length] = fine_weights[at]
                    length += 1
        if extra[c] >= 0:
            for at in range(other_indptr[extra[c]], other_indptr[extra[c] + 1]):
                column = np.int64(other_columns[at])
                if short:
                    tail = _insert(column, other_weights[at], begin, tail, indices, weights)
                else:
                    room[0, length] = (np.uint64(column) << HALF) | np.uint64(length)
                    row[length] = other_weights[at]
                    length += 1
        if not short:
            if len(counts) < 2 * length:
                counts = np.empty(4 * length, np.int64)
            keys = sort_keys(room[0], room[1], length, bits, counts)
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
        indptr[c + 1] = tail
    return tail
