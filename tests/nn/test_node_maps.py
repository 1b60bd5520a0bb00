"""Sparse maps between scales, against dense ones with the same weights."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn import Graph, Hierarchy, Level, coarsen, ops
from multiscale_gcn.nn import (
    CrossScaleFusion,
    DenseMap,
    HierarchyTransfer,
    MatrixPattern,
    MultiScaleGCN,
    ScaleSum,
    SparseMap,
)


def leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def random_matrix(rows: int, columns: int, density: float, seed: int) -> sp.csr_array:
    """With empty rows and columns, and stored zeros."""
    generator = np.random.default_rng(seed)
    matrix = sp.csr_array(generator.random((rows, columns)) < density, dtype=float)
    matrix.data = generator.integers(-2, 3, matrix.nnz).astype(float)
    return matrix


def small_hierarchy() -> Hierarchy:
    return coarsen(ring(24, 2), sizes=[12, 5])


def densified(sparse: nn.Module) -> nn.Module:
    """A copy in which every sparse map is a dense one with the same weights."""
    dense = copy.deepcopy(sparse)
    for parent in list(dense.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SparseMap):
                entries = child.pattern.entries
                linear = DenseMap(child.in_features, child.out_features).to(child.weight.dtype)
                with torch.no_grad():
                    linear.weight.zero_()[entries.rows, entries.columns] = child.weight
                    linear.bias.copy_(child.bias)
                setattr(parent, name, linear)
    return dense


@given(
    m=st.integers(1, 7),
    n=st.integers(1, 7),
    density=st.floats(0, 1),
    batch=st.integers(1, 3),
    per_channel=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_propagate_on_a_rectangular_pattern(m, n, density, batch, per_channel, seed):
    torch.manual_seed(seed)
    matrix = random_matrix(m, n, density, seed)
    pattern = MatrixPattern(matrix).entries
    x, values = leaf(batch, n, 2), leaf(*([2] if per_channel else []), matrix.nnz)
    places = pattern.rows * n + pattern.columns
    dense = values.new_zeros(2, m * n).index_copy(1, places, values.expand(2, -1))
    expected = torch.einsum("cij,bjc->bic", dense.view(2, m, n), x)
    upstream = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, (x, values), upstream)
    forms = (ops.propagate_reference, ops.propagate_dense, ops.propagate_sparse, ops.propagate)
    for form in forms:
        result = form(x, values, pattern)
        torch.testing.assert_close(result, expected)
        if matrix.nnz or form is not ops.propagate_reference:
            gradients = torch.autograd.grad(result, (x, values), upstream)
            torch.testing.assert_close(gradients, wanted)


@given(m=st.integers(1, 7), n=st.integers(1, 7), density=st.floats(0, 1), seed=st.integers(0, 99))
def test_a_pattern_holds_its_transpose(m, n, density, seed):
    matrix = random_matrix(m, n, density, seed)
    pattern = MatrixPattern(matrix).entries
    assert (pattern.num_rows, pattern.num_columns) == (m, n)
    stored = sp.csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), matrix.shape)
    rows, columns = np.nonzero(stored.toarray())
    assert pattern.rows.tolist() == rows.tolist()
    assert pattern.columns.tolist() == columns.tolist()
    back_rows, back_columns = np.nonzero(stored.toarray().T)
    assert pattern.back_indptr.tolist() == np.searchsorted(back_rows, np.arange(n + 1)).tolist()
    assert pattern.back_columns.tolist() == back_columns.tolist()
    assert pattern.rows[pattern.mirror].tolist() == back_columns.tolist()
    assert pattern.columns[pattern.mirror].tolist() == back_rows.tolist()


@pytest.mark.parametrize("form", [ops.propagate_dense, ops.propagate_sparse])
def test_gradcheck_on_a_rectangular_pattern(form):
    torch.manual_seed(0)
    pattern = MatrixPattern(random_matrix(4, 6, 0.4, 1)).entries
    inputs = leaf(2, 6, 3), leaf(len(pattern.rows))
    assert torch.autograd.gradcheck(lambda x, values: form(x, values, pattern), inputs)


@settings(max_examples=20)
@given(
    order=st.sampled_from(["parallel", "sequential"]),
    kind=st.sampled_from(["constant", "smoothed"]),
    levels=st.sampled_from([[0, 1], [2, 0], [0, 1, 3], [3, 1, 2]]),
    seed=st.integers(0, 99),
)
def test_sparse_fusion_is_dense_fusion_with_the_same_weights(order, kind, levels, seed):
    torch.manual_seed(seed)
    hierarchy = coarsen(ring(24, 2), sizes=[12, 5, 3])
    transfer = HierarchyTransfer(hierarchy, levels, kind)
    sizes = [hierarchy[level].num_nodes for level in levels]
    sparse = CrossScaleFusion(sizes, order, transfer).double()
    assert not any(parameter.any() for parameter in sparse.parameters())
    for parameter in sparse.parameters():
        nn.init.normal_(parameter)
    dense = densified(sparse)
    assert not any(isinstance(m, SparseMap) for m in dense.modules())
    features = [leaf(2, size, 3) for size in sizes]
    results, expected = sparse(features), dense(features)
    torch.testing.assert_close(results, expected)
    upstream = [torch.randn_like(y) for y in expected]
    torch.testing.assert_close(
        torch.autograd.grad(results, features, upstream, retain_graph=True),
        torch.autograd.grad(expected, features, upstream, retain_graph=True),
    )
    maps = [m for m in sparse.modules() if isinstance(m, SparseMap)]
    linears = [m for m in dense.modules() if isinstance(m, DenseMap)]
    ours = torch.autograd.grad(results, [m.weight for m in maps], upstream)
    theirs = torch.autograd.grad(expected, [m.weight for m in linears], upstream)
    for node_map, gradient, full in zip(maps, ours, theirs, strict=True):
        entries = node_map.pattern.entries
        torch.testing.assert_close(gradient, full[entries.rows, entries.columns])


@pytest.mark.parametrize("order", ["parallel", "sequential"])
def test_sparse_fusion_gradcheck(order):
    hierarchy = coarsen(ring(8), sizes=[4])
    fusion = CrossScaleFusion(hierarchy.sizes, order, HierarchyTransfer(hierarchy)).double()
    parameters = list(fusion.parameters())
    for parameter in parameters:
        nn.init.normal_(parameter)
    features = [leaf(2, size, 2) for size in hierarchy.sizes]

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(fusion(inputs[: len(features)]))

    assert torch.autograd.gradcheck(run, (*features, *parameters))


@pytest.mark.parametrize("kind", ["constant", "smoothed"])
def test_maps_start_as_the_matrices_and_keep_constants(kind):
    hierarchy = small_hierarchy()
    transfer = HierarchyTransfer(hierarchy, kind=kind)
    down, up = transfer(0, 2), transfer(2, 0)
    np.testing.assert_allclose(down.sum(axis=1), 1)
    np.testing.assert_allclose(up.toarray(), hierarchy.prolongation(2, 0, kind).toarray())
    if kind == "constant":
        np.testing.assert_allclose(down.toarray(), hierarchy.restriction(0, 2).toarray())
    else:
        assert down.nnz == up.nnz > len(hierarchy[0].graph.node_weights)
    layer = ScaleSum([24], hierarchy[2].num_nodes, [down])
    x = torch.randn(2, 24, 3)
    expected = torch.from_numpy(down.toarray()).float() @ x
    torch.testing.assert_close(layer([x]), expected)
    (node_map,) = layer.maps
    assert isinstance(node_map, SparseMap)
    nn.init.zeros_(node_map.weight)
    node_map.reset_parameters()
    torch.testing.assert_close(layer([x]), expected)


def test_linear_maps_are_those_of_the_hierarchy():
    """Up by the linear prolongation; down by the mean, whose weights are not below 0."""
    hierarchy = small_hierarchy()
    angles = np.arange(24) / 24 * 2 * np.pi
    positions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    transfer = HierarchyTransfer(hierarchy, [2, 0], "linear", positions=positions)
    up = hierarchy.prolongation(2, 0, "linear", positions=positions).toarray()
    assert not np.array_equal(up, hierarchy.prolongation(2, 0).toarray())
    positions[:] = 0  # the transfer has its own
    np.testing.assert_array_equal(transfer(0, 1).toarray(), up)
    np.testing.assert_array_equal(transfer(1, 0).toarray(), hierarchy.restriction(0, 2).toarray())


def test_interpolated_maps_are_those_of_the_hierarchy():
    """A path of four nodes, of which the ends stay and the middle ones lie between them."""
    weights = sp.csr_array([[1, 0], [2 / 3, 1 / 3], [1 / 3, 2 / 3], [0, 1]])
    fine, coarse = Graph([0, 1, 3, 5, 6], [1, 0, 2, 1, 3, 2]), Graph([0, 1, 2], [1, 0])
    level = Level(0, fine, np.array([0, 0, 1, 1]), sampled=np.array([0, 3]), interpolation=weights)
    hierarchy = Hierarchy((level, Level(1, coarse, None)))
    transfer = HierarchyTransfer(hierarchy, kind="interpolated", restriction="sampled")
    np.testing.assert_array_equal(transfer(1, 0).toarray(), weights.toarray())
    np.testing.assert_array_equal(transfer(0, 1).toarray(), np.eye(4)[[0, 3]])
    means = HierarchyTransfer(hierarchy, kind="interpolated")(0, 1)
    np.testing.assert_array_equal(means.toarray(), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    assert "restriction='sampled'" in repr(transfer)


def test_restrictions_of_a_smoothed_transfer():
    hierarchy = small_hierarchy()
    smoothed = HierarchyTransfer(hierarchy, kind="smoothed", restriction="weighted_mean")
    np.testing.assert_array_equal(
        smoothed(0, 2).toarray(), hierarchy.restriction(0, 2, "weighted_mean").toarray()
    )


def test_dense_and_sparse_maps_side_by_side():
    """A joint graph without a place in the hierarchy is tied to it by dense maps."""
    hierarchy = small_hierarchy()
    levels = HierarchyTransfer(hierarchy, [0, 1])

    def transfer(source: int, target: int) -> sp.csr_array | None:
        return levels(source - 1, target - 1) if source and target else None

    fusion = CrossScaleFusion([5, 24, 12], transfer=transfer)
    kinds = [[type(m) for m in scale.maps] for scale in fusion.sums.values()]  # type: ignore[union-attr]
    assert kinds == [[DenseMap, DenseMap], [DenseMap, SparseMap], [DenseMap, SparseMap]]
    assert [y.shape[1] for y in fusion([torch.randn(2, n, 3) for n in (5, 24, 12)])] == [5, 24, 12]


def network(hierarchy: Hierarchy, levels: list[int], **options) -> MultiScaleGCN:
    torch.manual_seed(0)
    arguments = {"in_channels": 2, "channels": 8, "out_channels": 3, **options}
    graphs = [hierarchy[level].graph for level in levels]
    stages = arguments.pop("stages", [(0,), (1, 0), (0, 1, 2)])
    transfer = HierarchyTransfer(hierarchy, levels)
    return MultiScaleGCN(graphs, stages, transfer=transfer, **arguments)


def test_a_network_with_sparse_maps_is_one_with_dense_maps():
    hierarchy = small_hierarchy()
    sparse = network(hierarchy, [0, 1, 2])
    for parameter in sparse.parameters():
        nn.init.normal_(parameter, std=0.2)
    maps = [m for m in sparse.modules() if isinstance(m, SparseMap)]
    assert len(maps) == 1 + 2 + 2 + 6
    assert len({id(m.pattern) for m in maps}) == 6, "stages share their patterns"
    dense = densified(sparse)
    x = torch.randn(4, 24, 2)
    for ours, theirs in zip(sparse(x), dense(x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_state_round_trips_and_holds_no_matrix():
    hierarchy = small_hierarchy()
    one, other = (network(hierarchy, [0, 1, 2]) for _ in range(2))
    assert not any("pattern" in name or "initial" in name for name in one.state_dict())
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    other.load_state_dict(one.state_dict())
    x = torch.randn(3, 24, 2)
    for ours, theirs in zip(one.eval()(x), other.eval()(x), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.filterwarnings("default")  # of the compiler itself
def test_sparse_fusion_compiles_as_one_graph():
    hierarchy = coarsen(ring(1200, 2), sizes=[600])
    fusion = CrossScaleFusion(
        [1200, 600], transfer=HierarchyTransfer(hierarchy, [0, 1]), start="published"
    )
    features = [torch.randn(2, size, 4) for size in hierarchy.sizes]
    torch._dynamo.reset()
    compiled = torch.compile(fusion, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(features), fusion(features))
    gradients = []
    for run in (fusion, compiled):
        fusion.zero_grad()
        sum(y.square().sum() for y in run(features)).backward()
        gradients.append([p.grad.clone() for p in fusion.parameters() if p.grad is not None])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_types(dtype):
    hierarchy = coarsen(ring(1200, 2), sizes=[600])
    fusion = CrossScaleFusion([1200, 600], transfer=HierarchyTransfer(hierarchy), start="published")
    features = [torch.randn(2, size, 4) for size in hierarchy.sizes]
    single = fusion(features)
    for ours, theirs in zip(fusion.to(dtype)([x.to(dtype) for x in features]), single, strict=True):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.float(), theirs, rtol=0.05, atol=0.05)


def test_a_large_network_trains_without_a_dense_matrix():
    """100,000 and 50,000 nodes: one dense map would have 5 billion weights."""
    n = 100_000
    parents = [np.arange(n) // 2]
    hierarchy = Hierarchy.from_parents(ring(n), parents)
    net = network(hierarchy, [0, 1], channels=2, stages=[(0, 1)])
    (fine, _) = net(torch.randn(1, n, 2))
    fine.square().mean().backward()
    weight = net.get_parameter("fusions.0.sums.0.maps.0.weight")
    assert weight.shape == (n,)
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SparseMap(np.eye(2)), "matrix is a ndarray; give a scipy.sparse matrix"),
        (
            lambda: SparseMap(sp.csr_array([[1.0, 0.0], [2.0, np.nan]])),
            r"matrix\[1, 1\] = nan must be finite",
        ),
        (lambda: SparseMap(sp.csr_array([[1j]])), "real numbers, got dtype complex128"),
        (
            lambda: ScaleSum([2, 3], 4, [None, sp.eye_array(4, 2)]),
            r"source 1 has shape \(4, 2\), expected \(4, 3\)",
        ),
        (lambda: ScaleSum([2, 3], 4, [None]), "matrices has 1 entries for 2 sources"),
        (
            lambda: HierarchyTransfer(small_hierarchy(), [0, 9]),
            r"levels\[1\] = 9 is none of the hierarchy's, which run from 0 to",
        ),
        (
            lambda: HierarchyTransfer(small_hierarchy(), kind="sharp"),  # type: ignore[arg-type]
            "kind = 'sharp' is none of 'constant', 'smoothed', 'linear'",
        ),
        (
            lambda: HierarchyTransfer(small_hierarchy(), kind="linear"),
            "kind = 'linear' needs positions",
        ),
        (
            lambda: HierarchyTransfer(small_hierarchy(), kind="linear", positions=np.ones((9, 2))),
            r"positions has shape \(9, 2\), expected \(24, d\)",
        ),
        (
            lambda: HierarchyTransfer(small_hierarchy(), positions=np.ones((24, 2))),
            "positions goes with kind='linear' only",
        ),
        (
            lambda: HierarchyTransfer(small_hierarchy(), restriction="sum"),  # type: ignore[arg-type]
            "restriction = 'sum' is none of 'mean', 'weighted_mean', 'sampled'",
        ),
        (lambda: HierarchyTransfer(small_hierarchy(), restriction="sampled"), "sampled"),
        (
            lambda: MultiScaleGCN(
                [ring(5), ring(3)],
                [(0, 1)],
                in_channels=1,
                channels=2,
                out_channels=1,
                transfer=lambda source, target: sp.eye_array(5),
            ),
            r"shape \(5, 5\), expected \(3, 5\)",
        ),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_layers_of_one_graph_hold_the_same_tensors_from_the_start():
    from multiscale_gcn.nn import GraphPattern

    graph = ring(5)
    first = GraphPattern(graph)
    assert GraphPattern(graph).mirror is first.mirror
    moved = first.to("meta")
    assert GraphPattern(graph).mirror.device.type == "cpu"
    assert moved.mirror.device.type == "meta"
    assert GraphPattern(Graph([0, 1, 2], [1, 0])).mirror.tolist() == [0, 2, 1, 3]
