from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_nodes import chosen, leaders

from multiscale_gcn import Graph, MaximalIndependentSet, as_graph, coarsen, to_networkx
from multiscale_gcn.compiled.hashing import mix64
from multiscale_gcn.testing import MethodTests, graphs


class TestMaximalIndependentSet(MethodTests):
    method = MaximalIndependentSet()


class TestTwoApart(MethodTests):
    method = MaximalIndependentSet(2, seed=7)


class TestScored(MethodTests):
    method = MaximalIndependentSet(scores=np.zeros(0))

    def method_for(self, graph: Graph) -> MaximalIndependentSet:
        return MaximalIndependentSet(scores=np.arange(graph.num_nodes) % 3)


def by_hand(graph: Graph, k: int, seed: int, scores) -> list[int]:
    """The centre of every node."""
    net = to_networkx(graph)
    net.remove_edges_from(list(nx.selfloop_edges(net)))
    if scores is None:
        weights = [int(w) for w in graph.node_weights]
        walks = weights
        for _ in range(k):
            walks = [walks[u] + sum(walks[v] for v in net[u]) for u in net]
        scores = [w / around for w, around in zip(weights, walks, strict=True)]
    turns = sorted(net, key=lambda u: (-scores[u], mix64(mix64(seed) ^ u)))
    apart = dict(nx.all_pairs_shortest_path_length(net))
    centres: list[int] = []
    for u in turns:
        if all(apart[c].get(u, k + 1) > k for c in centres):
            centres.append(u)
    for a, b in combinations(centres, 2):
        assert apart[a].get(b, k + 1) > k
    return [min(centres, key=lambda c: (apart[c].get(u, k + 9), centres.index(c))) for u in net]


@given(
    graphs(min_nodes=1), st.integers(1, 4), st.sampled_from([0, 9]),
    st.none() | st.lists(st.integers(0, 2), min_size=40, max_size=40),
)  # fmt: skip
def test_it_is_what_its_description_says(graph: Graph, k: int, seed: int, scores) -> None:
    scores = None if scores is None else np.array(scores[: graph.num_nodes])
    hierarchy = coarsen(graph, levels=1, method=MaximalIndependentSet(k, scores, seed))
    leader = by_hand(graph, k, seed, scores)
    if len(hierarchy) == 1:
        assert leader == list(range(graph.num_nodes))
    else:
        assert leaders(hierarchy) == leader


@given(graphs(min_nodes=2), st.integers(1, 3), st.data())
def test_sizes_are_met_by_more_centres(graph: Graph, k: int, data) -> None:
    method = MaximalIndependentSet(k)
    plain = coarsen(graph, levels=1, method=method)
    if len(plain) == 1:
        return
    size = data.draw(st.integers(plain.sizes[1], graph.num_nodes - 1))
    hierarchy = coarsen(graph, sizes=[size], method=method)
    assert hierarchy.sizes == (graph.num_nodes, size)
    assert set(chosen(plain)) <= set(chosen(hierarchy))
    net, parent = to_networkx(graph), hierarchy[0].parent
    for number in range(size):
        members = np.flatnonzero(parent == number)
        assert nx.is_connected(net.subgraph(members)), "a cluster falls apart"


def test_the_default_scores_make_the_set_of_a_star_heavy() -> None:
    star = coarsen(nx.star_graph(5), levels=1, method=MaximalIndependentSet())
    assert chosen(star) == [1, 2, 3, 4, 5], "the leaves; the hub joins one"
    assert star.sizes == (6, 5)
    heavy = as_graph(nx.star_graph(5), node_weights=[20, 1, 1, 1, 1, 1])
    hub = coarsen(heavy, levels=1, method=MaximalIndependentSet())
    assert chosen(hub) == [0]


def test_survivors_are_centres_and_labels_part() -> None:
    path = nx.path_graph(6)
    survivors = np.array([False, True, True, False, False, False])
    hierarchy = coarsen(path, levels=1, method=MaximalIndependentSet(5), survivors=survivors)
    assert hierarchy.parent(0, 1).tolist() == [0, 0, 1, 1, 1, 1]
    labels = np.array([0, 0, 0, 1, 1, 1])
    hierarchy = coarsen(path, levels=1, method=MaximalIndependentSet(5), labels=labels)
    assert hierarchy.parent(0, 1).tolist() == [0, 0, 0, 1, 1, 1]


def test_scores_are_handed_down() -> None:
    scores = np.arange(27.0)
    hierarchy = coarsen(nx.path_graph(27), levels=2, method=MaximalIndependentSet(scores=scores))
    kept = hierarchy.restrict(scores, 0, 1, "sampled")
    assert kept.tolist() == list(range(0, 27, 2))
    assert hierarchy.restrict(scores, 0, 2, "sampled").tolist() == list(range(2, 27, 4))


def test_many_steps_from_hubs_take_linear_time() -> None:
    """Each of 3,000 centres has the hub within k edges, and none searches the graph from there."""
    spider = nx.Graph([(0, u) for u in range(1, 3001)])
    spider.add_edges_from((u, u + 3000) for u in range(1, 3001))
    scores = np.r_[0.0, np.zeros(3000), np.ones(3000)]
    hierarchy = coarsen(spider, levels=1, method=MaximalIndependentSet(3, scores))
    assert hierarchy.sizes == (6001, 3000)


def test_weights_of_many_long_walks_do_not_overflow() -> None:
    graph = as_graph(nx.complete_graph(50))
    assert coarsen(graph, levels=1, method=MaximalIndependentSet(1000)).sizes == (50, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k = 0 must be at least 1"),
        ({"scores": np.zeros((2, 2))}, r"scores has shape \(2, 2\), expected \(n,\)"),
        ({"scores": [0.0, np.nan]}, r"scores\[1\] = nan must be finite"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_bad_options_are_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        MaximalIndependentSet(**options)


def test_scores_of_another_graph_are_refused() -> None:
    with pytest.raises(ValueError, match="scores has 2 entries, and the graph has 3 nodes"):
        coarsen(nx.path_graph(3), levels=1, method=MaximalIndependentSet(scores=[1, 2]))
