"""Which pairs are kept, written down anew: all backends share the one that the library has."""

from __future__ import annotations

import networkx as nx
import numpy as np
from constrained_graphs import (
    constrained_graphs,
    crowded_graphs,
    symmetric_cliques,
    symmetric_pairs,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from multiscale_gcn import (
    Constraints,
    EdgeWeight,
    GivenRating,
    Graph,
    HeavyEdgeMatching,
    Matching,
    PairKind,
    as_graph,
    match,
)
from multiscale_gcn.matching.order import EdgeOrder, edge_hash

MASK = 2**64 - 1


def splitmix(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def first_of_its_kind(seed: int, u: int, v: int) -> tuple[int, int, int, int]:
    u, v = sorted((u, v))
    return u ^ v, MASK - splitmix(splitmix(splitmix(seed) ^ u) ^ v), u, v


def rated(graph: Graph) -> np.ndarray:
    """A rating of either sign, with ties."""
    u, v = graph.edge_index()
    return (graph.degrees()[u] + graph.degrees()[v] + graph.weights.astype(int)) % 4 - 2.0


def kept(
    graph: Graph, constraints: Constraints, whole: Matching, seed: int, allowed: list[int]
) -> set[tuple[int, int]]:
    """From the lightest on, with its image, as long as there is room in its member."""
    n = graph.num_nodes
    batch = np.zeros(n, int) if constraints.batch is None else constraints.batch
    mirror = np.arange(n) if constraints.symmetry is None else constraints.symmetry
    names = sorted(set(batch.tolist()))
    local = [u - batch.tolist().index(batch[u]) for u in range(n)]
    rating = dict(zip(zip(*graph.edge_index().tolist(), strict=True), rated(graph), strict=True))

    def key(pair: tuple[int, int]) -> tuple:
        u, v = pair
        kind = whole.kind[u]
        value = rating[u, v] if kind == PairKind.EDGE else 0.0
        own = first_of_its_kind(seed, local[u], local[v])
        image = first_of_its_kind(seed, local[mirror[u]], local[mirror[v]])
        merged = graph.node_weights[u] + graph.node_weights[v]
        degrees = graph.degrees()
        return merged, kind, -value, degrees[u] + degrees[v], min(own, image)

    pairs = {(u, int(v)) for u, v in enumerate(whole.mate) if u < v}
    result: set[tuple[int, int]] = set()
    room = dict(zip(names, allowed, strict=True))
    for u, v in sorted(pairs, key=key):
        a, b = sorted((int(mirror[u]), int(mirror[v])))
        orbit = {(u, v), (a, b)} - result
        if len(orbit) <= room[batch[u]]:
            room[batch[u]] -= len(orbit)
            result |= orbit
    return result


@settings(max_examples=max(600, settings().max_examples))
@given(
    constrained_graphs() | crowded_graphs() | symmetric_cliques() | symmetric_pairs(),
    st.sampled_from([0, 1, MASK]),
    st.none() | st.integers(3, 8),
    st.data(),
)
def test_the_first_pairs_are_kept(drawn, seed: int, most, data) -> None:
    graph, options = drawn
    constraints = Constraints.of(graph, **options)
    method = HeavyEdgeMatching(rating=GivenRating(rated), seed=seed, max_node_weight=most)
    whole = match(graph, method, constraints=constraints)
    members = 1 if constraints.batch is None else len(set(constraints.batch.tolist()))
    if graph.num_nodes == 0:
        return
    allowed = data.draw(st.lists(st.integers(0, 6), min_size=members, max_size=members))
    found = match(graph, method, constraints=constraints, max_pairs=np.array(allowed))
    expected = kept(graph, constraints, whole, seed, allowed)
    assert set(map(tuple, found.pairs().tolist())) == expected
    assert all(found.kind[u] == whole.kind[u] for pair in expected for u in pair)


def test_each_member_has_a_number_of_its_own() -> None:
    two = as_graph(np.kron(np.eye(2), 1 - np.eye(2)))
    constraints = Constraints.of(two, batch=[0, 0, 1, 1])
    for allowed, mate in (([9, 0], [1, 0, 2, 3]), ([0, 9], [0, 1, 3, 2])):
        found = match(two, constraints=constraints, max_pairs=np.array(allowed))
        assert found.mate.tolist() == mate


def test_an_edge_comes_before_two_that_wait_however_badly_it_is_rated() -> None:
    """A star beside an edge; all merged weights are equal."""
    ids = np.array([[0, 0, 0, 4], [1, 2, 3, 5]])
    graph = as_graph(ids, kind="edge_index", symmetrize=True)
    method = HeavyEdgeMatching(rating=GivenRating(lambda g: np.full(g.num_entries, -1.0)))
    assert np.bincount(match(graph, method).kind).tolist() == [0, 4, 2]
    for most in (1, 2):
        assert np.bincount(match(graph, method, max_pairs=most).kind)[1:].tolist() == [2 * most]


def test_of_pairs_that_weigh_the_same_those_with_fewest_neighbours_in_all_are_kept() -> None:
    """3 + 3, 1 + 4 and 1 + 6 of them: neither the larger, nor the smaller, nor the ids decide."""
    built = nx.empty_graph(18)
    built.add_edges_from([(0, 2), (0, 3), (1, 4), (1, 5), (10, 6), (10, 7), (10, 8)])
    built.add_edges_from((12, leaf) for leaf in range(13, 18))
    built.add_edges_from([(0, 1), (9, 10), (11, 12)], weight=2)
    graph, method = as_graph(built), HeavyEdgeMatching(rating=EdgeWeight())
    assert match(graph, method, max_pairs=1).pairs().tolist() == [[9, 10]]
    assert match(graph, method, max_pairs=2).pairs().tolist() == [[0, 1], [9, 10]]
    assert match(graph, method, max_pairs=3).pairs().tolist() == [[0, 1], [9, 10], [11, 12]]


def mirrored(pairs: list[tuple[int, int]], images: list[tuple[int, int]], n: int) -> np.ndarray:
    mirror = np.arange(n)
    for (u, v), (a, b) in zip(pairs, images, strict=True):
        mirror[[u, v, a, b]] = a, b, u, v
    return mirror


def test_a_pair_and_its_image_stand_where_the_better_of_them_does() -> None:
    """The ids of two of them differ by 1 and by 4, those of the others by 2 and by 3."""
    pairs, images = [(0, 1), (8, 10)], [(2, 6), (12, 15)]
    graph = as_graph(pairs + images, kind="edge_list", symmetrize=True, num_nodes=16)
    constraints = Constraints.of(graph, symmetry=mirrored(pairs, images, 16))
    found = match(graph, constraints=constraints, max_pairs=2)
    assert found.pairs().tolist() == [[0, 1], [2, 6]]


def test_where_two_pairs_have_no_room_a_heavier_one_without_an_image_is_kept() -> None:
    pairs, images = [(0, 1)], [(2, 3)]
    edges = [*pairs, *images, (4, 5)]
    graph = as_graph(edges, kind="edge_list", symmetrize=True, node_weights=[1, 1, 1, 1, 2, 2])
    constraints = Constraints.of(graph, symmetry=mirrored(pairs, images, 6))
    for most, kept_pairs in ((1, [[4, 5]]), (2, [[0, 1], [2, 3]])):
        found = match(graph, constraints=constraints, max_pairs=most)
        assert found.pairs().tolist() == kept_pairs


@given(crowded_graphs(), st.sampled_from([2**63, 2**64 - 1]))
def test_more_pairs_than_can_be_counted_are_all(drawn, most: int) -> None:
    graph, options = drawn
    constraints = Constraints.of(graph, **options)
    whole = match(graph, constraints=constraints)
    assert match(graph, constraints=constraints, max_pairs=np.array([most], np.uint64)) == whole


@given(symmetric_cliques() | symmetric_pairs(), st.sampled_from([0, 1, MASK]))
def test_an_edge_and_its_image_have_one_place_in_the_order(drawn, seed: int) -> None:
    """That of the better of the two; the ends of each may come in either order."""
    graph, options = drawn
    constraints = Constraints.of(graph, **options)
    local, mirror = constraints.local_ids(graph.num_nodes), options["symmetry"]
    order = EdgeOrder(graph, EdgeWeight(), seed, constraints)
    degrees = graph.degrees().tolist()
    for u, v in graph.edge_index().T.tolist():
        own = first_of_its_kind(seed, int(local[u]), int(local[v]))
        image = first_of_its_kind(seed, int(local[mirror[u]]), int(local[mirror[v]]))
        rating, neighbours, xor, minus_hash, *ids = order.key(u, v, 1.0)
        assert (rating, neighbours) == (-1.0, degrees[u] + degrees[v])
        assert (xor, MASK + minus_hash, *ids) == min(own, image)


@given(st.integers(0, MASK), st.integers(0, 2**40), st.integers(0, 2**40))
def test_the_hash_is_of_the_smaller_id_first(seed: int, u: int, v: int) -> None:
    expected = MASK - first_of_its_kind(seed, u, v)[1]
    assert edge_hash(seed, u, v) == edge_hash(seed, v, u) == expected
