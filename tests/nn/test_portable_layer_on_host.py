"""The portable kernel for whole layers: its own code, run on the host thread by thread."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from kernels_on_host import ORDERS, HostKernels, needs_compiler
from layer_graphs import as_matrix, neighbourhoods, pattern_of, random_graph, ring
from torch import Tensor

from multiscale_gcn import Graph
from multiscale_gcn.ops.graph_convolution.whole_layer.backward_on_cuda import (
    PORTABLE_THREADS,
    THREADS_THAT_ADD,
)
from multiscale_gcn.ops.graph_convolution.whole_layer.division import (
    divide_portable,
    divide_portable_backward,
)
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import LayerSizes
from multiscale_gcn.ops.kernels.arguments import empty_by_node, place

pytestmark = needs_compiler

ELEMENTS = {0: torch.float32, 1: torch.bfloat16, 2: torch.float16, 3: torch.float32}
NAMES = ("x", "given", "weight", "bias")
FILE = "graph_convolution/whole_layer/{}.cu"
TOLERANCE = {0: 2e-3, 1: 1e-2, 2: 1.5e-3, 3: 2e-6}


class Layer:
    """Random arguments, and the formula in float64."""

    def __init__(
        self, graph: Graph, batch: int, channels: tuple[int, int], element: int, options: Any
    ) -> None:
        torch.manual_seed(0)
        dtype, n = ELEMENTS[element], graph.num_nodes
        matrices = options.get("matrices", 2)
        self.graph, self.batch, self.element = graph, batch, element
        self.softmax = options.get("softmax", True)
        self.pattern = pattern_of(graph)
        self.x = torch.randn(batch, n, channels[0]).to(dtype)
        self.upstream = torch.randn(batch, n, channels[1]).to(dtype)
        self.given = torch.randn(len(self.pattern.rows))
        weight = torch.randn(matrices, *channels) / channels[0] ** 0.5
        self.weight = weight if options.get("wide_weights") else weight.to(dtype)
        self.bias = torch.randn(channels[1])
        self.sizes = LayerSizes(
            **{"batch": batch, "nodes": n, "entries": len(self.given), "element": element},
            **{"in_channels": channels[0], "out_channels": channels[1], "matrices": matrices},
            processors=options.get("processors", 1),
            shared_memory=options.get("shared_memory", 101_376),
        )

    def options(self) -> dict[str, int]:
        return self.sizes.options(self.weight, self.softmax)

    def formula(self, x: Tensor, given: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        matrix = as_matrix(given, self.graph)
        if self.softmax:
            apart = neighbourhoods(self.graph) == 0
            matrix = matrix.masked_fill(apart, -torch.inf).softmax(-1)
        diagonal = matrix.diagonal() if len(weight) == 2 else torch.zeros(len(matrix)).double()
        y = torch.einsum("i,bic->bic", diagonal, x @ weight[0]) + bias
        return y + torch.einsum("ij,bjc->bic", matrix - torch.diag(diagonal), x @ weight[-1])

    def leaves(self) -> list[Tensor]:
        return [t.double() for t in (self.x, self.given, self.weight, self.bias)]


def error(result: Tensor, expected: Tensor) -> float:
    return float((result.double() - expected).norm() / expected.norm())


CASES = [
    # graph, batch, channels, element, options
    (ring(17), 20, (32, 32), 0, {}),
    (ring(17), 11, (64, 64), 1, {"shared_memory": 20_000}),
    (ring(20, 3), 13, (128, 32), 2, {"wide_weights": True}),
    (random_graph(9, 0.4, 0), 14, (64, 96), 3, {"softmax": False, "batch_norm": False}),
    (random_graph(40, 1.0, 1), 4, (32, 64), 3, {"matrices": 1, "shared_memory": 16_000}),
    (random_graph(1, 0.0, 0), 60, (32, 128), 0, {}),
]


@pytest.mark.parametrize(("graph", "batch", "channels", "element", "options"), CASES)
def test_values(
    graph: Graph,
    batch: int,
    channels: tuple[int, int],
    element: int,
    options: dict[str, Any],
) -> None:
    layer = Layer(graph, batch, channels, element, options)
    pattern, entries = layer.pattern, len(layer.given)
    chosen = divide_portable(layer.sizes)
    mean, variance, gain, offset = torch.randn(4, channels[1]).unbind()
    variance = variance.square() + 0.5
    normalises = options.get("batch_norm", True)
    y = empty_by_node(layer.x, channels[1])
    grid = (chosen.blocks, channels[1] // chosen.columns)
    scratch = torch.empty(grid[0] * grid[1] * entries * 4) if chosen.scratch else None
    numbers = layer.options() | chosen.options()
    kernels = HostKernels(FILE.format("semgconv_portable"), numbers)
    expected = layer.formula(*layer.leaves())
    if normalises:
        expected = (expected - mean) / (variance + 1e-5).sqrt() * gain + offset
        expected = expected.relu()
    for order in ORDERS:
        y[:] = torch.nan
        kernels.launch(
            "semgconv_portable",
            *(grid, chosen.threads(graph.num_nodes), chosen.shared_memory, order),
            *(*place(layer.x), *place(y), batch, layer.given, layer.weight, layer.bias),
            *((mean, variance, gain, offset) if normalises else [None] * 4),
            *(1e-5, pattern.indptr, pattern.rows, pattern.columns, pattern.diagonal),
            *(scratch, entries, int(normalises)),
        )
        assert error(y, expected) < TOLERANCE[element]


GRADIENT_CASES = [
    (ring(17), 20, (64, 64), 0, {}),
    (ring(17), 11, (64, 64), 1, {"wide_weights": True}),
    (ring(20, 3), 7, (64, 128), 2, {"shared_memory": 70_000}),
    (random_graph(9, 0.4, 0), 14, (32, 128), 3, {"softmax": False, "shared_memory": 80_000}),
    (random_graph(40, 0.3, 1), 4, (32, 64), 3, {"matrices": 1}),
    (random_graph(17, 1.0, 1), 9, (128, 64), 1, {"matrices": 1}),
    (random_graph(1, 0.0, 0), 60, (32, 128), 0, {}),
]


@pytest.mark.parametrize(("graph", "batch", "channels", "element", "options"), GRADIENT_CASES)
def test_gradients(
    graph: Graph,
    batch: int,
    channels: tuple[int, int],
    element: int,
    options: dict[str, Any],
) -> None:
    layer = Layer(graph, batch, channels, element, options)
    pattern, entries = layer.pattern, len(layer.given)
    chosen = divide_portable_backward(layer.sizes)
    assert chosen is not None
    grid = (chosen.blocks, channels[0] // chosen.columns)
    parts = [
        torch.empty((*grid, entries)),
        torch.empty((grid[0], *layer.weight.shape)),
        torch.empty((grid[0], channels[1])),
    ]
    for_x, for_given = empty_by_node(layer.x, channels[0]), torch.empty(entries)
    for_weight, for_bias = torch.empty(layer.weight.shape), torch.empty(channels[1])
    found = (for_x, for_given, for_weight, for_bias)
    numbers = layer.options() | chosen.options(layer.sizes)
    kernels = HostKernels(FILE.format("semgconv_portable_backward"), numbers)
    leaves = [leaf.requires_grad_() for leaf in layer.leaves()]
    expected = torch.autograd.grad(layer.formula(*leaves), leaves, layer.upstream.double())
    for order in ORDERS:
        for tensor in (*parts, *found):
            tensor[:] = torch.nan
        kernels.launch(
            "semgconv_portable_backward",
            *(grid, PORTABLE_THREADS, chosen.shared_memory, order),
            *(*place(layer.x), *place(layer.upstream), *place(for_x), batch),
            *(layer.given, layer.weight, pattern.indptr, pattern.rows, pattern.columns),
            *(pattern.diagonal, pattern.mirror, entries, *parts),
        )
        blocks = layer.weight.numel() // THREADS_THAT_ADD + graph.num_nodes + 1
        kernels.launch(
            "semgconv_whole_sums",
            *((blocks, 1), THREADS_THAT_ADD, 0, False),
            *(*parts, *grid, layer.given, pattern.indptr, entries),
            *(for_given, for_weight, for_bias),
        )
        for name, one, other in zip(NAMES, found, expected, strict=True):
            assert other.norm() == 0 or error(one, other) < 4 * TOLERANCE[element], name
