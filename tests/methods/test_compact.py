"""What compact clusters stand on: moves, seeds, integers and landmarks, each by a plain version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn import Graph, as_graph
from multiscale_gcn.compiled.functions import compiled
from multiscale_gcn.methods.compact.boundary_moves import move_boundaries
from multiscale_gcn.methods.compact.farthest_seeds import divide, parts_by_weight
from multiscale_gcn.methods.compact.integers import (
    SQUARE_BITS,
    integer_places,
    integer_weights,
)
from multiscale_gcn.methods.compact.landmarks import LANDMARKS, distances_to_landmarks
from multiscale_gcn.methods.method import by_first_member
from multiscale_gcn.testing import graphs

# The moves, written anew: everything from its definition, whenever it is needed.


def specified(
    graph: Graph,
    places: np.ndarray,
    weights: np.ndarray,
    group: np.ndarray,
    maps: Sequence[np.ndarray],
    balance: int,
    rounds: int,
) -> list[int]:
    """Clusters after the moves; ``maps[0]`` is their start, the others lead to the levels above."""
    network = nx.Graph(list(zip(*graph.edge_index().tolist(), strict=True)))
    network.add_nodes_from(range(graph.num_nodes))
    cluster = maps[0].tolist()
    x, w = places.tolist(), weights.tolist()
    counts = [int(m.max()) + 1 for m in maps]

    def at(c: int, k: int) -> int:
        for above in maps[1 : k + 1]:
            c = int(above[c])
        return c

    def members(k: int, c: int) -> list[int]:
        return [v for v in network if at(cluster[v], k) == c]

    def centre(nodes: list[int]) -> list[int]:
        total = sum(w[v] for v in nodes)
        sums = (sum(w[v] * x[v][axis] for v in nodes) for axis in range(places.shape[1]))
        return [(2 * s + total) // (2 * total) for s in sums]

    def distance(u: int, middle: list[int]) -> int:
        return sum((a - b) ** 2 for a, b in zip(x[u], middle, strict=True))

    def cost(u: int, nodes: list[int], k: int, sign: int) -> int:
        heavy, mean = sum(w[v] for v in nodes), max(sum(w) // counts[k], 1)
        even = balance * spread[k] // 256
        return distance(u, centre(nodes)) * heavy // (heavy + sign * w[u]) + (
            even * (2 * heavy + sign * w[u]) // mean
        )

    for _ in range(rounds):
        spread = []
        for k in range(len(maps)):
            middles = {c: centre(members(k, c)) for c in range(counts[k])}
            total = sum(w[v] * distance(v, middles[at(cluster[v], k)]) for v in network)
            spread.append(max(total // sum(w), 1))
        before = list(cluster)
        for u in sorted(network):
            own = cluster[u]
            if len(members(0, own)) == 1:
                continue
            gains = {}
            for other in {cluster[v] for v in network[u] if group[v] == group[u]} - {own}:
                gain = 0
                for k in range(len(maps)):
                    a, b = at(own, k), at(other, k)
                    if a != b:
                        difference = cost(u, members(k, a), k, -1) - cost(u, members(k, b), k, 1)
                        gain += difference * min(256 * spread[0] // spread[k], 256) // 256
                gains[other] = gain
            best = min(gains, key=lambda other: (-gains[other], other), default=own)
            if best == own or gains[best] <= 0:
                continue
            whole = True
            for k in range(len(maps)):
                a = at(own, k)
                if a != at(best, k):
                    inside = network.subgraph(members(k, a))
                    without = network.subgraph(set(inside) - {u})
                    pieces = nx.number_connected_components
                    whole &= pieces(without) <= pieces(inside)
            if whole:
                cluster[u] = best
        if cluster == before:
            break
    return cluster


def flattened(maps: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The cluster above every cluster, and the level of each."""
    counts = [int(m.max()) + 1 for m in maps]
    starts = np.cumsum(counts)
    whole = [above + start for above, start in zip(maps[1:], starts, strict=False)]
    above = np.concatenate([*whole, np.full(counts[-1], -1)]).astype(np.int64)
    return above, np.repeat(np.arange(len(counts)), counts)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Any, ...]:
    graph = draw(graphs(min_nodes=2, max_nodes=14))
    n = graph.num_nodes
    coordinate = st.integers(0, 3) | st.integers(0, 2**15)
    places = np.array(draw(st.lists(st.tuples(coordinate, coordinate), min_size=n, max_size=n)))
    weight = st.sampled_from([1, 2, 2**20]) | st.integers(1, 2**22)
    weights = np.array(draw(st.lists(weight, min_size=n, max_size=n)))
    group = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    fine = np.array(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))
    maps = [by_first_member(fine * 2 + group)]
    if draw(st.booleans()):
        count = int(maps[0].max()) + 1
        pairs = draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
        maps.append(by_first_member(np.array(pairs)))
    balance = draw(st.sampled_from([0, 128, 512, 2048]))
    return graph, places, weights, group, maps, balance, draw(st.integers(0, 4))


@pytest.mark.parametrize("form", [compiled, lambda function: function], ids=["compiled", "plain"])
def test_the_moves_are_those_of_the_specification(form: Callable[..., Any]) -> None:
    @given(problems())
    def check(problem: tuple[Any, ...]) -> None:
        graph, places, weights, group, maps, balance, rounds = problem
        cluster = maps[0].copy()
        above, level = flattened(maps)
        form(move_boundaries)(
            graph.indptr, graph.indices, places, weights, group, cluster, above, level, balance,
            rounds,
        )  # fmt: skip
        assert cluster.tolist() == specified(*problem)

    check()


