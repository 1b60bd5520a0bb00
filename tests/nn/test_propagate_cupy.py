"""The sparse kernels for CUDA devices, against dense float64 algebra on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from cuda_checks import needs_kernels
from torch import Tensor

from multiscale_gcn import Graph, ops
from multiscale_gcn.nn import GraphPattern, MatrixPattern
from multiscale_gcn.ops import CrossPattern
from multiscale_gcn.ops.neighbour_softmax.on_cuda import SOFTMAX, neighbour_softmax_on_cuda
from multiscale_gcn.ops.propagate.on_cuda import DOTS, PRODUCT, propagate_on_cuda

pytestmark = needs_kernels

TOLERANCE = {
    torch.float32: 1e-5,
    torch.float64: 1e-12,
    torch.bfloat16: 1e-2,
    torch.float16: 2e-3,
}


def nasty_matrix(m: int, n: int, seed: int) -> sp.csr_array:
    """Empty rows, rows of one entry, and a full row, which is long if n is large."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, min(n, 40) + 1, m)
    lengths[:: max(m // 5, 1)] = 0
    lengths[m // 2] = n
    columns = [np.sort(generator.choice(n, k, replace=False)) for k in lengths]
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices = np.concatenate(columns)
    return sp.csr_array((np.ones(len(indices)), indices, indptr), shape=(m, n))


def on_device(pattern: CrossPattern) -> CrossPattern:
    return CrossPattern(*(tensor.cuda() for tensor in pattern))


def lying(x: Tensor, how: str) -> Tensor:
    """The same numbers in another layout."""
    if how == "node by node":
        return x.transpose(0, 1).contiguous().transpose(0, 1)
    if how == "channel by channel":
        return x.transpose(1, 2).contiguous().transpose(1, 2)
    if how == "inside of a wider tensor":
        wide = x.new_full((x.shape[0], x.shape[1], x.shape[2] + 3), torch.nan)
        wide[..., 1:-2] = x
        return wide[..., 1:-2]
    return x.contiguous()


def poison() -> None:
    """Leave NaN in the memory that the next tensors get."""
    for size in (2**12, 2**16, 2**20, 2**23):
        torch.full((size,), torch.nan, device="cuda")


def assert_close(ours: Tensor, exact: Tensor, dtype: torch.dtype) -> None:
    scale = float(exact.norm()) + 1e-30
    error = float((ours.detach().cpu().double() - exact).norm()) / scale
    assert error < TOLERANCE[dtype], error


@pytest.mark.parametrize("how", ["batch by batch", "node by node", "inside of a wider tensor"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("batch", "m", "n", "channels"),
    [(1, 300, 2000, 128), (3, 150, 900, 20), (2, 700, 80, 7), (5, 1, 1, 1), (1, 40, 30, 300)],
)
def test_product_and_its_gradients(batch, m, n, channels, dtype, how):
    torch.manual_seed(0)
    matrix = nasty_matrix(m, n, 1)
    pattern = MatrixPattern(matrix).entries
    x = lying(torch.randn(batch, n, channels, device="cuda").to(dtype), how).requires_grad_()
    values = torch.randn(matrix.nnz, device="cuda", dtype=torch.promote_types(dtype, torch.float32))
    values.requires_grad_()
    upstream = lying(torch.randn(batch, m, channels, device="cuda").to(dtype), how)

    exact_x, exact_values, g = (t.detach().cpu().double() for t in (x, values, upstream))
    dense = torch.zeros(m, n, dtype=torch.float64)
    dense[pattern.rows, pattern.columns] = exact_values
    poison()
    y = propagate_on_cuda(x, values, on_device(pattern))
    poison()
    for_x, for_values = torch.autograd.grad(y, (x, values), upstream)
    assert (y.dtype, for_x.dtype) == (dtype, dtype)
    assert_close(y, dense @ exact_x, dtype)
    assert_close(for_x, dense.t() @ g, dtype)
    full = torch.einsum("bic,bjc->ij", g, exact_x)
    assert_close(for_values, full[pattern.rows, pattern.columns], dtype)


@pytest.mark.parametrize("leading", [(), (3,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_softmax_and_its_gradient(dtype, leading):
    torch.manual_seed(0)
    matrix = nasty_matrix(400, 3000, 2)
    pattern = MatrixPattern(matrix).entries
    logits = (20 * torch.randn(*leading, matrix.nnz, dtype=torch.float64)).requires_grad_()
    sizes = pattern.indptr.diff().tolist()
    expected = torch.cat([row.softmax(-1) for row in logits.split(sizes, -1)], -1)
    upstream = torch.randn_like(expected)
    (wanted,) = torch.autograd.grad(expected, logits, upstream)
    ours = logits.detach().to("cuda", dtype).requires_grad_()
    poison()
    shares = neighbour_softmax_on_cuda(ours, on_device(pattern))
    (gradient,) = torch.autograd.grad(shares, ours, upstream.to("cuda", dtype))
    assert_close(shares, expected.detach(), dtype)
    assert_close(gradient, wanted, dtype)


def test_results_repeat_bit_for_bit():
    torch.manual_seed(0)
    pattern = on_device(MatrixPattern(nasty_matrix(2000, 5000, 3)).entries)
    x = torch.randn(2, 5000, 64, device="cuda", requires_grad=True)
    values = torch.randn(len(pattern.rows), device="cuda", requires_grad=True)
    runs = []
    for _ in range(5):
        y = propagate_on_cuda(x, values, pattern)
        runs.append((y, *torch.autograd.grad(y.square().sum(), (x, values))))
    for again in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(runs[0], again, strict=True))


def test_gradcheck():
    torch.manual_seed(0)
    pattern = on_device(MatrixPattern(nasty_matrix(6, 5, 4)).entries)
    x = torch.randn(2, 5, 3, device="cuda", dtype=torch.float64, requires_grad=True)
    values = torch.randn(len(pattern.rows), device="cuda", dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, v: propagate_on_cuda(x, v, pattern), (x, values))
    assert torch.autograd.gradcheck(lambda v: neighbour_softmax_on_cuda(v, pattern), (values,))


def test_nothing_is_a_result():
    pattern = on_device(MatrixPattern(sp.csr_array((3, 4))).entries)
    x = torch.randn(2, 4, 5, device="cuda", requires_grad=True)
    values = torch.zeros(0, device="cuda", requires_grad=True)
    y = propagate_on_cuda(x, values, pattern)
    assert torch.equal(y, torch.zeros(2, 3, 5, device="cuda"))
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_operators_are_well_defined():
    pattern = on_device(MatrixPattern(nasty_matrix(50, 40, 5)).entries)
    x, y = torch.randn(2, 40, 6, device="cuda"), torch.randn(2, 50, 6, device="cuda")
    values = torch.randn(len(pattern.rows), device="cuda")
    for operator, arguments in (
        (PRODUCT, (x, values, pattern.indptr, pattern.columns, None)),
        (DOTS, (y, x, pattern.indptr, pattern.columns)),
        (SOFTMAX, (values, pattern.indptr)),
    ):
        torch.library.opcheck(operator.overload, arguments)


def ring(n: int) -> Graph:
    nodes = np.arange(n)
    indices = np.sort(np.stack([(nodes - 1) % n, (nodes + 1) % n], axis=1), axis=1)
    return Graph(np.arange(n + 1) * 2, indices.ravel())


@pytest.mark.filterwarnings("default")  # of the compiler itself
def test_the_operators_compile_as_one_graph():
    torch.manual_seed(0)
    pattern = GraphPattern(ring(1000)).cuda().entries
    x = torch.randn(2, 1000, 12, device="cuda", requires_grad=True)
    logits = torch.randn(len(pattern.rows), device="cuda", requires_grad=True)

    def run(x: Tensor, logits: Tensor) -> Tensor:
        return ops.propagate(x, ops.neighbour_softmax(logits, pattern), pattern)

    results = []
    for form in (run, torch.compile(run, fullgraph=True, backend="aot_eager")):
        y = form(x, logits)
        results.append((y, *torch.autograd.grad(y.square().sum(), (x, logits))))
    for plain, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, plain)


def test_the_kernel_is_taken_and_told():
    case: dict[str, Any] = {
        "num_nodes": 1000,
        "in_channels": 8,
        "num_entries": 3000,
        "device": "cuda",
    }
    for operator in ("propagate", "neighbour_softmax"):
        assert ops.select_backend(operator, **case).name == "cupy"
    assert ops.select_backend("propagate_per_channel", **case).name == "torch sparse"
    pattern = GraphPattern(ring(1000)).cuda().entries
    x, values = torch.randn(1, 1000, 8).cuda(), torch.rand(3000).cuda()
    results = [ops.propagate(x, values, pattern, backend=name) for name in ("torch", "cupy")]
    assert torch.equal(results[1], ops.propagate(x, values, pattern))
    torch.testing.assert_close(*results)


@pytest.mark.filterwarnings("default")  # leaves made on another stream
def test_a_cuda_graph_replays_forward_and_backward():
    torch.manual_seed(0)
    pattern = GraphPattern(ring(1000)).cuda().entries
    x = torch.randn(2, 1000, 16, device="cuda", requires_grad=True)
    logits = torch.randn(len(pattern.rows), device="cuda", requires_grad=True)

    def step() -> tuple[Tensor, ...]:
        y = ops.propagate(x, ops.neighbour_softmax(logits, pattern), pattern)
        return y, *torch.autograd.grad(y.square().sum(), (x, logits))

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    with torch.no_grad():
        x.normal_()
        logits.normal_()
    graph.replay()
    torch.cuda.synchronize()
    assert all(torch.equal(a, b) for a, b in zip(captured, step(), strict=True))
