"""Fewer pairs, so that a level gets exactly the size that was asked for."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.compiled.hashing import mix64, mix64_array
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import NodeConstraints
from multiscale_gcn.matching.matching import Matching, PairKind
from multiscale_gcn.matching.options import MatchingOptions
from multiscale_gcn.matching.positions import NodePositions
from multiscale_gcn.ratings import NodeTerms
from multiscale_gcn.ratings.values import entries_at

TieKey = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def truncate(
    graph: Graph,
    method: MatchingOptions,
    of_nodes: NodeConstraints,
    matching: Matching,
    max_pairs: np.ndarray,  # [number of members], of a batch, else one
) -> Matching:
    """Keep the pairs of the smallest merged node weight, for each member of a batch.

    Of equal ones edges come before two-hop pairs and these before isolated ones, then the order
    of the edges decides, in which two nodes without an edge have the rating 0, and isolated ones
    whose positions are known the nearer the better. Under a symmetry a pair and its image are kept
    together, so one pair fewer than allowed may be kept.
    """
    pairs = matching.pairs()
    if len(pairs) == 0:
        return matching
    member = of_nodes.member[pairs[:, 0]]
    merged = graph.node_weights[pairs].sum(axis=1)
    certain, open_ = _split(merged, max_pairs, of_nodes)
    keys = _keys(graph, method, of_nodes, pairs[open_], matching.kind[pairs[open_, 0]])
    ranked = open_[np.lexsort((*reversed(keys), merged[open_], member[open_]))]
    room = max_pairs - np.bincount(member[certain], minlength=len(max_pairs))
    chosen = np.concatenate([certain, _fill(ranked, pairs, member, of_nodes.mirror, room)])
    kept = pairs[chosen]

    mate = np.arange(matching.num_nodes, dtype=matching.mate.dtype)
    kind = np.zeros_like(matching.kind)
    mate[kept] = kept[:, ::-1]
    kind[kept] = matching.kind[kept]
    return Matching._of_valid(mate=mate, kind=kind)


def _split(
    merged: np.ndarray, max_pairs: np.ndarray, of_nodes: NodeConstraints
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the pairs that are surely kept, and of those that must be ranked."""
    everything = np.arange(len(merged))
    if of_nodes:
        return everything[:0], everything
    allowed = int(max_pairs[0])
    cut = np.partition(merged, allowed)[allowed] if allowed < len(merged) else np.inf
    return np.flatnonzero(merged < cut), np.flatnonzero(merged == cut)


def _fill(
    ranked: np.ndarray,
    pairs: np.ndarray,
    member: np.ndarray,
    mirror: np.ndarray,
    room: np.ndarray,
) -> np.ndarray:
    """The first of the ranked pairs for which there is room, together with their images."""
    images = np.sort(mirror[pairs[ranked]], axis=1)
    if (images == pairs[ranked]).all():
        place = np.arange(len(ranked)) - np.searchsorted(member[ranked], member[ranked])
        first: np.ndarray = ranked[place < room[member[ranked]]]
        return first
    position = {(int(u), int(v)): at for at, (u, v) in zip(ranked, pairs[ranked], strict=True)}
    room = room.copy()
    chosen: list[int] = []
    taken: set[int] = set()
    for at, image in zip(ranked.tolist(), images.tolist(), strict=True):
        orbit = {at, int(position[image[0], image[1]])}
        if at not in taken and len(orbit) <= room[member[at]]:
            room[member[at]] -= len(orbit)
            chosen.extend(orbit)
            taken |= orbit
    return np.array(chosen, dtype=np.int64)


def _keys(
    graph: Graph,
    method: MatchingOptions,
    of_nodes: NodeConstraints,
    pairs: np.ndarray,  # [p, 2], smaller id first
    kind: np.ndarray,  # [p]
) -> tuple[np.ndarray, ...]:  # most significant first
    u, v = pairs.T
    on_edge = kind == PairKind.EDGE
    rating = np.zeros(len(pairs))
    weights = method.rating.entries(graph)[entries_at(graph, u[on_edge], v[on_edge])]
    terms = NodeTerms.of(graph)
    rating[on_edge] = method.rating.edge(weights, u[on_edge], v[on_edge], terms)
    if isinstance(method.positions, NodePositions):
        apart = kind == PairKind.ISOLATED
        rating[apart] = -method.positions.squared_distances(u[apart], v[apart])
    neighbours = graph.degrees()
    ids, mirror = of_nodes.local_ids, of_nodes.mirror
    tie = _tie_key(ids[u], ids[v], method.seed)
    image = _tie_key(ids[mirror[u]], ids[mirror[v]], method.seed)
    return (kind, -rating, neighbours[u] + neighbours[v], *_smaller(tie, image))


def _tie_key(u: np.ndarray, v: np.ndarray, seed: int) -> TieKey:
    first, second = np.minimum(u, v), np.maximum(u, v)
    mixed = np.uint64(mix64(seed))
    hashes = mix64_array(mix64_array(mixed ^ first.astype(np.uint64)) ^ second.astype(np.uint64))
    return first ^ second, ~hashes, first, second


def _smaller(a: TieKey, b: TieKey) -> tuple[np.ndarray, ...]:
    """Of each two keys the one that comes first lexicographically."""
    take_b = np.zeros(len(a[0]), dtype=np.bool_)
    undecided = ~take_b
    for ours, theirs in zip(a, b, strict=True):
        take_b |= undecided & (theirs < ours)
        undecided &= theirs == ours
    return tuple(np.where(take_b, y, x) for x, y in zip(a, b, strict=True))
