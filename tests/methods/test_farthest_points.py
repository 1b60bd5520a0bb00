from math import ceil

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_nodes import chosen, interpolation, leaders
from scipy.spatial import cKDTree

from multiscale_gcn import FarthestPoints, Graph, coarsen, to_networkx
from multiscale_gcn.testing import MethodTests

WHOLE = st.integers(-3, 3)
CLOUDS = st.lists(st.tuples(WHOLE, WHOLE), min_size=1, max_size=60).map(
    lambda points: np.array(points, dtype=float)
)


def edgeless(n: int) -> Graph:
    return Graph(np.zeros(n + 1, dtype=int), [])


class TestFarthestPoints(MethodTests):
    method = FarthestPoints(np.zeros((0, 2)))

    def method_for(self, graph: Graph) -> FarthestPoints:
        number = np.arange(graph.num_nodes)
        return FarthestPoints(np.stack([number * 7 % 11, number % 3], axis=1))


def by_hand(points: np.ndarray, count: int, begin: list[int]) -> tuple[list[int], list[int]]:
    """The samples in the order of choice, and the one that every point belongs to."""
    n = len(points)
    squared = [[float(((p - q) ** 2).sum()) for q in points] for p in points]
    if not begin:
        mean = [sum(column) / n for column in points.T.tolist()]
        to_mean = [float(((p - mean) ** 2).sum()) for p in points]
        begin = [to_mean.index(min(to_mean))]
    chosen = list(begin)
    while len(chosen) < count:
        rest = [u for u in range(n) if u not in chosen]
        chosen.append(max(rest, key=lambda u: (min(squared[u][c] for c in chosen), -u)))
    owner = [
        u if u in chosen else min(chosen, key=lambda c: (squared[u][c], chosen.index(c)))
        for u in range(n)
    ]
    return chosen, owner


@given(CLOUDS, st.data())
def test_it_is_what_its_description_says(points: np.ndarray, data) -> None:
    n = len(points)
    size = data.draw(st.integers(1, n))
    survivors = data.draw(st.lists(st.integers(0, n - 1), max_size=size, unique=True))
    mask = np.isin(np.arange(n), survivors)
    method = FarthestPoints(points)
    hierarchy = coarsen(
        edgeless(n), sizes=[size], method=method, survivors=mask if survivors else None
    )
    order, owner = by_hand(points, size, sorted(survivors))
    if size == n:
        assert len(hierarchy) == 1
        return
    assert hierarchy.sizes == (n, size)
    assert chosen(hierarchy) == sorted(order)
    assert leaders(hierarchy) == owner
    matrix = interpolation(hierarchy)
    for u in range(n):
        squared = {c: float(((points[u] - points[c]) ** 2).sum()) for c in order}
        near = sorted(order, key=lambda c: (squared[c], c))[:3]
        expected = dict.fromkeys(order, 0.0)
        if squared[near[0]] == 0:
            expected[owner[u]] = 1.0
        else:
            total = sum(1 / squared[c] for c in near)
            expected |= {c: 1 / squared[c] / total for c in near}
        np.testing.assert_allclose(matrix[u], [expected[c] for c in sorted(order)], atol=1e-14)


def test_many_points_in_many_blocks() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((3000, 3))
    hierarchy = coarsen(edgeless(3000), sizes=[700], method=FarthestPoints(points))
    squared = np.full(3000, np.inf)
    new, order = int(np.argmin(((points - points.mean(axis=0)) ** 2).sum(axis=1))), []
    for _ in range(700):
        order.append(new)
        squared = np.minimum(squared, ((points - points[new]) ** 2).sum(axis=1))
        new = int(np.argmax(squared))
    assert chosen(hierarchy) == sorted(order)
    tree = cKDTree(points[chosen(hierarchy)])
    assert hierarchy.parent(0, 1).tolist() == tree.query(points)[1].tolist()
    distance, near = tree.query(points, k=3)
    others = np.setdiff1d(np.arange(3000), chosen(hierarchy))
    weights = 1 / distance[others] ** 2
    values = rng.random(700)
    expected = (weights * values[near[others]]).sum(axis=1) / weights.sum(axis=1)
    np.testing.assert_allclose((interpolation(hierarchy) @ values)[others], expected, atol=1e-12)


def test_the_share_that_a_step_keeps() -> None:
    points = np.arange(10.0)[:, None]
    for ratio, sizes in ((0.5, (10, 5, 3)), (0.25, (10, 3, 1)), (1, (10,))):
        method = FarthestPoints(points, ratio)
        assert coarsen(edgeless(10), levels=2, method=method).sizes == sizes
        assert sizes[1:2] in ((), (ceil(10 * ratio),))


def test_the_numbering_of_the_points_does_not_matter() -> None:
    points = np.random.default_rng(1).random((200, 2))
    permutation = np.random.default_rng(2).permutation(200)
    one, other = (
        places[chosen(coarsen(edgeless(200), sizes=[40], method=FarthestPoints(places)))]
        for places in (points, points[permutation])
    )
    assert sorted(map(tuple, one)) == sorted(map(tuple, other))


def test_edges_are_contracted() -> None:
    method = FarthestPoints(np.arange(6.0)[:, None])
    hierarchy = coarsen(nx.path_graph(6), sizes=[3], method=method)
    net = to_networkx(hierarchy[1].graph)
    net.remove_edges_from(list(nx.selfloop_edges(net)))
    assert nx.is_isomorphic(net, nx.path_graph(3))
    assert hierarchy[1].graph.total_weight == 10


@pytest.mark.parametrize(
    ("ratio", "message"), [(0, "ratio = 0 must be positive"), (1.5, "ratio = 1.5 must be")]
)
def test_bad_ratios_are_refused(ratio, message) -> None:
    with pytest.raises(ValueError, match=message):
        FarthestPoints(np.zeros((3, 2)), ratio)


def test_positions_of_another_graph_are_refused() -> None:
    with pytest.raises(ValueError, match="positions has 3 rows, and the graph has 4 nodes"):
        coarsen(nx.path_graph(4), levels=1, method=FarthestPoints(np.zeros((3, 2))))
