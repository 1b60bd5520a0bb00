"""Two directions to one edge, against the formulas in scipy, for every sort of source alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from multiscale_gcn import as_graph, to_torch
from multiscale_gcn.checks.arguments import flag
from multiscale_gcn.convert import Kind

beta = pytest.mark.filterwarnings("ignore:Sparse ... tensor support is in beta:UserWarning")

KINDS_OF_FACES: tuple[Kind | None, ...] = (None, "faces")
FORMULAS: dict[Any, Callable[[sp.csr_array], Any]] = {
    "max": lambda a: a.maximum(a.T),
    "mean": lambda a: (a + a.T) / 2,
    "sum": lambda a: a + a.T,
}

ANY_TRUE: Any = np.True_

matrices = st.integers(1, 6).flatmap(
    lambda n: hnp.arrays(float, (n, n), elements=st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0, 1e300]))
)


@pytest.mark.parametrize("how", FORMULAS)
@given(dense=matrices)
def test_formulas_of_scipy(how: Any, dense: np.ndarray) -> None:
    expected = FORMULAS[how](sp.csr_array(dense)).toarray()
    np.testing.assert_array_equal(as_graph(dense, symmetrize=how).to_scipy().toarray(), expected)


@given(dense=matrices)
def test_mirror_is_true(dense: np.ndarray) -> None:
    upper = np.triu(dense)
    graph = as_graph(upper, symmetrize="mirror")
    assert graph == as_graph(upper, symmetrize=True) == as_graph(upper, symmetrize=ANY_TRUE)
    np.testing.assert_array_equal(graph.to_scipy().toarray(), np.maximum(upper, upper.T))


EDGES = [(0, 1, 2.0), (1, 0, 4.0), (2, 1, 3.0), (2, 2, 5.0), (3, 0, 1.0)]
DENSE = sp.coo_array(
    ([w for *_, w in EDGES], ([u for u, *_ in EDGES], [v for _, v, _ in EDGES])), shape=(4, 4)
).toarray()


def directed_networkx() -> nx.DiGraph:
    source = nx.DiGraph()
    source.add_nodes_from(range(4))
    source.add_weighted_edges_from(EDGES)
    return source


def sources() -> dict[str, tuple[Any, dict[str, Any]]]:
    ids = np.array([edge[:2] for edge in EDGES])
    weights = [edge[2] for edge in EDGES]
    found: dict[str, tuple[Any, dict[str, Any]]] = {
        "dense": (DENSE, {}),
        "csr": (sp.csr_array(DENSE), {}),
        "tensor": (torch.tensor(DENSE).to_sparse_coo(), {}),
        "csr tensor": (torch.tensor(DENSE).to_sparse_csr(), {}),
        "edge_index": (ids.T, {"weights": weights}),
        "edge_list": (ids, {"kind": "edge_list", "weights": weights}),
        "weighted edge_list": (EDGES, {"kind": "edge_list"}),
        "networkx": (directed_networkx(), {}),
        "multigraph": (nx.MultiDiGraph(directed_networkx()), {}),
    }
    return found


@beta
@pytest.mark.parametrize("how", FORMULAS)
def test_every_source_alike(how: Any) -> None:
    expected = FORMULAS[how](sp.csr_array(DENSE)).toarray()
    for name, (source, options) in sources().items():
        graph = as_graph(source, symmetrize=how, **options)
        np.testing.assert_array_equal(graph.to_scipy().toarray(), expected, err_msg=name)


@beta
def test_directions_that_differ_are_refused_with_a_remedy_that_was_not_tried() -> None:
    for source, options in sources().values():
        with pytest.raises(ValueError, match=r"(not symmetric|directed): .*symmetrize=True"):
            as_graph(source, **options)
        with pytest.raises(ValueError, match=r"differ, 2.0 and 4.0.*='max', 'mean' or 'sum'") as e:
            as_graph(source, symmetrize=True, **options)
        assert "symmetrize=True" not in str(e.value)


def test_directed_graphs_whose_directions_agree_are_read() -> None:
    assert as_graph(nx.path_graph(4).to_directed()) == as_graph(nx.path_graph(4))


def test_undirected_graphs_are_symmetric_already() -> None:
    graph = as_graph(nx.path_graph(4))
    for how in (True, "mirror", "max", "mean"):
        assert as_graph(nx.path_graph(4), symmetrize=how) == graph
        assert as_graph(graph, symmetrize=how) == graph
    for source in (nx.path_graph(4), graph, to_torch(graph)):
        doubled = as_graph(source, symmetrize="sum")
        np.testing.assert_array_equal(doubled.weights, 2 * graph.weights)


def test_faces_have_no_directions() -> None:
    for kind in KINDS_OF_FACES:
        with pytest.raises(ValueError, match=r"symmetrize does not go with .*kind='edge_list'"):
            as_graph(np.array([[0, 1, 2], [0, 2, 3]] * 2), symmetrize=True, kind=kind)


def test_sums_beyond_every_number_are_refused() -> None:
    for how in ("sum", "mean"):
        with pytest.raises(ValueError, match=r"add up to infinity"):
            as_graph(np.full((2, 2), 1.5e308), symmetrize=how)


@pytest.mark.parametrize("value", ["False", "True", "min", 1, 0, None, [True], np.array([1, 2])])
def test_flags_are_bools(value: Any) -> None:
    with pytest.raises(ValueError, match=r"symmetrize = .* must be True, False or one of 'mirror'"):
        as_graph(DENSE, symmetrize=value)
    with pytest.raises(ValueError, match=r"deep = .* must be True or False"):
        flag(value, "deep")


def test_flags_of_any_bool() -> None:
    assert flag(True, "deep") is True
    assert flag(np.False_, "deep") is False
