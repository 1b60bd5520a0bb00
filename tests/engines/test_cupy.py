"""The backend on CUDA devices against the specification; what it says where it cannot run."""

import sys
from importlib import util
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiscale_gcn import (
    BackendUnavailable,
    CoarseningStalled,
    DefferrardMatching,
    EdgeWeight,
    GivenRating,
    Graph,
    HeavyEdgeMatching,
    NormalizedAssociation,
    VisitingOrderMatching,
    aggregate,
    as_graph,
    coarsen,
    coarsen_on_device,
    contract,
    match,
    select_backend,
)
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.testing import assert_valid_hierarchy, graphs
from multiscale_gcn.testing.problems import constrained_graphs, heavy_edge_matchings


def _device() -> bool:
    try:
        return select_backend("cupy").name == "cupy"
    except BackendUnavailable:
        return False


on_gpu = pytest.mark.skipif(not _device(), reason="needs a CUDA device and CuPy")


@pytest.fixture(params=["one block", "rounds", "chains", "long rows", "long positions"])
def course(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Send small graphs the ways of large ones too."""
    if not _device():
        pytest.skip("needs a CUDA device and CuPy")
    from multiscale_gcn.contraction import on_cuda as contraction
    from multiscale_gcn.cuda import arrays
    from multiscale_gcn.matching import on_cuda as matching

    if request.param in ("rounds", "chains"):
        monkeypatch.setattr(matching, "MOST_ENTRIES", 3)
        monkeypatch.setattr(matching, "SMALL", 0 if request.param == "chains" else 40)
        monkeypatch.setattr(matching, "MEAN_OF_ONE", 0 if request.param == "chains" else 8)
    if request.param == "chains":
        monkeypatch.setattr(contraction, "_lanes", lambda longest, mean: 4)
    if request.param == "rounds":
        monkeypatch.setattr(contraction, "_lanes", lambda longest, mean: 1)
        monkeypatch.setattr(contraction, "FIRST_CLASS", 2)
    if request.param == "long rows":
        monkeypatch.setattr(matching, "LONG_ROW", 0)
        monkeypatch.setattr(matching, "PART", 32)
        monkeypatch.setattr(contraction, "_lanes", lambda longest, mean: 1)
        monkeypatch.setattr(contraction, "FIRST_CLASS", 1)
        monkeypatch.setattr(contraction, "MOST_WORDS", 4)
    if request.param == "long positions":
        monkeypatch.setattr(arrays, "LARGEST_OFFSET", -1)
        monkeypatch.setattr(matching, "LONG_ROW", 6)
        monkeypatch.setattr(contraction, "_lanes", lambda longest, mean: 1)
        monkeypatch.setattr(contraction, "FIRST_CLASS", 4)
    return request.param


@pytest.mark.gpu
def test_matching_equals_the_specification(course: str) -> None:
    @settings(max_examples=150)
    @given(graphs(), heavy_edge_matchings(), st.none() | st.integers(0, 5))
    def check(graph: Graph, method: HeavyEdgeMatching, max_pairs: int | None) -> None:
        expected = match(graph, method, max_pairs=max_pairs, backend="python")
        assert match(graph, method, max_pairs=max_pairs, backend="cupy") == expected

    check()


@pytest.mark.gpu
def test_constraints_are_those_of_the_specification(course: str) -> None:
    @settings(max_examples=100)
    @given(constrained_graphs(max_nodes=28), heavy_edge_matchings())
    def check(given_: tuple[Graph, dict[str, Any]], method: HeavyEdgeMatching) -> None:
        graph, options = given_
        constraints = Constraints.of(graph, **options)
        expected = match(graph, method, constraints=constraints, backend="python")
        assert match(graph, method, constraints=constraints, backend="cupy") == expected

    check()


@st.composite
def symmetric(draw: st.DrawFn) -> tuple[Graph, np.ndarray]:
    """A graph and its mirror image, joined by a few edges, perhaps to a middle of its own image."""
    half = draw(graphs(max_nodes=12, min_nodes=1))
    n, middle = half.num_nodes, draw(st.integers(0, 4))
    u, v = half.edge_index()
    ids = [np.stack([u, v]), np.stack([u, v]) + n]
    weights = [half.weights, half.weights]
    across = draw(st.lists(st.integers(0, n - 1), max_size=4, unique=True))
    ends = np.array(across, dtype=np.int64)
    ids += [np.stack([ends, ends + n]), np.stack([ends + n, ends])]
    weights += [np.full(2 * len(ends), 2.0)]
    for m in range(2 * n, 2 * n + middle):
        joined = draw(st.lists(st.integers(0, n - 1), max_size=4, unique=True))
        ends = np.array([*joined, *(a + n for a in joined)], dtype=np.int64)
        hub = np.full(len(ends), m)
        ids += [np.stack([ends, hub]), np.stack([hub, ends])]
        weights += [np.ones(2 * len(ends))]
    mirror = np.concatenate([np.arange(n) + n, np.arange(n), np.arange(2 * n, 2 * n + middle)])
    order = np.array(draw(st.permutations(range(len(mirror)))), dtype=np.int64)
    graph = as_graph(
        order[np.concatenate(ids, axis=1).astype(np.int64)],
        kind="edge_index",
        weights=np.concatenate(weights),
        num_nodes=len(mirror),
    )
    image = np.empty_like(order)
    image[order] = order[mirror]
    return graph, image


@pytest.mark.gpu
def test_symmetry_is_that_of_the_specification(course: str) -> None:
    @settings(max_examples=100)
    @given(symmetric(), heavy_edge_matchings())
    def check(given_: tuple[Graph, np.ndarray], method: HeavyEdgeMatching) -> None:
        graph, mirror = given_
        constraints = Constraints.of(graph, symmetry=mirror)
        expected = match(graph, method, constraints=constraints, backend="python")
        assert match(graph, method, constraints=constraints, backend="cupy") == expected

    check()


@pytest.mark.gpu
def test_contraction_equals_the_specification(course: str) -> None:
    @settings(max_examples=150)
    @given(graphs(), st.data())
    def check(graph: Graph, data: st.DataObject) -> None:
        n = graph.num_nodes
        drawn = data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
        parent = np.unique(np.array(drawn, dtype=np.int64), return_inverse=True)[1].reshape(-1)
        expected = aggregate(graph, parent, backend="python")
        found = aggregate(graph, parent, backend="cupy")
        assert found == expected
        assert found.indices.dtype == expected.indices.dtype
        assert found.quantum == expected.quantum
        matching = match(graph)
        assert contract(graph, matching, backend="cupy")[0] == contract(graph, matching)[0]

    check()


@pytest.mark.gpu
@on_gpu
@settings(max_examples=60)
@given(graphs(min_nodes=1), heavy_edge_matchings())
def test_hierarchies_are_equal(graph: Graph, method: HeavyEdgeMatching) -> None:
    expected = coarsen(graph, levels=4, method=method, backend="python")
    found = coarsen(graph, levels=4, method=method, backend="cupy")
    assert found.fingerprint == expected.fingerprint
    assert_valid_hierarchy(found)


@st.composite
def ruled(draw: st.DrawFn) -> tuple[Graph, dict[str, Any]]:
    if draw(st.booleans()):
        graph, mirror = draw(symmetric())
        return graph, {"symmetry": mirror}
    return draw(constrained_graphs(max_nodes=28))


@pytest.mark.gpu
@on_gpu
@settings(max_examples=80, deadline=None)
@given(
    ruled(), heavy_edge_matchings(), st.none() | st.integers(0, 4), st.none() | st.integers(0, 5)
)
def test_hierarchies_under_constraints_are_equal(
    given_: tuple[Graph, dict[str, Any]],
    method: HeavyEdgeMatching,
    levels: int | None,
    min_nodes: int | None,
) -> None:
    graph, options = given_
    if levels is None and min_nodes is None:
        levels = 3
    options |= {"levels": levels, "min_nodes": min_nodes, "method": method}
    expected = coarsen(graph, backend="python", **options)
    found = coarsen(graph, backend="cupy", **options)
    assert found.fingerprint == expected.fingerprint
    for ours, theirs in zip(found, expected, strict=True):
        for name, array in vars(theirs.constraints).items():
            assert np.array_equal(getattr(ours.constraints, name), array)


@pytest.mark.gpu
@on_gpu
@settings(max_examples=60, deadline=None)
@given(graphs(min_nodes=2), heavy_edge_matchings(), st.data())
def test_hierarchies_of_exact_sizes_are_equal(
    graph: Graph, method: HeavyEdgeMatching, data: st.DataObject
) -> None:
    n = graph.num_nodes
    sizes = data.draw(st.lists(st.integers(1, n), min_size=1, max_size=3))

    def attempt(backend: str) -> tuple[str, Any]:
        try:
            return "", coarsen(graph, sizes=sizes, method=method, backend=backend)
        except CoarseningStalled as stalled:
            return str(stalled), stalled.hierarchy
        except ValueError as refused:
            return str(refused), None

    expected, found = attempt("numba"), attempt("cupy")
    assert found[0] == expected[0]
    if expected[1] is not None:
        assert found[1].fingerprint == expected[1].fingerprint
        assert found[1].sizes == expected[1].sizes


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("constrained", [False, True])
def test_many_blocks_agree_on_which_step_would_stall(constrained: bool) -> None:
    tree = as_graph(nx.barabasi_albert_graph(60_000, 1, seed=2))
    labels = np.arange(tree.num_nodes) % 2 if constrained else None
    method = HeavyEdgeMatching(two_hop="auto")
    expected = coarsen(tree, levels=8, method=method, labels=labels, backend="numba")
    found = coarsen(tree, levels=8, method=method, labels=labels, backend="cupy")
    assert found.fingerprint == expected.fingerprint


@pytest.mark.gpu
@on_gpu
@settings(max_examples=40)
@given(graphs(), st.data())
def test_ratings_of_entries_too(graph: Graph, data: st.DataObject) -> None:
    salt = data.draw(st.integers(0, 100))

    def rating(level: Graph) -> np.ndarray:
        u, v = level.edge_index()
        return np.where(u == v, np.nan, (np.minimum(u, v) * 7 + np.maximum(u, v) * 3 + salt) % 5)

    method = HeavyEdgeMatching(rating=GivenRating(rating))
    assert match(graph, method, backend="cupy") == match(graph, method, backend="python")


def rmat(scale: int, edges: int) -> Graph:
    """Quadrants 0.57, 0.19, 0.19, 0.05, as often as there are bits: hubs and isolated nodes."""
    rng = np.random.default_rng(0)
    ids = np.zeros((2, edges), dtype=np.int64)
    for _ in range(scale):
        quadrant = rng.choice(4, size=edges, p=[0.57, 0.19, 0.19, 0.05])
        ids = 2 * ids + np.stack([quadrant // 2, quadrant % 2])
    ids = np.unique(np.sort(ids[:, ids[0] != ids[1]], axis=0), axis=1)
    return as_graph(ids, kind="edge_index", num_nodes=2**scale, symmetrize=True)


def increasing_path(n: int) -> Graph:
    ids = np.stack([np.arange(n - 1), np.arange(1, n)])
    return as_graph(ids, kind="edge_index", weights=np.arange(1.0, n), symmetrize=True)


def star(n: int) -> Graph:
    ids = np.stack([np.zeros(n - 1, np.int64), np.arange(1, n)])
    return as_graph(ids, kind="edge_index", symmetrize=True)


def grid(width: int) -> Graph:
    ids = np.arange(width * width).reshape(width, width)
    across = np.stack([ids[:, :-1].ravel(), ids[:, 1:].ravel()])
    down = np.stack([ids[:-1].ravel(), ids[1:].ravel()])
    edges = np.concatenate([across, down], axis=1)
    return as_graph(edges, kind="edge_index", symmetrize=True)


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize(
    ("graph", "method"),
    [
        (grid(300), HeavyEdgeMatching()),
        (grid(300), HeavyEdgeMatching(rating=NormalizedAssociation(), seed=3)),
        (star(100_000), HeavyEdgeMatching()),
        (star(20_000), HeavyEdgeMatching(max_node_weight=5)),
        (increasing_path(50_000), HeavyEdgeMatching(rating=EdgeWeight())),
        (rmat(15, 400_000), HeavyEdgeMatching()),
        (rmat(15, 400_000), HeavyEdgeMatching(rating=EdgeWeight(), max_node_weight=30)),
        (rmat(13, 400_000), HeavyEdgeMatching(rating=NormalizedAssociation())),
    ],
    ids=["grid", "grid-association", "star", "star-limit", "path", "rmat", "rmat-limit", "dense"],
)
def test_large_graphs_equal_numba_every_time(graph: Graph, method: HeavyEdgeMatching) -> None:
    expected = coarsen(graph, levels=8, method=method, backend="numba")
    for _ in range(3):
        found = coarsen(graph, levels=8, method=method, backend="cupy")
        assert found.fingerprint == expected.fingerprint


@pytest.mark.gpu
@on_gpu
def test_all_into_one_and_a_cluster_without_entries() -> None:
    graph = rmat(12, 60_000)
    for parent in (np.zeros(graph.num_nodes, int), np.arange(graph.num_nodes) // 1000):
        assert aggregate(graph, parent, backend="cupy") == aggregate(graph, parent)
    empty = Graph(np.zeros(1001, int), [])
    parent = np.arange(1000) % 3
    assert aggregate(empty, parent, backend="cupy") == aggregate(empty, parent)


@pytest.mark.gpu
@on_gpu
def test_only_the_last_graph_stays_on_the_device() -> None:
    from multiscale_gcn.cuda import arrays

    graph = grid(8)
    matching = match(graph, backend="cupy")
    coarse, _ = contract(graph, matching, backend="cupy")
    copy = arrays.on_device(coarse)
    assert copy is arrays.on_device(coarse), "contraction left it there"
    del coarse
    assert arrays._latest.copy is None, "and it goes with the graph"


@pytest.mark.gpu
@on_gpu
@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(0, 4), st.none() | st.integers(0, 6))
def test_a_hierarchy_on_the_device_is_that_of_the_host(
    graph: Graph, levels: int, min_nodes: int | None
) -> None:
    import cupy as cp

    expected = coarsen(graph, levels=levels, min_nodes=min_nodes)
    found = coarsen_on_device(graph, levels=levels, min_nodes=min_nodes)
    assert found.to_host().fingerprint == expected.fingerprint
    assert found.sizes == expected.sizes
    assert (found.parent(0, -1).get() == expected.parent(0, -1)).all()

    unweighed = Graph(graph.indptr, graph.indices, graph.weights)
    expected = coarsen(unweighed, levels=levels)
    options: dict[str, Any] = {"levels": levels, "num_nodes": graph.num_nodes}
    ids, weights = cp.asarray(graph.edge_index()), cp.asarray(graph.weights)
    both = coarsen_on_device(ids, weights=weights, **options)
    assert both.to_host().fingerprint == expected.fingerprint
    assert both.rounding == expected.rounding
    once = ids[0] <= ids[1]
    upper = coarsen_on_device(ids[:, once], weights=weights[once], symmetrize=True, **options)
    assert upper.to_host().fingerprint == expected.fingerprint


@pytest.mark.gpu
@on_gpu
def test_bad_arrays_on_the_device_are_refused_as_those_on_the_host() -> None:
    import cupy as cp

    edges = cp.asarray(np.array([[0, 1], [1, 2]]))
    with pytest.raises(ValueError, match="not symmetric"):
        coarsen_on_device(edges, levels=1)
    with pytest.raises(ValueError, match="is not a node"):
        coarsen_on_device(edges, levels=1, num_nodes=2, symmetrize=True)
    weights = cp.asarray(np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match=r"weight of \(1, 2\) is nan"):
        coarsen_on_device(edges, weights=weights, levels=1, symmetrize=True)
    with pytest.raises(ValueError, match="does not run VisitingOrderMatching"):
        coarsen_on_device(edges, levels=1, method=VisitingOrderMatching())  # type: ignore[arg-type]


@pytest.mark.gpu
@on_gpu
@settings(max_examples=60, deadline=None)
@given(graphs(min_nodes=1), st.data())
def test_duplicates_on_the_device_add_up_as_on_the_host(graph: Graph, data: st.DataObject) -> None:
    import cupy as cp

    edges = graph.edge_index()
    again = data.draw(st.lists(st.integers(0, max(graph.num_entries - 1, 0)), max_size=30))
    if graph.num_entries == 0:
        again = []
    chosen = np.concatenate([np.arange(graph.num_entries), np.array(again, dtype=np.int64)])
    order = np.array(data.draw(st.permutations(range(len(chosen)))), dtype=np.int64)
    ids = edges[:, chosen[order]]
    ids = np.concatenate([ids, ids[::-1]], axis=1)  # symmetric whatever was drawn
    scale = data.draw(st.sampled_from([1.0, 0.1]))  # sums of the second are not exact
    weights = scale * np.concatenate([graph.weights[chosen[order]]] * 2)
    options: dict[str, Any] = {"num_nodes": graph.num_nodes}
    try:
        given_ = as_graph(ids, kind="edge_index", weights=weights, **options)
    except ValueError:  # rounding errors of the two directions differ
        with pytest.raises(ValueError, match="not symmetric"):
            coarsen_on_device(cp.asarray(ids), weights=cp.asarray(weights), levels=2, **options)
        return
    expected = coarsen(given_, levels=2)
    found = coarsen_on_device(cp.asarray(ids), weights=cp.asarray(weights), levels=2, **options)
    assert found.to_host().fingerprint == expected.fingerprint


@pytest.mark.gpu
@on_gpu
def test_no_level_comes_to_the_host_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    from multiscale_gcn.cuda import arrays

    graph = grid(30)
    expected = coarsen(graph, levels=4).fingerprint
    copied: list[int] = []
    to_graph = arrays.DeviceArrays.to_graph

    def counting(self: Any, quantum: float | None) -> Graph:
        copied.append(self.num_nodes)
        return to_graph(self, quantum)

    monkeypatch.setattr(arrays.DeviceArrays, "to_graph", counting)
    there = coarsen_on_device(graph, levels=4)
    assert copied == []
    assert coarsen(graph, levels=4, backend="cupy").fingerprint == expected
    assert copied == list(there.sizes[1:]), "each once, and the finest is on the host already"


@pytest.mark.gpu
@on_gpu
def test_sparse_matrices_and_tensors_on_the_device() -> None:
    sparse = pytest.importorskip("cupyx.scipy.sparse")
    torch = pytest.importorskip("torch")
    graph = rmat(10, 5_000)
    expected = coarsen(graph, levels=4).fingerprint
    matrix = sparse.csr_matrix(graph.to_scipy())
    tensor = torch.sparse_csr_tensor(
        torch.tensor(graph.indptr),
        torch.tensor(graph.indices).long(),
        torch.tensor(graph.weights),
        matrix.shape,
        check_invariants=True,
    ).cuda()
    edge_index = torch.tensor(graph.edge_index()).cuda()
    for source in (matrix, tensor, tensor.to_sparse_coo(), edge_index):
        nodes = graph.num_nodes if source is edge_index else None
        found = coarsen_on_device(source, levels=4, num_nodes=nodes)
        assert found.to_host().fingerprint == expected
    found = coarsen_on_device(edge_index, levels=4)
    assert torch.from_dlpack(found.parent(0, 4)).is_cuda
    assert repr(found).splitlines()[1].split() == ["level", "nodes", "entries", "ratio"]


def test_without_cupy_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match=r"cupy is not installed; pip install .*\[cuda13"):
        select_backend("cupy")
    with pytest.raises(BackendUnavailable, match="cupy is not installed"):
        match(as_graph(nx.path_graph(3)), backend="cupy")


class _Failure(Exception):
    pass


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (_Failure("cudaErrorInsufficientDriver"), r"no CUDA device \(cudaErrorInsufficientDriver"),
        (0, r"no CUDA device \(0 are visible\); look at nvidia-smi"),
    ],
)
def test_without_a_device_the_cause_is_named(
    count: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_device_count() -> int:
        if isinstance(count, Exception):
            raise count
        return int(count)

    runtime = SimpleNamespace(getDeviceCount=get_device_count, CUDARuntimeError=_Failure)
    stub = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    monkeypatch.setattr(util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "cupy", stub)
    with pytest.raises(BackendUnavailable, match=message):
        select_backend("cupy")


def test_a_cupy_that_does_not_load_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendUnavailable, match=r"cupy cannot be imported .*; pip install"):
        select_backend("cupy")


@pytest.mark.parametrize("method", [VisitingOrderMatching(), DefferrardMatching()])
def test_sequential_methods_are_refused(method: Any) -> None:
    name = type(method).__name__
    with pytest.raises(ValueError, match=f"'cupy' does not run {name}, .* take HeavyEdgeMatching"):
        coarsen(nx.path_graph(5), levels=1, method=method, backend="cupy")
