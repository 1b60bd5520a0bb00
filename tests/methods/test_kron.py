from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_nodes import chosen

from multiscale_gcn import (
    Constraints,
    Graph,
    KronReduction,
    MaximalIndependentSet,
    as_graph,
    coarsen,
    to_networkx,
)
from multiscale_gcn.graph.spectrum import laplacian
from multiscale_gcn.methods import Step, kron
from multiscale_gcn.testing import MethodTests, graphs


class TestKronReduction(MethodTests):
    method = KronReduction()
    contracts = False


def reduced(graph: Graph, kept: np.ndarray) -> Step:
    method = KronReduction(kept).prepared(graph)
    return method.step(graph, constraints=Constraints(), max_merges=None, backend="auto")


def drawn_kept(graph: Graph, data: st.DataObject) -> np.ndarray:
    """A node of each component, and some others."""
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=40, max_size=40)))
    kept = kept[: graph.num_nodes]
    for part in nx.connected_components(to_networkx(graph)):
        kept[max(part)] |= not kept[list(part)].any()
    return kept


@given(graphs(min_nodes=1), st.data())
def test_it_is_the_schur_complement(graph: Graph, data) -> None:
    u, v = graph.edge_index()
    graph = Graph(graph.indptr, graph.indices, 1 + (u ^ v) % 4)  # numpy can solve it
    kept = drawn_kept(graph, data)
    step = reduced(graph, kept)
    L = laplacian(graph).toarray()
    inner = np.linalg.solve(L[~kept][:, ~kept], L[~kept][:, kept])
    expected = L[kept][:, kept] - L[kept][:, ~kept] @ inner
    assert step.graph is not None
    assert step.interpolation is not None
    np.testing.assert_allclose(laplacian(step.graph).toarray(), expected, atol=1e-11)
    interpolation = np.eye(graph.num_nodes)[:, kept]
    interpolation[~kept] = -inner
    np.testing.assert_allclose(step.interpolation.toarray(), interpolation, atol=1e-12)
    largest = step.interpolation.toarray()
    assert (largest[np.arange(len(kept)), step.parent] >= largest.max(axis=1) - 1e-12).all()
    assert step.sampled is not None
    assert step.sampled.tolist() == np.flatnonzero(kept).tolist()


def exactly(graph: Graph, kept: np.ndarray) -> dict[tuple[int, int], Fraction]:
    """Star-mesh transforms in rational numbers."""
    net = to_networkx(graph)
    weights = {
        (a, b): Fraction(net[a][b]["weight"])
        for u, v in net.edges if u != v for a, b in ((u, v), (v, u))
    }  # fmt: skip
    for k in np.flatnonzero(~kept).tolist():
        ends = {v: w for (u, v), w in weights.items() if u == k}
        weights = {pair: w for pair, w in weights.items() if k not in pair}
        for a in ends:
            for b in ends:
                if a != b:
                    more = ends[a] * ends[b] / sum(ends.values())
                    weights[a, b] = weights.get((a, b), Fraction(0)) + more
    return weights


@given(graphs(min_nodes=2, max_nodes=10), st.data())
def test_every_weight_is_precise_whatever_the_others_are(graph: Graph, data) -> None:
    """Weights over twenty orders of magnitude, of which numpy's solution keeps no digit."""
    kept = drawn_kept(graph, data)
    step = reduced(graph, kept)
    assert step.graph is not None
    assert step.sampled is not None
    expected = exactly(graph, kept)
    found = dict(
        zip(map(tuple, step.sampled[step.graph.edge_index()].T.tolist()),
            step.graph.weights.tolist(), strict=True)
    )  # fmt: skip
    assert found.keys() == expected.keys()
    for pair, weight in found.items():
        assert abs(Fraction(weight) / expected[pair] - 1) < 1e-13


def test_resistances_between_kept_nodes_stay() -> None:
    graph = as_graph(nx.triangular_lattice_graph(8, 10))
    hierarchy = coarsen(graph, levels=3, method=KronReduction())
    kept = hierarchy.restrict(np.arange(graph.num_nodes), 0, 3, "sampled")
    assert 3 < len(kept) < 10

    def resistance(graph: Graph) -> np.ndarray:
        P = np.linalg.pinv(laplacian(graph).toarray())
        return np.diag(P)[:, None] + np.diag(P) - 2 * P

    fine, coarse = resistance(hierarchy[0].graph), resistance(hierarchy[3].graph)
    np.testing.assert_allclose(coarse, fine[np.ix_(kept, kept)], rtol=1e-6)


