import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_nodes import chosen, interpolation, leaders

from multiscale_gcn import BiStride, Graph, as_graph, coarsen, to_networkx
from multiscale_gcn.methods import bi_stride
from multiscale_gcn.testing import MethodTests, graphs

LATTICE = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=40, max_size=40)


class TestBiStride(MethodTests):
    method = BiStride()
    contracts = False


def middle(apart: dict[int, dict[int, int]], part: list[int]) -> int:
    """Among four landmarks, as the docstring says it."""
    landmarks: list[int] = []
    nearest = dict.fromkeys(part, 0)
    begin = part[0]
    for u in part:
        nearest[u] = apart[begin][u]
    for number in range(4):
        new = max(part, key=lambda u: (nearest[u], -u))
        landmarks.append(new)
        for u in part:
            nearest[u] = min(nearest[u], apart[new][u]) if number else apart[new][u]
    return min(
        part,
        key=lambda u: (max(apart[a][u] for a in landmarks), sum(apart[a][u] for a in landmarks), u),
    )


def by_hand(graph: Graph, positions: np.ndarray | None):
    """Kept nodes, the kept node of every node, coarse edges and interpolation."""
    net = to_networkx(graph)
    apart = dict(nx.all_pairs_shortest_path_length(net))
    kept: set[int] = set()
    for found in nx.connected_components(net):
        part = sorted(found)
        if positions is None:
            seed = middle(apart, part)
        else:
            mean = [sum(float(positions[u, a]) for u in part) / len(part) for a in (0, 1)]
            seed = min(
                part, key=lambda u: (sum((positions[u, a] - mean[a]) ** 2 for a in (0, 1)), u)
            )
        even = {u for u in part if apart[seed][u] % 2 == 0}
        odd = set(part) - even
        kept |= odd if odd and len(odd) < len(even) else even
    samples = sorted(kept)
    leader, matrix = list(range(len(net))), np.zeros((len(net), len(samples)))
    for u in net:
        near = [v for v in net[u] if v in kept and v != u]
        if u in kept:
            matrix[u, samples.index(u)] = 1
            continue
        leader[u] = min(near, key=lambda v: (-net[u][v]["weight"], u ^ v))
        sent = {v: graph.node_weights[v] / len(set(net[v]) - {v}) for v in near}
        for v in near:
            matrix[u, samples.index(v)] = sent[v] / sum(sent.values())
    edges = {(u, v) for u in kept for v in kept if u != v and apart[u].get(v, 9) <= 2}
    return samples, leader, edges, matrix


@given(graphs(min_nodes=1, max_nodes=25), st.none() | LATTICE)
def test_bi_stride_is_what_its_description_says(graph: Graph, lattice) -> None:
    positions = None if lattice is None else np.array(lattice[: graph.num_nodes], dtype=float)
    hierarchy = coarsen(graph, levels=1, method=BiStride(positions))
    exact = hierarchy[0].graph  # of which a method makes its steps: near ties may have become ties
    samples, leader, edges, matrix = by_hand(exact, positions)
    if len(hierarchy) == 1:
        assert samples == list(range(graph.num_nodes))
        return
    coarse = hierarchy[1]
    assert chosen(hierarchy) == samples
    assert leaders(hierarchy) == leader
    assert {tuple(samples[u] for u in edge) for edge in coarse.graph.edge_index().T} == edges
    assert (coarse.graph.weights == 1).all() or coarse.graph.num_entries == 0
    np.testing.assert_allclose(interpolation(hierarchy), matrix, atol=1e-15)


def test_a_path_a_star_and_a_grid() -> None:
    assert coarsen(nx.path_graph(9), levels=3, method=BiStride()).sizes == (9, 4, 2, 1)
    assert chosen(coarsen(nx.star_graph(6), levels=1, method=BiStride())) == [0]
    grid = as_graph(nx.grid_2d_graph(9, 9))
    hierarchy = coarsen(grid, levels=1, method=BiStride())
    checkerboard = [u for u in range(81) if (u // 9 + u % 9) % 2 == 1]
    assert chosen(hierarchy) == checkerboard, "from the middle, which is even"
    x = np.arange(81) % 9.0
    back = hierarchy.prolongation(1, 0, "interpolated") @ hierarchy.restrict(x, 0, 1, "sampled")
    inner = [9 * i + j for i in range(2, 7) for j in range(2, 7)]  # degrees differ at the rim
    np.testing.assert_allclose(back[inner], x[inner], atol=1e-14)


@given(graphs(min_nodes=2), st.data())
def test_more_are_kept_where_a_step_would_overshoot(graph: Graph, data) -> None:
    plain = coarsen(graph, levels=1, method=BiStride())
    if len(plain) == 1:
        return
    size = data.draw(st.integers(plain.sizes[1], graph.num_nodes))
    hierarchy = coarsen(graph, sizes=[size], method=BiStride())
    assert hierarchy.sizes == ((graph.num_nodes, size) if size < graph.num_nodes else (size,))
    if size < graph.num_nodes:
        assert set(chosen(plain)) <= set(chosen(hierarchy))
        components = [nx.number_connected_components(to_networkx(g.graph)) for g in hierarchy]
        assert components[0] == components[1]


def test_what_is_kept_beside_is_spread_over_the_graph() -> None:
    hierarchy = coarsen(nx.path_graph(100), sizes=[60], method=BiStride())
    extra = np.flatnonzero(np.diff(chosen(hierarchy)) == 1)
    assert np.ptp(extra) > 40


def test_survivors_are_kept() -> None:
    survivors = np.zeros(9, dtype=bool)
    survivors[[0, 4]] = True
    hierarchy = coarsen(nx.path_graph(9), levels=1, method=BiStride(), survivors=survivors)
    assert chosen(hierarchy) == [0, 1, 3, 4, 5, 7]


def test_parts_that_are_near_in_space_alone_stay_apart() -> None:
    """A path folded onto itself: the merit of the method over neighbourhoods in space."""
    there, height = np.arange(10.0), np.full(10, 0.1)
    positions = np.r_[np.c_[there, 0 * height], np.c_[there[::-1], height]]
    hierarchy = coarsen(nx.path_graph(20), levels=2, method=BiStride(positions))
    for level in hierarchy:
        assert max(level.graph.degrees()) == 2


def test_a_hub_is_refused_before_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bi_stride, "MOST_PATHS", 20)
    wheel = nx.star_graph(10)
    with pytest.raises(ValueError, match=r"node \d+ has \d+ kept neighbours.*MaximalIndependent"):
        coarsen(wheel, sizes=[10], method=BiStride())


def test_positions_of_another_graph_are_refused() -> None:
    with pytest.raises(ValueError, match="positions has 3 rows, and the graph has 4 nodes"):
        coarsen(nx.path_graph(4), levels=1, method=BiStride(np.zeros((3, 2))))
