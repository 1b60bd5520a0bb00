import networkx as nx
import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

from multiscale_gcn import Hierarchy, Level, Matching, as_graph, coarsen
from multiscale_gcn.testing import assert_valid_hierarchy, assert_valid_matching, graphs

PATH = as_graph(nx.path_graph(4))


@pytest.mark.parametrize(
    ("mate", "kind", "message"),
    [
        ([0, 1, 2], [0, 0, 0], "wrong number of nodes"),
        ([1, 2, 1, 3], [1, 1, 1, 0], "node 0 has mate 1, whose mate is 2"),
        ([1, 0, 2, 3], [1, 2, 0, 0], "has two kinds"),
        ([1, 0, 2, 3], [0, 0, 0, 0], "single and has mate 1"),
        ([0, 1, 2, 3], [1, 0, 0, 0], "its own mate and not single"),
        ([3, 1, 2, 0], [1, 0, 0, 1], "no edge joins"),
        ([3, 1, 2, 0], [2, 0, 0, 2], "share no neighbour"),
        ([3, 1, 2, 0], [3, 0, 0, 3], "isolated and has neighbours"),
        ([4, 1, 2, 3], [1, 0, 0, 0], "which is no node"),
    ],
)
def test_invalid_matchings_are_caught(mate, kind, message) -> None:
    matching = Matching._of_valid(mate=np.array(mate), kind=np.array(kind, dtype=np.int8))
    with pytest.raises(AssertionError, match=message):
        assert_valid_matching(PATH, matching)


def test_invalid_hierarchies_are_caught() -> None:
    good = coarsen(PATH, levels=1)
    assert_valid_hierarchy(good)
    wrong_map = Level(0, good[0].graph, np.array([1, 1, 0, 0]))
    wrong_graph = Level(1, as_graph(np.array([[4.0, 1], [1, 2]])), None)
    for levels in ((wrong_map, wrong_graph), (good[0], wrong_graph)):
        with pytest.raises(AssertionError, match="level 1 is not P"):
            assert_valid_hierarchy(Hierarchy(levels))


@settings(max_examples=30)
@given(graphs(min_nodes=2, max_nodes=9))
def test_sizes_of_the_strategy(graph) -> None:
    assert 2 <= graph.num_nodes <= 9


def test_the_strategy_reaches_the_nasty_cases() -> None:
    quick = settings(max_examples=2000, database=None, phases=[Phase.generate])
    find(graphs(), lambda g: g.num_nodes == 0, settings=quick)
    find(graphs(), lambda g: g.num_nodes > 5 and g.degrees().max() == g.num_nodes - 1,
         settings=quick)  # fmt: skip
    find(graphs(), lambda g: g.num_nodes > 5 and (g.degrees() == 0).any() and g.num_edges > 3,
         settings=quick)  # fmt: skip
    find(graphs(), lambda g: g.num_entries > 2 * g.num_edges, settings=quick)
    find(graphs(), lambda g: len(set(g.node_weights.tolist())) > 1, settings=quick)
