"""What comes in from outside is checked, copied and frozen: no other name for it can change it."""

# mypy: disable-error-code="arg-type"
from __future__ import annotations

import pickle
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from multiscale_gcn import (
    AlgebraicDistance,
    Constraints,
    DefferrardMatching,
    Graph,
    HeavyEdgeMatching,
    Hierarchy,
    InnerProduct,
    Level,
    LocalVariation,
    Matching,
    MetisPartition,
    VisitingOrderMatching,
    as_graph,
    coarsen,
    contract,
    match,
)
from multiscale_gcn.graph.exact import RoundingWarning

PATH = as_graph(nx.path_graph(4))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": [0.5, 1, 1, 0]}, "labels must hold integers, got dtype float64; cast"),
        ({"labels": ["a", "b", "b", "a"]}, "labels must hold integers"),
        ({"labels": np.ma.masked_array([0, 1, 1, 0], [0, 1, 0, 0])}, r"labels\[1\] is masked; "),
        ({"labels": [0, 2**70, 0, 0]}, r"labels\[1\] = 1180591620717411303424 does not fit"),
        ({"labels": [[0, 1], [0, 1]]}, r"labels has shape \(2, 2\), expected \(n,\)"),
        ({"labels": [[0], [0, 1]]}, "labels is a list of lists of unequal lengths"),
        ({"survivors": [0, 1, 1, 0]}, "survivors must be a boolean mask"),
        ({"batch": [0, 1, 0, 0]}, "batch falls from node 1 to node 2; the nodes of a member"),
        ({"batch": [0, 0, 1j, 1]}, "batch must hold integers, got dtype complex128"),
        ({"symmetry": [1, 2, 3, 0]}, "symmetry is no involution: it maps 0 to 1 and that to 2"),
        ({"symmetry": [9, 2, 1, 0]}, r"symmetry\[0\] = 9 is not a node: ids run to 3"),
        ({"symmetry": [-1, 2, 1, 0]}, r"symmetry\[0\] = -1 is not a node"),
        ({"labels": [0, 0], "batch": [0, 0, 0]}, r"batch has shape \(3,\), and labels has \(2,\)"),
    ],
)
def test_constraints_are_checked_however_they_are_made(
    arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Constraints(**arrays)


@pytest.mark.parametrize("dtype", [">i8", "<i4", ">u2", "u8", object])
def test_integers_of_every_type_mean_the_same(dtype: Any) -> None:
    """Compiled code met other bytes than it was compiled for, where the first ones were native."""
    mirror = np.array([3, 2, 1, 0])
    expected = match(PATH, constraints=Constraints(symmetry=mirror))
    if dtype is not object:
        given = Constraints(symmetry=mirror.astype(dtype), labels=np.zeros(4, dtype))
        assert match(PATH, constraints=given) == expected
        mate = match(PATH).mate.astype(dtype)
        for _ in range(2):
            again = Matching(mate, match(PATH).kind)
            assert contract(PATH, again)[1].tolist() == [0, 0, 1, 1]


def test_constraints_of_another_graph_are_refused() -> None:
    lopsided = as_graph(np.array([[0.0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 2], [0, 0, 2, 0]]))
    mirrored = Constraints(symmetry=[3, 2, 1, 0])
    assert match(PATH, constraints=mirrored).num_pairs == 2
    with pytest.raises(ValueError, match="symmetry is no automorphism"):
        match(lopsided, constraints=mirrored)
    with pytest.raises(ValueError, match=r"the edge \(1, 2\) joins members 0 and 1"):
        match(PATH, constraints=Constraints(batch=[0, 0, 1, 1]))
    with pytest.raises(ValueError, match=r"constraints.labels has shape \(3,\), expected \(4,\)"):
        match(PATH, constraints=Constraints(labels=[0, 0, 0]))
    with pytest.raises(TypeError, match="constraints = 'none' must be Constraints; "):
        match(PATH, constraints="none")


def mine() -> list[tuple[Any, np.ndarray]]:
    """Objects, and arrays that went into them."""
    parent, labels = np.array([0, 0, 1, 1]), np.zeros(4, np.int64)
    mate, kind = np.array([1, 0, 3, 2], np.int32), np.ones(4, np.int8)
    indptr, indices, weights = PATH.indptr.copy(), PATH.indices.copy(), PATH.weights.copy()
    coarse = Level(1, contract(PATH, match(PATH))[0], None)
    return [
        (Hierarchy((Level(0, PATH, parent), coarse)), parent),
        (Constraints(labels=labels), labels),
        (Matching(mate, kind), mate),
        (Matching(mate, kind), kind),
        (Graph(indptr, indices, weights), indices),
        (Graph(indptr, indices, weights), weights),
    ]


@pytest.mark.parametrize("case", range(6))
def test_nobody_holds_another_name_for_an_array(case: int) -> None:
    made, array = mine()[case]
    view = array[:]
    before = pickle.dumps(made)
    view[:] = 77
    assert pickle.dumps(made) == before
    if isinstance(made, Hierarchy):
        assert made.restriction(0, 1).toarray().tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]


