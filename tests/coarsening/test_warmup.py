import networkx as nx
import numba
import numpy as np

from multiscale_gcn import (
    BiStride,
    CentroidalClusters,
    EdgeWeight,
    FarthestPoints,
    HeavyEdgeMatching,
    KronReduction,
    MaximalIndependentSet,
    RefinedClusters,
    coarsen,
    warmup,
)
from multiscale_gcn.compiled.functions import compiled
from multiscale_gcn.contraction import on_cpu as contraction
from multiscale_gcn.matching import on_cpu as matching
from multiscale_gcn.methods import bi_stride, farthest_points, k_mis, kron
from multiscale_gcn.methods.compact.boundary_moves import move_boundaries
from multiscale_gcn.methods.compact.farthest_seeds import divide

KERNELS = {
    matching: ("_step_in_chunks", "_match_serially", "_pair_waiting"),
    contraction: ("_place_pairs", "_merge_by_columns", "_merge_blocks"),
}
FUNCTIONS = (
    bi_stride._depths,
    k_mis._gather,
    farthest_points._farthest,
    farthest_points._nearest,
    kron._eliminate,
)


def _signatures() -> dict[str, list]:
    return {
        f"{module.__name__}.{name}": list(value.signatures)
        for module in (matching, contraction)
        for name, value in vars(module).items()
        if isinstance(value, numba.core.dispatcher.Dispatcher)
    }


def test_nothing_of_compact_clusters_is_left_to_compile_after_a_warmup() -> None:
    warmup()
    functions = [compiled(move_boundaries), compiled(divide)]
    before = [list(function.signatures) for function in functions]
    assert all(before)
    grid = nx.grid_2d_graph(20, 20)
    centroidal = CentroidalClusters(positions=list(grid.nodes))
    refined = RefinedClusters(method=HeavyEdgeMatching(), positions=list(grid.nodes))
    for method in (centroidal, refined):
        coarsen(grid, sizes=[30, 9], method=method)
        coarsen(grid, sizes=[30, 9], method=method, labels=[k // 200 for k in range(400)])
    assert [list(function.signatures) for function in functions] == before


def test_nothing_is_left_to_compile_after_a_warmup() -> None:
    warmup()
    before = _signatures()
    for module, names in KERNELS.items():
        for name in names:
            assert before[f"{module.__name__}.{name}"], f"{name} is not compiled"
    methods = (HeavyEdgeMatching(rating=EdgeWeight()), HeavyEdgeMatching(max_node_weight=4))
    for graph in (nx.grid_2d_graph(160, 160), nx.star_graph(50)):
        for method in methods:
            coarsen(graph, levels=3, method=method)
        coarsen(graph, levels=2, labels=[0] * len(graph))
    assert _signatures() == before


def test_neither_are_the_functions_of_methods_that_keep_nodes() -> None:
    warmup()
    before = {function: list(compiled(function).signatures) for function in FUNCTIONS}
    assert all(before.values())
    grid = nx.grid_2d_graph(12, 12)
    survivors = np.arange(144) % 50 == 0
    places = np.asfortranarray(np.random.default_rng(0).random((144, 3)))
    for method in (
        BiStride(), BiStride(places), MaximalIndependentSet(2, scores=np.arange(144)),
        FarthestPoints(places), KronReduction(),
    ):  # fmt: skip
        coarsen(grid, sizes=[100, 30], method=method)
        coarsen(grid, levels=2, method=method, survivors=survivors, batch=np.zeros(144, int))
    after = {function: list(compiled(function).signatures) for function in FUNCTIONS}
    assert after == before
