from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn import Graph, as_graph, round_weights
from multiscale_gcn.graph.exact import quantum_of
from multiscale_gcn.testing import graphs


def test_integers_do_not_change() -> None:
    graph, rounding = round_weights(as_graph(np.array([[0, 2**40, 0], [2**40, 1, 3], [0, 3, 0.0]])))
    assert not rounding
    assert graph.weights.tolist() == [2**40, 2**40, 1, 3, 3]


@given(graphs(), st.randoms())
def test_sums_do_not_depend_on_their_order(graph: Graph, random) -> None:
    graph, _ = round_weights(graph)
    values = graph.weights.tolist()
    exact = sum(map(Fraction, values))
    random.shuffle(values)
    assert sum(values) == float(exact)
    assert Fraction(float(exact)) == exact
    assert round_weights(graph)[0] is graph


@given(graphs())
def test_rounding_is_small_and_reported(graph: Graph) -> None:
    rounded, rounding = round_weights(graph)
    assert rounding.edge_weights == np.count_nonzero(rounded.weights != graph.weights)
    assert (rounded.weights > 0).all()
    if graph.num_entries:
        unit = graph.num_entries * graph.weights.max() * 2.0**-52
        assert np.abs(rounded.weights - graph.weights).max() <= unit
        change = np.abs(rounded.weights - graph.weights) / graph.weights
        assert rounding.largest_relative_change == change.max()


def test_the_bound_holds_where_rounding_to_nearest_would_break_it() -> None:
    # 9 * 1000799917193443.5 < 2**53 < 6 * 1000799917193444 + 3 * 1000799917193443
    weights = [1000799917193443.5] * 6 + [1000799917193443.0] * 3
    graph, _ = round_weights(as_graph(np.zeros((9, 9)), node_weights=weights))
    values = [Fraction(w) for w in graph.node_weights.tolist()]
    assert Fraction(float(sum(values))) == sum(values)


@given(st.integers(1, 2**40), st.floats(1e-100, 1e100))
def test_the_quantum_is_the_smallest_power_of_two_that_holds_all_sums(count, largest) -> None:
    quantum = Fraction(quantum_of(count, largest))
    assert count * Fraction(largest) <= quantum * 2**53
    assert count * Fraction(largest) > quantum / 2 * 2**53


def test_weights_too_small_for_the_unit_keep_their_edge() -> None:
    graph, rounding = round_weights(Graph([0, 1, 3, 4], [1, 0, 2, 1], [1e-30, 1e-30, 1, 1]))
    assert graph.num_edges == 2
    assert graph.weights[0] == 2.0**-51
    assert rounding.edge_weights == 2


def test_integers_may_change_where_one_is_huge() -> None:
    """Their sum is far below 2**53; nnz * max w is not."""
    weights = np.ones((60, 60))
    weights[0, 1] = weights[1, 0] = 2.0**50
    assert weights.sum() < 2.0**53
    assert round_weights(as_graph(weights))[1].edge_weights == 3598


def test_the_whole_range_of_weights_is_taken() -> None:
    for weight in (2.0**-900, 2.0**899, 1.5 * 2.0**899):
        graph, rounding = round_weights(Graph([0, 1, 2], [1, 0], [weight, weight]))
        assert not rounding
        assert graph.weights[0] == weight


@pytest.mark.parametrize("weight", [1e-300, 1e300])
def test_weights_near_the_ends_of_the_range_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=r"largest of weights, \[0\] = .*scale all of them"):
        round_weights(Graph([0, 1, 2], [1, 0], [weight, weight]))
    with pytest.raises(ValueError, match="largest of node_weights"):
        round_weights(Graph([0, 1, 2], [1, 0], node_weights=[weight, weight]))
