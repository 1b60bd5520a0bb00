import copy
import pickle

import numpy as np
import pytest

from multiscale_gcn import Graph, as_graph

PATH = {"indptr": [0, 1, 3, 4], "indices": [1, 0, 2, 1]}


def test_arrays_have_the_documented_types_and_are_read_only() -> None:
    graph = Graph(**PATH)
    assert graph.indptr.dtype == np.int64
    assert graph.indices.dtype == np.int32
    assert graph.weights.dtype == graph.node_weights.dtype == np.float64
    for name in ("indptr", "indices", "weights", "node_weights"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(graph, name)[0] = 1
    with pytest.raises(AttributeError):
        graph.indptr = np.zeros(1)  # type: ignore[misc]


def test_a_graph_does_not_share_the_arrays_it_was_made_from() -> None:
    weights = np.ones(4)
    graph = Graph(**PATH, weights=weights)
    weights[0] = 7
    assert graph.weights[0] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indptr": []}, r"indptr must have shape \(n \+ 1,\)"),
        ({"indptr": [0, 1, 3, 5]}, r"end at len\(indices\) = 4, got 0 and 5"),
        ({"indptr": [0, 3, 1, 4]}, "indptr falls at row 1"),
        ({"indptr": [0.0, 1.0, 3.0, 4.0]}, "indptr must hold integers, got dtype float64"),
        ({"indices": [1, 0, 3, 1]}, r"indices\[2\] = 3 is not a node: ids run from 0 to 2"),
        ({"indices": [1, 0, -1, 1]}, r"indices\[2\] = -1 is not a node"),
        ({"indices": [1, 2, 0, 1]}, "indices of row 1 are not strictly increasing"),
        ({"indices": [1, 2, 2, 1]}, "indices of row 1 are not strictly increasing"),
        ({"weights": [1, 1, np.nan, 1]}, r"weights\[2\] = nan must be positive and finite"),
        ({"weights": [1, np.inf, 1, 1]}, r"weights\[1\] = inf"),
        ({"weights": [1, 1, 0, 0]}, r"weights\[2\] = 0.0"),
        ({"weights": [-1, 1, 1, 1]}, r"weights\[0\] = -1.0"),
        ({"weights": [1, 1]}, r"weights has shape \(2,\), expected \(4,\)"),
        ({"weights": ["a", "b", "c", "d"]}, "weights must hold real numbers"),
        ({"weights": [1, 1, 2, 1]}, r"not symmetric: the weights of \(1, 2\) and \(2, 1\) differ"),
        ({"indices": [1, 0, 1, 1]}, r"not symmetric|strictly increasing"),
        ({"node_weights": [1, 2]}, r"node_weights has shape \(2,\), expected \(3,\)"),
        ({"node_weights": [1, 0, 1]}, r"node_weights\[1\] = 0.0 must be positive"),
    ],
)
def test_bad_arrays_are_refused_with_name_place_and_remedy(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Graph(**(PATH | changes))


def test_one_directional_entry_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(0, 1\) and \(1, 0\) differ"):
        Graph([0, 1, 1], [1])


def test_counts_and_degrees_leave_self_loops_out() -> None:
    graph = as_graph(np.array([[3.0, 1, 0], [1, 0, 2], [0, 2, 5]]))
    assert (graph.num_nodes, graph.num_edges, graph.num_entries) == (3, 2, 6)
    assert graph.degrees().tolist() == [1, 2, 1]
    assert graph.total_weight == 14
    assert repr(graph) == "Graph(3 nodes, 2 edges, 2 self loops)"


def test_empty_graph() -> None:
    graph = Graph([0], [])
    assert (graph.num_nodes, graph.num_edges) == (0, 0)


def test_copies_and_pickles_are_equal_and_still_read_only() -> None:
    graph = Graph(**PATH, weights=[1, 1, 2, 2])
    for other in (copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):
        assert other == graph
        assert not other.weights.flags.writeable
    assert graph != Graph(**PATH)
    assert graph.to_scipy().toarray().tolist() == [[0, 1, 0], [1, 0, 2], [0, 2, 0]]
