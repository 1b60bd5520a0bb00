"""``two_hop="auto"``: pairs at hubs in the steps that edges alone would stall, and in no other."""

from __future__ import annotations

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
    Matching,
    PairKind,
    VisitingOrderMatching,
    as_graph,
    coarsen,
    match,
)
from multiscale_gcn.matching import on_cpu
from multiscale_gcn.quality import assess
from multiscale_gcn.testing import graphs
from multiscale_gcn.testing.problems import constrained_graphs, heavy_edge_matchings

AUTO = HeavyEdgeMatching(two_hop="auto")


@pytest.fixture(params=["small", "rounds"])
def course(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send small graphs the way of large ones too."""
    if request.param == "rounds":
        monkeypatch.setattr(on_cpu, "SMALL", 0)


def one_by_one(graph: Graph, method: HeavyEdgeMatching, options: dict[str, Any]) -> np.ndarray:
    """The kinds, for each member those of ``two_hop=True`` or ``False``, as its counts say."""
    constraints = Constraints.of(graph, **options)
    kinds = {
        two_hop: match(
            graph, replace(method, two_hop=two_hop), constraints=constraints, backend="python"
        ).kind
        for two_hop in (True, False)
    }
    batch = options.get("batch", np.zeros(graph.num_nodes, int))
    has_neighbours, result = graph.degrees() > 0, np.empty(graph.num_nodes, np.int8)
    for member in np.unique(batch):
        mine = batch == member
        married = np.count_nonzero(mine & (kinds[False] == PairKind.EDGE))
        left = np.count_nonzero(mine & has_neighbours) - married
        result[mine] = kinds[bool(left > married)][mine]
    return result


def test_a_member_is_paired_at_hubs_if_more_is_left_over_than_married(course: None) -> None:
    @given(constrained_graphs(max_nodes=40), heavy_edge_matchings())
    def check(given_: tuple[Graph, dict[str, Any]], method: HeavyEdgeMatching) -> None:
        graph, options = given_
        found = match(
            graph,
            replace(method, two_hop="auto"),
            constraints=Constraints.of(graph, **options),
            backend="numba",
        )
        assert found.kind.tolist() == one_by_one(graph, method, options).tolist()

    check()


@given(graphs(max_nodes=40), st.sampled_from(["random", "degree", "natural"]))
def test_backends_agree_in_every_visiting_order(graph: Graph, order: Any) -> None:
    method = VisitingOrderMatching(order=order, two_hop="auto")
    assert match(graph, method, backend="numba") == match(graph, method, backend="python")


def both(graph: Graph, method: HeavyEdgeMatching) -> Matching:
    by_numba = match(graph, method, backend="numba")
    assert by_numba == match(graph, method, backend="python")
    return by_numba


def test_the_boundary_is_as_many_left_over_as_married(course: None) -> None:
    # A hub with three leaves: two nodes marry and two are left over. With a fourth, three are.
    three, four = as_graph(nx.star_graph(3)), as_graph(nx.star_graph(4))
    assert both(three, AUTO).kind.tolist() == [1, 1, 0, 0]
    assert both(four, AUTO).num_pairs == 2
    # Nodes without neighbours are no part of the account.
    lonely = nx.star_graph(3)
    lonely.add_nodes_from(range(4, 40))
    keep = HeavyEdgeMatching(two_hop="auto", isolated="keep")
    assert both(as_graph(lonely), keep).num_pairs == 1


@given(graphs(min_nodes=1, max_nodes=40))
def test_a_level_keeps_three_quarters_of_the_nodes_and_one_at_most(graph: Graph) -> None:
    n = graph.num_nodes
    assert 4 * (n - match(graph, AUTO).num_pairs) <= 3 * n + 4


def rmat(scale: int, edges: int) -> Graph:
    rng = np.random.default_rng(0)
    quarter = rng.choice(4, p=[0.57, 0.19, 0.19, 0.05], size=(scale, edges))
    bits = 2 ** np.arange(scale)
    ids = np.stack([bits @ (quarter // 2), bits @ (quarter % 2)])
    return as_graph(
        ids[:, ids[0] != ids[1]], kind="edge_index", num_nodes=2**scale, symmetrize="max"
    )


@pytest.mark.parametrize(
    "graph",
    [
        as_graph(nx.star_graph(300)),
        as_graph(nx.barabasi_albert_graph(400, 1, seed=3)),
        as_graph(nx.barabasi_albert_graph(400, 4, seed=3)),
        rmat(9, 2000),
    ],
    ids=["star", "tree", "scale-free", "R-MAT"],
)
def test_stars_and_power_laws_reach_any_size(graph: Graph) -> None:
    sizes = [graph.num_nodes - 1, 97, 10, 1]
    hierarchy = coarsen(graph, sizes=sizes, method=AUTO)
    assert set(sizes) <= set(hierarchy.sizes)
    assert len(hierarchy) < 30
    by_python = coarsen(graph, sizes=sizes, method=AUTO, backend="python")
    assert by_python.fingerprint == hierarchy.fingerprint


@pytest.mark.parametrize(("size", "at_most"), [(39, 0.09), (24, 0.40)])
def test_where_edges_do_the_spectrum_is_kept_as_without_pairs_at_hubs(
    size: int, at_most: float
) -> None:
    graph = nx.les_miserables_graph()

    def error(two_hop: Any) -> float:
        method = HeavyEdgeMatching(two_hop=two_hop)
        found = assess(coarsen(graph, sizes=[size], method=method)).eigenvalue_error
        assert found is not None
        return found

    assert error("auto") <= at_most < error(True)
    assert error("auto") == error(False)


def test_each_member_of_a_batch_is_as_it_would_be_alone() -> None:
    members = [nx.star_graph(30), nx.grid_2d_graph(5, 5), nx.barabasi_albert_graph(40, 1, seed=1)]
    together = nx.disjoint_union_all(members)
    batch = np.repeat(range(3), [len(member) for member in members])
    hierarchy = coarsen(together, sizes=[11, 3], batch=batch, method=AUTO)
    for member, found in zip(members, hierarchy.members(), strict=True):
        assert found.fingerprint == coarsen(member, sizes=[11, 3], method=AUTO).fingerprint


def test_under_a_symmetry_every_level_is_symmetric() -> None:
    # Two stars, joined at their hubs, which are each other's image.
    graph = nx.disjoint_union(nx.star_graph(8), nx.star_graph(8))
    graph.add_edge(0, 9)
    mirror = np.r_[9:18, 0:9]
    for backend in ("python", "numba"):
        hierarchy = coarsen(graph, levels=4, method=AUTO, symmetry=mirror, backend=backend)
        for level in hierarchy:
            level.constraints.check(level.graph)
        assert hierarchy.sizes[-1] <= 4


def test_other_values_are_refused() -> None:
    for value in ("never", 1, None):
        with pytest.raises(ValueError, match=r"two_hop = .* must be True or False, or 'auto'"):
            HeavyEdgeMatching(two_hop=value)  # type: ignore[arg-type]
