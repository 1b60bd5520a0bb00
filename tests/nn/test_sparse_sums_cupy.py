"""Aggregation over neighbours by kernels for CUDA devices, against dense float64 algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from cuda_checks import needs_kernels
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_graphs import as_matrix, neighbourhoods, pattern_of
from torch import Tensor

from multiscale_gcn import Graph
from multiscale_gcn.ops import Normalisation, Pattern, select_backend, semgconv
from multiscale_gcn.ops.epilogue import finish
from multiscale_gcn.ops.graph_convolution.on_cuda import BACKWARD, FORWARD
from multiscale_gcn.ops.neighbour_softmax.on_cuda import SOFTMAX, SOFTMAX_BACKWARD
from multiscale_gcn.ops.sparse_sums.aggregate_on_cuda import aggregate_neighbours
from multiscale_gcn.ops.sparse_sums.entry_gradient_on_cuda import entry_gradient, logit_gradient

pytestmark = needs_kernels

TOLERANCE = {
    torch.float32: 4e-6,
    torch.float64: 1e-12,
    torch.bfloat16: 1e-2,
    torch.float16: 2e-3,
}


def nasty_graph(n: int, density: float, hubs: int, seed: int) -> Graph:
    """Random pairs, nodes tied to all others, and some that are tied to none."""
    generator = np.random.default_rng(seed)
    pairs = np.triu(generator.random((n, n)) < density, 1)
    pairs[:hubs] = True
    lonely = np.arange(hubs, n, 7)
    pairs[lonely] = pairs[:, lonely] = False
    upper = sp.csr_array(np.triu(pairs, 1).astype(float))
    matrix = (upper + upper.T).tocsr()
    matrix.sort_indices()
    return Graph(matrix.indptr, matrix.indices)


class Case:
    """Random features and values on a graph, and the same as dense matrices in float64."""

    def __init__(
        self, graph: Graph, batch: int, channels: int, dtype: torch.dtype, lying: str, seed: int
    ) -> None:
        generator = torch.Generator("cuda").manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, device="cuda")

        def features() -> Tensor:
            n = graph.num_nodes
            if lying == "node by node":
                return draw(n, batch, channels).to(dtype).transpose(0, 1)
            if lying == "inside of a wider tensor":
                return draw(batch, n, channels + 3).to(dtype)[..., 1:-2]
            return draw(batch, n, channels).to(dtype)

        self.dtype, self.graph = dtype, graph
        self.pattern = Pattern(*(tensor.cuda() for tensor in pattern_of(graph)))
        wide = torch.promote_types(dtype, torch.float32)
        self.values = (3 * draw(len(self.pattern.rows))).to(wide)
        self.own, self.x, self.upstream = features(), features(), features()
        self.bias = draw(channels).to(dtype)
        mean, variance, gain, offset = (draw(channels).to(dtype) for _ in range(4))
        self.statistics = (mean, variance.abs() + 0.5, gain, offset)

    @property
    def csr(self) -> tuple[Tensor, Tensor]:
        return self.pattern.indptr, self.pattern.columns

    def exact(self, x: Tensor) -> Tensor:
        return x.double().cpu()

    def matrix(self, softmax: bool) -> Tensor:
        dense = as_matrix(self.exact(self.values), self.graph)
        if not softmax:
            return dense
        return dense.masked_fill(neighbourhoods(self.graph) == 0, -torch.inf).softmax(-1)

    def entries(self, matrix: Tensor) -> Tensor:
        return matrix[self.pattern.rows.cpu(), self.pattern.columns.cpu()]

    def compare(self, result: Tensor, expected: Tensor, scale: float = 1.0) -> None:
        assert result.shape == expected.shape
        difference = (self.exact(result) - expected).norm()
        error = float(difference / expected.norm().clamp(min=1e-30))
        assert error < scale * TOLERANCE[self.dtype] or expected.norm() < 1e-9, error


def parts(matrix: Tensor) -> tuple[Tensor, Tensor]:
    own = matrix.diagonal()
    return own[:, None], matrix - torch.diag(own)


graphs = st.one_of(
    st.builds(
        nasty_graph,
        st.integers(1, 80),
        st.sampled_from([0.0, 0.1, 1.0]),
        st.just(0),
        st.integers(0, 9),
    ),
    st.builds(nasty_graph, st.just(1300), st.just(0.003), st.integers(1, 3), st.integers(0, 9)),
)
cases = st.builds(
    Case,
    graphs,
    batch=st.sampled_from([1, 2, 5]),
    channels=st.sampled_from([1, 3, 64, 128, 260]),
    dtype=st.sampled_from(list(TOLERANCE)),
    lying=st.sampled_from(["batch by batch", "node by node", "inside of a wider tensor"]),
    seed=st.integers(0, 9),
)


@settings(max_examples=30)
@given(case=cases, softmax=st.booleans())
def test_aggregation(case: Case, softmax: bool) -> None:
    matrix = case.matrix(softmax)
    own_share, others = parts(matrix)
    own, x = case.exact(case.own), case.exact(case.x)
    found = aggregate_neighbours(None, case.x, case.values, *case.csr, softmax=softmax)
    case.compare(found, matrix @ x)
    found = aggregate_neighbours(case.own, case.x, case.values, *case.csr, softmax=softmax)
    case.compare(found, own_share * own + others @ x)
    found = aggregate_neighbours(
        case.x, case.x, case.values, *case.csr, softmax=softmax, apart=True
    )
    case.compare(found, torch.cat([own_share * x, others @ x], -1))


@settings(max_examples=20)
@given(case=cases)
def test_aggregation_with_the_transpose(case: Case) -> None:
    own_share, others = parts(case.matrix(False))
    own, x = case.exact(case.own), case.exact(case.x)
    back = (case.values, *case.csr, case.pattern.mirror)
    case.compare(aggregate_neighbours(case.own, case.x, *back), own_share * own + others.t() @ x)
    expected = torch.cat([own_share * x, others.t() @ x], -1)
    case.compare(aggregate_neighbours(case.x, case.x, *back, apart=True), expected)


@settings(max_examples=20)
@given(case=cases, with_norm=st.booleans(), relu=st.booleans())
def test_the_end_of_a_layer(case: Case, with_norm: bool, relu: bool) -> None:
    own_share, others = parts(case.matrix(True))
    y = own_share * case.exact(case.own) + others @ case.exact(case.x) + case.exact(case.bias)
    norm = Normalisation(*case.statistics, 1e-5) if with_norm else None
    mean, variance, gain, offset = map(case.exact, case.statistics)
    exact = Normalisation(mean, variance, gain, offset, 1e-5) if with_norm else None
    expected = finish(y, exact, relu)
    found = aggregate_neighbours(
        case.own,
        case.x,
        case.values,
        *case.csr,
        softmax=True,
        bias=case.bias,
        norm=norm,
        relu=relu,
    )
    case.compare(found, expected, 2)


@settings(max_examples=30)
@given(case=cases)
def test_gradients_of_values_and_logits(case: Case) -> None:
    own, x, g = (case.exact(tensor) for tensor in (case.own, case.x, case.upstream))
    products = torch.einsum("bic,bjc->ij", g, x)
    found = entry_gradient(case.upstream, case.x, *case.csr)
    # The features are exact and the sums wide, so halves have the errors of float32.
    halves = case.dtype.itemsize == 2
    case.dtype = torch.float32 if halves else case.dtype
    case.compare(found, case.entries(products))
    products -= torch.diag(products.diagonal())
    products += torch.diag(torch.einsum("bic,bic->i", g, own))
    sides = (case.upstream, case.own)
    found = entry_gradient(case.upstream, case.x, *case.csr, sides)
    case.compare(found, case.entries(products))
    shares = case.matrix(True)
    expected = shares * (products - (shares * products).sum(1, keepdim=True))
    gradient, softmax = logit_gradient(case.upstream, case.x, *case.csr, sides, case.values)
    case.compare(softmax, case.entries(shares))
    error = (case.exact(gradient) - case.entries(expected)).norm()
    assert error < 4 * TOLERANCE[case.dtype] * case.entries(shares * products).norm() + 1e-9


@settings(max_examples=20)
@given(graph=graphs, dtype=st.sampled_from([torch.float32, torch.float64]))
def test_the_softmax_of_long_and_short_rows(graph: Graph, dtype: torch.dtype) -> None:
    case = Case(graph, 1, 1, dtype, "batch by batch", 0)
    shares, indptr = case.matrix(True), case.pattern.indptr
    found = SOFTMAX(case.values, indptr)
    case.compare(found, case.entries(shares))
    upstream = torch.randn_like(case.values)
    dense = as_matrix(case.exact(upstream), graph)
    expected = shares * (dense - (shares * dense).sum(1, keepdim=True))
    error = (case.exact(SOFTMAX_BACKWARD(upstream, found, indptr)) - case.entries(expected)).norm()
    assert error < 4 * TOLERANCE[dtype] * case.entries(shares * dense).norm() + 1e-9


@pytest.mark.parametrize("channels", [12, 128])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_every_kernel_on_a_graph_with_a_hub(dtype: torch.dtype, channels: int) -> None:
    case = Case(nasty_graph(700, 0.01, 1, 0), 2, channels, dtype, "node by node", 0)
    own_share, others = parts(case.matrix(True))
    own, x, g = (case.exact(tensor) for tensor in (case.own, case.x, case.upstream))
    found = aggregate_neighbours(
        case.own, case.x, case.values, *case.csr, softmax=True, bias=case.bias
    )
    case.compare(found, own_share * own + others @ x + case.exact(case.bias), 2)
    sides = (case.upstream, case.own)
    _, shares = logit_gradient(case.upstream, case.x, *case.csr, sides, case.values)
    back = (shares, *case.csr, case.pattern.mirror)
    found = aggregate_neighbours(case.upstream, case.upstream, *back, apart=True)
    case.compare(found, torch.cat([own_share * g, others.t() @ g], -1), 2)


@pytest.mark.parametrize(("n", "batch"), [(5000, 1), (300, 64)])
def test_results_repeat_bit_for_bit(n: int, batch: int) -> None:
    case = Case(nasty_graph(n, 0.001, 2, 0), batch, 128, torch.float32, "node by node", 0)
    sides = (case.upstream, case.own)

    def run() -> tuple[Tensor, ...]:
        y = aggregate_neighbours(case.own, case.x, case.values, *case.csr, softmax=True)
        back = aggregate_neighbours(case.own, case.x, case.values, *case.csr, case.pattern.mirror)
        return y, back, *logit_gradient(case.upstream, case.x, *case.csr, sides, case.values)

    first = run()
    for _ in range(4):
        assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True))


def test_logits_that_rule_neighbours_out() -> None:
    case = Case(nasty_graph(1300, 0.01, 1, 0), 2, 8, torch.float32, "batch by batch", 0)
    case.values[::2] = -torch.inf
    case.values[case.pattern.diagonal] = 0.0
    matrix = case.matrix(True)
    found = aggregate_neighbours(None, case.x, case.values, *case.csr, softmax=True)
    case.compare(found, matrix @ case.exact(case.x))


def test_features_that_are_not_finite_stay_where_they_are() -> None:
    case = Case(nasty_graph(200, 0.02, 0, 0), 1, 8, torch.float32, "batch by batch", 0)
    reached = case.matrix(True)[:, 5] > 0
    case.x[0, 5, 3] = torch.inf
    found = aggregate_neighbours(None, case.x, case.values, *case.csr, softmax=True)[0].cpu()
    assert torch.equal(~found.isfinite().all(-1), reached)
    assert found[:, [0, 1, 2, 4, 5, 6, 7]].isfinite().all()


@pytest.mark.parametrize("channels", [(128, 128), (128, 64), (3, 16)])
def test_a_layer_on_a_large_graph_takes_the_kernels(channels: tuple[int, int]) -> None:
    torch.manual_seed(0)
    graph = nasty_graph(3000, 0.002, 1, 0)
    pattern = pattern_of(graph)
    x = torch.randn(1, 3000, channels[0], dtype=torch.float64)
    logits = torch.randn(len(pattern.rows), dtype=torch.float64)
    weight = torch.randn(2, *channels, dtype=torch.float64) / channels[0] ** 0.5
    bias = torch.randn(channels[1], dtype=torch.float64)
    leaves = [leaf.requires_grad_() for leaf in (x, logits, weight, bias)]
    on_device = [leaf.detach().float().cuda().requires_grad_() for leaf in leaves]
    expected = semgconv(x, logits, weight, bias, pattern)
    device_pattern = Pattern(*(tensor.cuda() for tensor in pattern))
    a, b, c, d = on_device
    found = semgconv(a, b, c, d, device_pattern, backend="cupy")
    upstream = torch.randn_like(expected)
    pairs = zip(
        (found, *torch.autograd.grad(found, on_device, upstream.float().cuda())),
        (expected, *torch.autograd.grad(expected, leaves, upstream)),
        strict=True,
    )
    for one, other in pairs:
        assert (one.double().cpu() - other).norm() < 1e-5 * other.norm()
    told = select_backend(
        "semgconv", num_nodes=3000, in_channels=channels[0], device="cuda", num_entries=9000
    )
    assert told.name == "cupy"
    assert "aggregate" in told.reason


class Layer:
    """A layer on a large graph, and its step forward and backward."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        graph = nasty_graph(1500, 0.003, 1, 0)
        self.pattern = Pattern(*(tensor.cuda() for tensor in pattern_of(graph)))
        self.x = torch.randn(2, 1500, 32, device="cuda", requires_grad=True)
        nnz = len(self.pattern.rows)
        self.logits = torch.randn(nnz, device="cuda", requires_grad=True)
        self.weight = torch.randn(2, 32, 16, device="cuda", requires_grad=True)
        self.bias = torch.randn(16, device="cuda", requires_grad=True)

    def __call__(self, x: Tensor, logits: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return semgconv(x, logits, weight, bias, self.pattern)

    @property
    def leaves(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.x, self.logits, self.weight, self.bias

    def step(self, form: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        y = form(*self.leaves)
        return y, *torch.autograd.grad(y.square().sum(), self.leaves)


def test_the_operators_of_a_large_layer_are_well_defined() -> None:
    layer = Layer()
    x, logits, weight, bias = (leaf.detach() for leaf in layer.leaves)
    pattern = list(layer.pattern)
    forward: tuple[Any, ...] = (x, logits, weight, bias, pattern, [], 0.0, True, False)
    torch.library.opcheck(FORWARD.overload, forward)
    upstream = torch.randn(2, 1500, 16, device="cuda")
    backward = (upstream, x, logits, weight, pattern, True, [True, True, True, True])
    torch.library.opcheck(BACKWARD.overload, backward)


@pytest.mark.filterwarnings("default")  # of the compiler itself
def test_a_large_layer_compiles_as_one_graph() -> None:
    layer = Layer()
    compiled = torch.compile(layer.__call__, fullgraph=True, backend="aot_eager")
    for one, other in zip(layer.step(compiled), layer.step(layer), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


@pytest.mark.filterwarnings("default")  # leaves made on another stream
def test_a_cuda_graph_replays_a_large_layer() -> None:
    layer = Layer()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        layer.step(layer)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = layer.step(layer)
    with torch.no_grad():
        for leaf in layer.leaves:
            leaf.normal_()
    graph.replay()
    torch.cuda.synchronize()
    for one, other in zip(captured, layer.step(layer), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_sizes_beyond_the_kernels_are_refused() -> None:
    x = torch.randn(1, 1, 1, device="cuda")
    far = torch.zeros(1, dtype=torch.int64, device="cuda").expand(2**30 + 1)
    with pytest.raises(ValueError, match=r"2\^30.*backend='torch'"):
        aggregate_neighbours(None, x, torch.zeros(1, device="cuda"), far, far)