@given(st.data())
def test_nothing_overflows_at_the_ends_of_the_ranges(data: st.DataObject) -> None:
    """The compiled moves have 64 bits, the specification as many as it takes."""
    n = data.draw(st.integers(3, 9))
    end = st.sampled_from([0, 2**15 - 1, 2**15])
    places = np.array(data.draw(st.lists(st.tuples(end, end, end), min_size=n, max_size=n)))
    weights = np.ones(n, np.int64)
    weights[data.draw(st.integers(0, n - 1))] = 2**26
    graph = as_graph(nx.complete_graph(n))
    maps = [np.arange(n) % 3, np.array([0, 1, 1])]
    above, level = flattened(maps)
    cluster = maps[0].copy()
    group = np.zeros(n, np.int64)
    compiled(move_boundaries)(
        graph.indptr, graph.indices, places, weights, group, cluster, above, level, 2048, 3
    )
    assert cluster.tolist() == specified(graph, places, weights, group, maps, 2048, 3)


@pytest.mark.parametrize(("length", "moves"), [(100, True), (400, False)])
def test_a_cluster_may_be_opened_where_the_way_round_is_short(length: int, moves: bool) -> None:
    """A ring of one cluster, far from its node 0, beside which another cluster has one node."""
    ring = nx.cycle_graph(length)
    ring.add_edge(0, length)
    places = np.full((length + 1, 1), 1000)
    places[[0, length]] = 0
    graph = as_graph(ring)
    cluster = np.repeat([0, 1], [length, 1])
    compiled(move_boundaries)(
        graph.indptr, graph.indices, places, np.ones(length + 1, np.int64),
        np.zeros(length + 1, np.int64), cluster, np.array([-1, -1]), np.array([0, 0]), 0, 1,
    )  # fmt: skip
    assert (cluster[0] == 1) == moves
    assert (cluster[1:length] == 0).all()


@given(graphs(min_nodes=1, shapes=("grid", "mesh", "path", "star", "complete")), st.data())
def test_parts_are_connected_and_as_many_as_asked(graph: Graph, data: st.DataObject) -> None:
    n = graph.num_nodes
    piece = np.zeros(n, np.int64)
    for number, nodes in enumerate(nx.connected_components(nx.Graph(graph.to_scipy()))):
        piece[list(nodes)] = number
    count = int(piece.max()) + 1
    wanted = data.draw(st.integers(count, n))
    parts = parts_by_weight(np.bincount(piece, graph.node_weights), np.bincount(piece), wanted)
    assert parts.sum() == wanted
    assert (parts <= np.bincount(piece)).all()
    places = np.random.default_rng(n).integers(0, 4, (n, 2))
    found = compiled(divide)(graph.indptr, graph.indices, places, piece, parts)
    assert np.array_equal(found, divide(graph.indptr, graph.indices, places, piece, parts))
    assert np.array_equal(np.unique(found), np.arange(wanted))
    network = nx.Graph(graph.to_scipy())
    for c in range(wanted):
        members = np.flatnonzero(found == c).tolist()
        assert nx.is_connected(network.subgraph(members))
        assert len(set(piece[members])) == 1


def test_the_first_seeds_are_the_ends() -> None:
    graph, places = as_graph(nx.path_graph(7)), np.arange(7)[:, None]
    found = divide(graph.indptr, graph.indices, places, np.zeros(7, np.int64), np.array([2]))
    assert found.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_parts_go_to_the_heaviest() -> None:
    parts = parts_by_weight(np.array([10, 40, 30, 90]), np.array([9, 9, 9, 2]), 8)
    assert parts.tolist() == [1, 3, 2, 2]


@given(st.integers(1, 70), st.floats(1e-300, 1e100), st.integers(0, 2**32 - 1))
def test_no_squared_distance_exceeds_its_bits(dimension: int, scale: float, seed: int) -> None:
    ends = np.random.default_rng(seed).integers(-1, 2, (4, dimension)) * (scale / 2)
    places = integer_places(ends)
    apart = places[:, None] - places[None]
    assert int((apart**2).sum(axis=2).max()) <= 2**SQUARE_BITS
    assert places.min() >= 0


def test_integers_are_the_positions_to_one_step_and_the_weights_to_one_unit() -> None:
    rng = np.random.default_rng(0)
    positions, weights = rng.normal(size=(50, 3)), rng.random(50) + 0.1
    places, whole = integer_places(positions), integer_weights(weights)
    step = np.ptp(positions, axis=0).max() / 2**14
    back = places * (np.ptp(positions, axis=0) / np.ptp(places, axis=0)).max()
    assert np.abs(back - (positions - positions.min(axis=0))).max() < step
    np.testing.assert_allclose(whole / whole.sum(), weights / weights.sum(), rtol=1e-5)
    assert integer_places(np.ones((3, 2))).tolist() == [[0, 0]] * 3


@given(graphs(min_nodes=1, max_nodes=25))
def test_landmarks_are_far_apart_and_distances_those_of_dijkstra(graph: Graph) -> None:
    found = distances_to_landmarks(graph)
    assert np.array_equal(found, np.rint(found))
    lengths = np.minimum(2.0**10 * (graph.weights.max(initial=1) / graph.weights), 2.0**30)
    network = nx.Graph()
    network.add_nodes_from(range(graph.num_nodes))
    for u, v, length in zip(*graph.edge_index().tolist(), np.rint(lengths), strict=True):
        network.add_edge(u, v, weight=length)
    for component in nx.connected_components(network):
        members = sorted(component)
        near = nx.single_source_dijkstra_path_length(network, members[0])
        for k in range(LANDMARKS):
            landmark = max(members, key=lambda v: (near[v], -v))
            distance = nx.single_source_dijkstra_path_length(network, landmark)
            assert found[members, k].tolist() == [distance[v] for v in members]
            near = distance if k == 0 else {v: min(near[v], distance[v]) for v in members}
