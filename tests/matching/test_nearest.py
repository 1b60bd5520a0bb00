"""Isolated nodes paired by place, held to the loop over all pairs in their order."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn import (
    Constraints,
    Graph,
    HeavyEdgeMatching,
    PairKind,
    VisitingOrderMatching,
    aggregate,
    as_graph,
    coarsen,
    match,
    round_weights,
)
from multiscale_gcn.coarsening.on_device import runs_on_device
from multiscale_gcn.testing import MethodTests, assert_valid_matching, graphs
from multiscale_gcn.testing.problems import constrained_graphs, together

Problem = tuple[Graph, Constraints]


def loose(constraints: Constraints, n: int) -> dict[str, Any]:
    """What the constraints say of each node, by their words."""
    survivors = constraints.survivors
    labels, batch = constraints.labels, constraints.batch
    return {
        "label": [0] * n if labels is None else labels.tolist(),
        "member": [0] * n if batch is None else batch.tolist(),
        "survives": [False] * n if survivors is None else survivors.tolist(),
        "mirror": constraints.mirror(n).tolist(),
        "id": constraints.local_ids(n).tolist(),
    }


def greedy(
    graph: Graph, constraints: Constraints, positions: np.ndarray, limit: float | None
) -> list[int]:
    """The mates of the isolated nodes, by a sort of all pairs that may merge."""
    n = graph.num_nodes
    of = loose(constraints, n)
    mirror, weights = of["mirror"], graph.node_weights.tolist()

    def key(u: int, v: int) -> tuple[float, int, int, int]:
        distance = 0.0
        for a, b in zip(positions[u].tolist(), positions[v].tolist(), strict=True):
            distance += (a - b) ** 2
        i, j = of["id"][u], of["id"][v]
        return distance, i ^ j, min(i, j), max(i, j)

    def may(u: int, v: int) -> bool:
        return (
            of["label"][u] == of["label"][v]
            and of["member"][u] == of["member"][v]
            and not (of["survives"][u] and of["survives"][v])
            and (mirror[u] == u) == (mirror[v] == v)
            and (limit is None or weights[u] + weights[v] <= limit)
        )

    alone = [u for u in range(n) if graph.degrees()[u] == 0]
    pairs = [(u, v) for u in alone for v in alone if u < v and may(u, v)]
    mate = list(range(n))
    for u, v in sorted(pairs, key=lambda p: min(key(*p), key(mirror[p[0]], mirror[p[1]]))):
        if mate[u] == u and mate[v] == v:
            for a, b in ((u, v), (mirror[u], mirror[v])):
                mate[a], mate[b] = b, a
    return mate


@st.composite
def scattered(draw: st.DrawFn) -> Problem:
    """Graphs with many isolated nodes, and any constraints but symmetry."""
    graph, options = draw(constrained_graphs(max_nodes=20))
    alone = draw(st.integers(0, 25))
    graph = together([graph, as_graph(nx.empty_graph(alone))])
    added = {
        "batch": lambda a: np.full(alone, a.max(initial=0) + draw(st.integers(0, 1))),
        "labels": lambda a: np.array(draw(st.lists(st.integers(0, 1), min_size=alone,
                                                   max_size=alone)), int),
        "survivors": lambda a: np.array(draw(st.lists(st.booleans(), min_size=alone,
                                                      max_size=alone)), bool),
    }  # fmt: skip
    options = {name: np.concatenate([a, added[name](a)]) for name, a in options.items()}
    return graph, Constraints.of(graph, **options)


@st.composite
def mirrored(draw: st.DrawFn) -> Problem:
    """Two halves, each the image of the other, and isolated nodes on the middle line."""
    half = draw(graphs(max_nodes=14, shapes=("edgeless", "random", "clusters")))
    middle, n = draw(st.integers(0, 5)), half.num_nodes
    graph = together([half, half, as_graph(nx.empty_graph(middle))])
    mirror = [*range(n, 2 * n), *range(n), *range(2 * n, 2 * n + middle)]
    options: dict[str, Any] = {"symmetry": np.array(mirror, int)}
    if draw(st.booleans()):
        left = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
        apart = draw(st.sampled_from([0, 2]))  # a side may have labels of its own
        labels = [*left, *(label + apart for label in left), *[7] * middle]
        options["labels"] = np.array(labels, int)
    return graph, Constraints.of(graph, **options)


@pytest.mark.filterwarnings("ignore:making the weights exact")
@given(
    scattered() | mirrored(),
    st.integers(0, 3),
    st.booleans(),
    st.none() | st.integers(2, 6),
    st.integers(0, 2**32 - 1),
    st.data(),
)
def test_isolated_nodes_are_paired_by_the_greedy_loop(
    problem, axes, lattice, limit, seed, data
) -> None:
    graph, constraints = problem
    graph, _ = round_weights(graph, constraints.batch)
    positions = np.random.default_rng(seed).normal(size=(graph.num_nodes, axes)) * 2
    positions = np.rint(positions) if lattice else positions
    made = data.draw(st.sampled_from([HeavyEdgeMatching, VisitingOrderMatching]))
    options: dict[str, Any] = {"max_node_weight": limit}
    kept = match(graph, made(isolated="keep", **options), constraints=constraints)
    method = made(isolated="nearest", positions=positions, **options)
    found = match(graph, method, constraints=constraints)
    assert_valid_matching(graph, found)
    expected = greedy(graph, constraints, positions, limit)
    for u in range(graph.num_nodes):
        if graph.degrees()[u]:
            assert (found.mate[u], found.kind[u]) == (kept.mate[u], kept.kind[u])
        else:
            kind = PairKind.SINGLE if expected[u] == u else PairKind.ISOLATED
            assert (found.mate[u], found.kind[u]) == (expected[u], kind)
    mirror = constraints.mirror(graph.num_nodes)
    np.testing.assert_array_equal(mirror[found.mate], found.mate[mirror])
    assert match(graph, method, constraints=constraints, backend="python") == found


@pytest.mark.filterwarnings("ignore:making the weights exact")
@given(scattered(), st.integers(0, 99))
def test_members_of_a_batch_are_coarsened_as_alone(problem, seed) -> None:
    graph, constraints = problem
    positions = np.random.default_rng(seed).normal(size=(graph.num_nodes, 2))
    batch = constraints.member(graph.num_nodes)
    members = coarsen(
        graph, levels=3, batch=batch, method=HeavyEdgeMatching(isolated="nearest",
                                                               positions=positions)
    ).members()  # fmt: skip
    for k, member in enumerate(members):
        method = HeavyEdgeMatching(isolated="nearest", positions=positions[batch == k])
        alone = coarsen(member[0].graph, levels=3, method=method)
        assert member.sizes[: len(alone)] == alone.sizes
        for fine, other in zip(member.levels, alone.levels[:-1], strict=False):
            np.testing.assert_array_equal(fine.parent, other.parent)


@given(graphs(min_nodes=1), st.integers(0, 99))
def test_coarse_nodes_lie_at_the_weighted_mean_of_their_members(graph, seed) -> None:
    graph, _ = round_weights(graph)
    positions = np.random.default_rng(seed).normal(size=(graph.num_nodes, 3))
    method = HeavyEdgeMatching(isolated="nearest", positions=positions)
    hierarchy = coarsen(graph, min_nodes=1, method=method)
    for k, level in enumerate(hierarchy.levels[:-1]):
        assert level.parent is not None
        coarse = aggregate(level.graph, level.parent)
        method = method.coarsened(level.graph, coarse, level.parent)  # type: ignore[assignment]
        expected = hierarchy.restrict(positions, 0, k + 1, "weighted_mean")
        np.testing.assert_allclose(np.asarray(method.positions), expected, atol=1e-12)


def test_a_size_keeps_the_nearest_pairs() -> None:
    positions = [[0.0], [9.0], [1.0], [5.0], [9.5], [5.1]]
    method = HeavyEdgeMatching(isolated="nearest", positions=positions)
    parent = coarsen(as_graph(nx.empty_graph(6)), sizes=[4], method=method).parent(0, 1)
    assert parent.tolist() == [0, 1, 2, 3, 1, 3]


class TestNearest(MethodTests):
    class Placed(HeavyEdgeMatching):
        """With the nodes of whatever graph on a line, in the order of their ids."""

        def prepared(self, graph: Graph) -> HeavyEdgeMatching:
            places = np.arange(graph.num_nodes)[:, None]
            return HeavyEdgeMatching(isolated="nearest", positions=places)

    method = Placed()


def test_ten_thousand_nodes_in_one_place_are_paired() -> None:
    empty = as_graph(nx.empty_graph(10_000))
    method = HeavyEdgeMatching(isolated="nearest", positions=np.zeros((10_000, 3)))
    assert match(empty, method).pairs().tolist() == np.arange(10_000).reshape(-1, 2).tolist()


def test_the_method_says_what_it_holds_and_no_device_runs_it() -> None:
    positions = np.ones((500, 3))
    method = HeavyEdgeMatching(isolated="nearest", positions=positions)
    assert repr(method).endswith("isolated='nearest', positions=array of shape (500, 3))")
    assert method.describe().endswith("isolated='nearest', positions=array of shape (500, 3))")
    assert hash(method) == hash(method)
    assert method == method
    assert method != HeavyEdgeMatching(isolated="nearest", positions=positions)
    again = pickle.loads(pickle.dumps(method))
    positions[:] = 7
    for held in (method, again):
        assert np.asarray(held.positions).max() == 1, "nobody holds another name for them"
    assert not runs_on_device(method)
    assert runs_on_device(HeavyEdgeMatching(isolated="keep"))
    assert not method.constrained
    assert not method.keeps_components


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"isolated": "nearest"}, "isolated = 'nearest' needs positions; give one for each node"),
        ({"positions": [[0.0]]}, "positions goes with isolated='nearest' only; leave it out"),
        ({"isolated": "nearest", "positions": [0.0]}, r"shape \(1,\), expected \(n, d\)"),
        ({"isolated": "nearest", "positions": [["a"]]}, "positions must hold real numbers"),
        ({"isolated": "nearest", "positions": [[0, np.nan]]}, r"positions\[0, 1\] = nan must be"),
        ({"isolated": "nearest", "positions": [[1e200]]}, r"= 1e\+200 must be .* in another unit"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HeavyEdgeMatching(**options)


def test_the_way_of_pairing_does_not_change_behind_the_positions() -> None:
    method = HeavyEdgeMatching(isolated="nearest", positions=np.ones((3, 2)))
    assert replace(method, seed=3).positions is method.positions
    with pytest.raises(ValueError, match="positions goes with isolated='nearest' only"):
        replace(method, isolated="pair")


@pytest.mark.parametrize("shape", [(0, 3), (4, 0)])
def test_no_nodes_and_no_axes_pass(shape: tuple[int, int]) -> None:
    graph = as_graph(nx.empty_graph(shape[0]))
    method = HeavyEdgeMatching(isolated="nearest", positions=np.empty(shape))
    parent = np.arange(shape[0]) // 2
    coarse = method.coarsened(graph, aggregate(graph, parent), parent)
    assert isinstance(coarse, HeavyEdgeMatching)
    assert np.asarray(coarse.positions).shape == (shape[0] // 2, shape[1])
    assert match(graph, method).num_pairs == shape[0] // 2


def test_positions_of_another_graph_are_refused() -> None:
    method = HeavyEdgeMatching(isolated="nearest", positions=np.ones((3, 2)))
    with pytest.raises(ValueError, match="positions has 3 rows, and the graph has 4 nodes; give"):
        coarsen(nx.path_graph(4), levels=1, method=method)