def test_nothing_of_a_result_can_be_written_to() -> None:
    hierarchy = coarsen(nx.grid_2d_graph(9, 9), levels=2, labels=[0] * 81)
    for level in hierarchy:
        held = (level.graph.indices, level.graph.weights, level.constraints.labels, level.parent)
        for array in held:
            if array is not None:
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HeavyEdgeMatching(two_hop=object()), "two_hop = <object .* must be True or False"),
        (lambda: HeavyEdgeMatching(two_hop=1), "two_hop = 1 must be True or False"),
        (lambda: HeavyEdgeMatching(max_node_weight="4"), "max_node_weight = '4' must be a number"),
        (lambda: HeavyEdgeMatching(seed=True), "seed = True must be an integer"),
        (lambda: HeavyEdgeMatching(isolated=None), "isolated = None is none of 'pair'"),
        (lambda: VisitingOrderMatching(order=["degree"]), r"order = \['degree'\] is none of"),
        (lambda: DefferrardMatching(published="no"), "published = 'no' must be True or False"),
        (lambda: MetisPartition(recursive=0), "recursive = 0 must be True or False"),
        (lambda: MetisPartition(imbalance="x"), "imbalance = 'x' must be a number"),
        (lambda: LocalVariation(family=3), "family = 3 is neither"),
        (lambda: AlgebraicDistance(sweeps=2**31), "sweeps = 2147483648 must be at most 10000"),
        (lambda: AlgebraicDistance(omega=np.nan), "omega = nan must be positive and at most 1"),
        (lambda: InnerProduct([[1j]]), "features must hold real numbers, got dtype complex128"),
        (lambda: InnerProduct([["a"]]), "features must hold real numbers, got dtype <U1"),
    ],
)
def test_options_are_what_they_should_be(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_flags_and_numbers_of_numpy_are_taken() -> None:
    method = HeavyEdgeMatching(
        two_hop=np.bool_(False), seed=np.uint8(3), max_node_weight=np.int32(4)
    )
    assert method.two_hop is False
    assert type(method.seed) is int


def test_weights_that_rounding_changes_are_told() -> None:
    """Of two edges the lighter one would win, since both become the smallest unit."""
    graph = as_graph(
        np.array([[0, 2, 3], [1, 3, 4]]), kind="edge_index", weights=[1, 1e-17, 5e-17],
        symmetrize=True,
    )  # fmt: skip
    for step in (lambda: match(graph), lambda: coarsen(graph, levels=1)):
        with pytest.warns(RoundingWarning, match=r"changed 4 of them, one by .*; scale them"):
            step()
    logs = Graph(graph.indptr, graph.indices, 40 + np.log(graph.weights))
    assert match(logs, HeavyEdgeMatching(two_hop=False)).mate.tolist() == [1, 0, 2, 4, 3]


@pytest.mark.filterwarnings("error")
def test_weights_of_ordinary_range_are_rounded_in_silence() -> None:
    weights = np.random.default_rng(0).uniform(1e-4, 1e4, 3)
    ids = np.array([[0, 1, 2], [1, 2, 3]])
    coarsen(as_graph(ids, kind="edge_index", weights=weights, symmetrize=True), levels=1)


def test_tensors_with_gradients_are_refused_where_none_would_flow() -> None:
    hierarchy = coarsen(PATH, levels=1)
    values = torch.ones(4, requires_grad=True)
    with pytest.raises(ValueError, match=r"values requires grad, .*; give values.detach\(\)"):
        hierarchy.restrict(values, 0, 1)
    assert hierarchy.restrict(values.detach(), 0, 1).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: h.restriction("a", 1), "level = 'a' must be an integer"),
        (lambda h: h.restriction(0, 1.0), r"level = 1.0 must be an integer"),
        (lambda h: h[None], "level = None must be an integer"),
        (lambda h: h.level("4"), "num_nodes = '4' must be an integer"),
        (lambda h: h.restrict([1j] * 4, 0, 1), "values must hold real numbers"),
        (lambda h: h.restrict(np.ma.masked_less([1, 2, 3, 4], 2), 0, 1), r"values\[0\] is masked"),
        (lambda h: h.restrict([1, 2, 3, 4], 0, 1, kind=None), "kind = None is none of"),
        (lambda h: h.prolongation(1, 0, "smoothed", damping="x"), "damping = 'x' must be a number"),
        (lambda h: h.coarse_positions([["a"]] * 4, 1), "positions must hold real numbers"),
        (lambda h: Hierarchy(3), "levels = 3 must be a list of them"),
        (lambda h: Hierarchy.from_parents(PATH, 3), "parents = 3 must be a list of them"),
    ],
)
def test_bad_arguments_of_a_hierarchy_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(coarsen(PATH, levels=1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: contract(PATH, [1, 0, 3, 2]), r"matching = \[1, 0, 3, 2\] must be a Matching; "),
        (lambda: contract(nx.path_graph(4), match(PATH)), "must be a multiscale_gcn.Graph"),
        (lambda: Hierarchy((PATH,)), r"levels\[0\] = Graph\(4 nodes, 3 edges\) must be a Level"),
        (lambda: Level(0, nx.path_graph(3), None), "graph = .* must be a Graph"),
        (lambda: Level(0, PATH, None, {}), "constraints = {} must be a Constraints"),
        (lambda: Hierarchy((Level(0, PATH, None),), rounding=3), "rounding = 3 must be a Rounding"),
        (lambda: coarsen(PATH, levels=1, method="x"), "got 'x'"),
    ],
)
def test_objects_of_another_kind_are_refused(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()