def test_interpolation_has_the_smallest_energy() -> None:
    graph = as_graph(nx.grid_2d_graph(6, 7))
    hierarchy = coarsen(graph, levels=1, method=KronReduction())
    L, P = laplacian(graph), hierarchy.prolongation(1, 0, "interpolated")
    rest = np.setdiff1d(np.arange(42), chosen(hierarchy))
    np.testing.assert_allclose((L @ P).toarray()[rest], 0, atol=1e-12)
    np.testing.assert_allclose(
        (P.T @ L @ P).toarray(), laplacian(hierarchy[1].graph).toarray(), atol=1e-9
    )


def test_a_bipartite_graph_keeps_one_side() -> None:
    for graph in (nx.grid_2d_graph(8, 9), nx.hypercube_graph(5), nx.grid_2d_graph(30, 31)):
        side = nx.bipartite.color(graph)
        kept = chosen(coarsen(graph, levels=1, method=KronReduction()))
        colours = {side[list(graph)[u]] for u in kept}
        assert len(colours) == 1
        assert len(kept) == len(graph) // 2
    for seed in (1, 2):
        tree = nx.random_labeled_tree(40, seed=seed)
        kept = chosen(coarsen(tree, levels=1, method=KronReduction()))
        assert all((u in kept) != (v in kept) for u, v in tree.edges)
        assert len(kept) <= 20


@given(graphs(min_nodes=2), st.data())
def test_sizes_are_met_by_more_kept_nodes(graph: Graph, data) -> None:
    plain = coarsen(graph, levels=1, method=KronReduction())
    if len(plain) > 1:
        size = data.draw(st.integers(plain.sizes[1], graph.num_nodes - 1))
        hierarchy = coarsen(graph, sizes=[size], method=KronReduction())
        assert hierarchy.sizes == (graph.num_nodes, size)
        assert set(chosen(plain)) <= set(chosen(hierarchy))


def test_given_nodes_are_kept_once_and_survivors_always() -> None:
    path = nx.path_graph(9)
    kept = np.isin(np.arange(9), [0, 1, 2, 8])
    hierarchy = coarsen(path, levels=2, method=KronReduction(kept))
    assert chosen(hierarchy) == [0, 1, 2, 8]
    assert hierarchy.sizes == (9, 4, 2)
    assert hierarchy[1].graph.weights[-1] == pytest.approx(1 / 6, rel=1e-9)
    both = coarsen(path, levels=1, method=KronReduction(kept), survivors=np.arange(9) == 5)
    assert chosen(both) == [0, 1, 2, 5, 8]


def test_dense_pieces_are_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kron, "MOST_ENTRIES", 5000)
    mesh = as_graph(nx.triangular_lattice_graph(20, 20))
    few = np.zeros(mesh.num_nodes, dtype=bool)
    few[:50] = True
    with pytest.raises(ValueError, match=r"\d+ dropped nodes hang together, .*MaximalIndependent"):
        coarsen(mesh, levels=1, method=KronReduction(few))
    independent = chosen(coarsen(mesh, levels=1, method=MaximalIndependentSet()))
    kept = ~np.isin(np.arange(mesh.num_nodes), independent)
    assert coarsen(mesh, levels=1, method=KronReduction(kept)).sizes[1] == kept.sum()


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([1, 0, 1, 0], "kept must be a boolean mask"),
        ([True, False], "kept has 2 entries, and the graph has 4 nodes"),
        ([True, True, False, False], "kept has no node of the component of node 2"),
    ],
)
def test_bad_masks_are_refused(kept, message) -> None:
    with pytest.raises(ValueError, match=message):
        coarsen(nx.Graph([(0, 1), (2, 3)]), levels=1, method=KronReduction(kept))


def test_large_pieces_are_eliminated_in_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = as_graph(nx.triangular_lattice_graph(12, 14))
    kept = np.arange(mesh.num_nodes) % 7 == 3
    step = reduced(mesh, kept)
    assert step.graph is not None
    L = laplacian(mesh).toarray()
    inner = np.linalg.solve(L[~kept][:, ~kept], L[~kept][:, kept])
    expected = L[kept][:, kept] - L[kept][:, ~kept] @ inner
    np.testing.assert_allclose(laplacian(step.graph).toarray(), expected, atol=1e-13)
    for panel in (1, 5, 1000):
        monkeypatch.setattr(kron, "PANEL", panel)
        assert reduced(mesh, kept).graph == step.graph
