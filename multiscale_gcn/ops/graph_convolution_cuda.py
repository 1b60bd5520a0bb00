"""Graph convolution on CUDA devices, as operators of PyTorch.

On Hopper, graphs of up to 128 nodes take one kernel for the whole layer
(``kernels/semgconv_sm90.cu``). All else is a matrix product of PyTorch between kernels that mix
neighbours (``kernels/semgconv.cu``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops._launch import Kernels, define, num_processors, shared_memory_per_block
from multiscale_gcn.ops.normalisation import Normalisation, finish
from multiscale_gcn.ops.pattern import Pattern

DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2, torch.float64: 3}
THREADS = 256
CONSUMERS_AND_PRODUCER = 384
MOST_NODES = 128
"""Of a graph that the kernel for whole layers takes."""
EXACT_FLOAT32 = 3
"""The kernel for whole layers makes float32 products of three of tf32."""


def has_whole_layer(
    capability: tuple[int, int],
    dtype: torch.dtype,
    num_nodes: int,
    in_channels: int,
    out_channels: int,
) -> bool:
    """Whether there is a kernel for the whole layer of these sizes."""
    size = dtype.itemsize
    return (
        capability == (9, 0)
        and dtype in (torch.float32, torch.bfloat16, torch.float16)
        and num_nodes <= MOST_NODES
        and in_channels * size % 128 == 0
        and in_channels * size <= 512
        and out_channels % 32 == 0
    )


# ------------------------------------------------------------------------------- the whole layer


@dataclass(frozen=True)
class Plan:
    """How a layer is divided among blocks."""

    columns: int
    graphs: int
    stages: int
    blocks: int
    shared_memory: int
    scratch: bool


@dataclass(frozen=True)
class Sizes:
    """All that the division of a layer depends on."""

    batch: int
    nodes: int
    entries: int
    in_channels: int
    out_channels: int
    element: int
    matrices: int
    processors: int
    shared_memory: int

    @property
    def row_bytes(self) -> int:
        return self.in_channels * (2 if self.element in (1, 2) else 4)

    @property
    def products(self) -> int:
        """Matrix products in one: float32 takes three."""
        return 3 if self.element == EXACT_FLOAT32 else 1

    def divide(self, columns: int, graphs: int) -> Plan | None:
        """The plan with so many columns for a block and graphs for a tile, if it fits."""
        copies = 2 if self.element == EXACT_FLOAT32 else 1
        weights = copies * self.matrices * self.row_bytes * columns
        fixed = weights + 8 * columns + 4 * self.nodes + 4 * (self.nodes + 3) + 48
        tile = self.nodes * graphs * self.row_bytes
        tiles = -(-self.batch // graphs)
        blocks = max(1, min(tiles, self.processors // (self.out_channels // columns)))
        stages = min(2, (self.shared_memory - fixed) // tile, -(-tiles // blocks))
        if self.out_channels % columns or stages < 1:
            return None
        shared = fixed + stages * tile
        entries = 12 * self.entries
        scratch = shared + entries > self.shared_memory
        return Plan(columns, graphs, stages, blocks, shared + (0 if scratch else entries), scratch)

    def clocks(self, plan: Plan) -> float:
        """A rough count of the clock cycles that a plan takes."""
        rows = self.nodes * plan.graphs
        rounds = -(-self.batch // (plan.graphs * plan.blocks))
        share = -(-self.out_channels // plan.columns * plan.blocks // self.processors)
        row = self.row_bytes
        multiplying = self.products * self.matrices * row / 32 * plan.columns / 2
        mixing = rows * (self.entries / self.nodes + 1) * row / 128
        tile = 1000 + mixing + multiplying * (1 if rows <= 64 else 2) + 8 * rows
        return self.matrices * row * plan.columns / 32 + max(1, share) * rounds * tile


@cache
def plan(sizes: Sizes) -> Plan:
    """The division that takes the fewest clock cycles."""
    plans = [
        sizes.divide(columns, graphs)
        for columns in (128, 64, 32)
        if sizes.out_channels % columns == 0
        for graphs in range(1, MOST_NODES // sizes.nodes + 1)
    ]
    return min((p for p in plans if p is not None), key=sizes.clocks)


@cache
def _whole_kernels(
    element: int,
    weight_element: int,
    channels: tuple[int, int],
    nodes: int,
    matrices: int,
    transposed: bool,
    softmax: bool,
    columns: int,
    graphs: int,
    stages: int,
) -> Kernels:
    options = {
        "ELEMENT": element,
        "WEIGHT_ELEMENT": weight_element,
        "IN": channels[0],
        "OUT": channels[1],
        "COLUMNS": columns,
        "NODES": nodes,
        "GRAPHS": graphs,
        "STAGES": stages,
        "MATRICES": matrices,
        "TRANSPOSED": int(transposed),
        "SOFTMAX": int(softmax),
    }
    return Kernels(
        "semgconv_sm90.cu", tuple(f"-D{name}={value}" for name, value in options.items()), "sm_90a"
    )


def _allow_tf32() -> bool:
    try:
        return torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:  # it was set by the newer of the two interfaces
        return torch.backends.cuda.matmul.fp32_precision == "tf32"


def _whole_layer(
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pattern: Pattern,
    norm: Normalisation | None,
    softmax: bool,
    relu: bool,
    transposed: bool,
) -> Tensor:
    batch, nodes, in_channels = x.shape
    matrices = weight.shape[0]
    out_channels = weight.shape[1 if transposed else 2]
    element = DTYPES[x.dtype]
    if x.dtype == torch.float32 and not _allow_tf32():
        element = EXACT_FLOAT32
    if weight.dtype != x.dtype:
        weight = weight.float()
    x = _rows_of_16_bytes(x)
    weight = _aligned(weight.contiguous())
    index = x.device.index
    channels = (in_channels, out_channels)
    entries = pattern.rows.shape[0]
    chosen = plan(
        Sizes(
            batch,
            nodes,
            entries,
            *channels,
            element,
            matrices,
            num_processors(index),
            shared_memory_per_block(index),
        )
    )
    kernels = _whole_kernels(
        element,
        0 if weight.dtype == torch.float32 else element,
        channels,
        nodes,
        matrices,
        transposed,
        softmax,
        chosen.columns,
        chosen.graphs,
        chosen.stages,
    )
    y = _empty_by_node(x, out_channels)
    grid = (chosen.blocks if batch else 0, out_channels // chosen.columns)
    scratch = None
    if chosen.scratch:
        scratch = given.new_empty(math.prod(grid) * entries * 4, dtype=torch.float32)
    kernels.launch(
        "semgconv_whole",
        grid,
        (CONSUMERS_AND_PRODUCER,),
        (
            x,
            x.stride(0),
            x.stride(1),
            y,
            y.stride(0),
            y.stride(1),
            batch,
            given.float().contiguous(),
            weight,
            _real(bias, x),
            *_norm_arguments(norm, x),
            pattern.indptr,
            pattern.columns,
            pattern.diagonal,
            pattern.mirror,
            scratch,
            entries,
            int(relu),
        ),
        x.device,
        chosen.shared_memory,
    )
    return y


def _rows_of_16_bytes(x: Tensor) -> Tensor:
    """Channels side by side, and every row at a multiple of 16 bytes."""
    size = x.element_size()
    strides = x.stride(0) * size % 16 == 0 and x.stride(1) * size % 16 == 0
    return _aligned(x if x.stride(2) == 1 and strides else x.contiguous())


def _aligned(x: Tensor) -> Tensor:
    return x if x.data_ptr() % 16 == 0 else x.clone(memory_format=torch.contiguous_format)


def _empty_by_node(x: Tensor, channels: int) -> Tensor:
    batch, nodes, _ = x.shape
    return x.new_empty((nodes, batch, channels)).transpose(0, 1)


def _real_type(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _real(tensor: Tensor | None, x: Tensor) -> Tensor | None:
    return None if tensor is None else tensor.to(_real_type(x.dtype)).contiguous()


def _norm_arguments(norm: Normalisation | None, x: Tensor) -> tuple[Any, ...]:
    if norm is None:
        return (None, None, None, None, 0.0)
    return (*(_real(tensor, x) for tensor in norm[:4]), norm.epsilon)


# ------------------------------------------------------------------------------------- the parts


class _Parts:
    """The kernels for the parts of a layer, for one type and width of features."""

    def __init__(
        self, x: Tensor, channels: int, given: Tensor, pattern: Pattern, softmax: bool
    ) -> None:
        self.batch, self.nodes, self.channels = x.shape[0], x.shape[1], channels
        self.device, self.pattern = x.device, pattern
        self.per_channel = given.dim() == 2
        self.element = DTYPES[x.dtype]
        self.vector = math.gcd(channels, 16 // x.element_size())
        given = given.to(_real_type(x.dtype)).contiguous()
        self.softmax = softmax
        self.entries = pattern.rows.shape[0]
        if softmax:
            self.values = given.new_empty(given.shape[::-1])
            self._softmax("softmax", given, self.values)
        else:
            self.values = given.t().contiguous() if self.per_channel else given

    def launch(self, name: str, grid: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        kernels = _parts_kernels(self.element, self.vector, self.per_channel)
        kernels.launch(name, grid, (THREADS,), arguments, self.device)

    def _softmax(self, name: str, *tensors: Tensor) -> None:
        channels = self.channels if self.per_channel else 1
        grid = (-(-self.nodes * channels // THREADS),)
        rest = (self.pattern.indptr, self.nodes, channels, self.entries)
        self.launch(name, grid, (*tensors, *rest))

    def _blocks(self) -> tuple[int]:
        threads = self.nodes * -(-self.batch // 4) * (self.channels // self.vector)
        return (min(-(-threads // THREADS), 2**31 - 1),)

    def _matrix(self, transposed: bool) -> tuple[Tensor | None, ...]:
        p = self.pattern
        return (self.values, p.indptr, p.columns, p.diagonal, p.mirror if transposed else None)

    def mix(
        self,
        own: Tensor | None,  # [B, N, C]
        others: Tensor,  # [B, N, C]
        transposed: bool = False,
        bias: Tensor | None = None,
        norm: Normalisation | None = None,
        relu: bool = False,
    ) -> Tensor:
        y = _empty_by_node(others, self.channels)
        sizes = (self.batch, self.nodes, self.channels)
        ends = (_real(bias, others), *_norm_arguments(norm, others), int(relu))
        arguments = (*_place(own), *_place(others), *_place(y), *sizes, *self._matrix(transposed))
        self.launch("mix", self._blocks(), (*arguments, *ends))
        return y

    def mix_apart(self, x: Tensor, matrices: int, transposed: bool = False) -> Tensor:
        """[D x | Aoff x] for two matrices of weights, A x for one."""
        if matrices == 1:
            return self.mix(None, x, transposed)
        y = _empty_by_node(x, 2 * self.channels)
        sizes = (self.batch, self.nodes, self.channels)
        arguments = (*_place(x), *_place(y), *sizes, *self._matrix(transposed))
        self.launch("mix_apart", self._blocks(), arguments)
        return y

    def value_gradient(self, left: Tensor, own: Tensor | None, others: Tensor) -> Tensor:
        """Of entry (i, j): <left_i, others_j> over batch and channels; own_i on the diagonal."""
        width = (self.channels,) if self.per_channel else ()
        chunks = max(1, min(-(-self.batch // 8), -(-2048 // self.nodes)))
        chunk = -(-self.batch // chunks)
        chunks = -(-self.batch // chunk) if self.batch else 1
        partial = self.values.new_empty((chunks, self.entries, *width))
        sizes = (self.batch, self.channels, chunk)
        p = self.pattern
        matrix = (p.indptr, p.columns, p.diagonal, partial, self.entries)
        arguments = (*_place(left), *_place(own), *_place(others), *sizes, *matrix)
        self.launch("value_gradient", (self.nodes, chunks), arguments)
        return partial[0] if chunks == 1 else partial.sum(0)

    def given_gradient(self, gradient: Tensor) -> Tensor:
        """From the gradient of the values to that of what was given."""
        if not self.softmax:
            return gradient.t() if self.per_channel else gradient
        shape = (self.channels, self.entries) if self.per_channel else (self.entries,)
        result = gradient.new_empty(shape)
        self._softmax("softmax_gradient", self.values, gradient.contiguous(), result)
        return result


@cache
def _parts_kernels(element: int, vector: int, per_channel: bool) -> Kernels:
    options = {"ELEMENT": element, "VECTOR": vector, "PER_CHANNEL": int(per_channel)}
    return Kernels("semgconv.cu", tuple(f"-D{name}={value}" for name, value in options.items()))


def _place(x: Tensor | None) -> tuple[Any, ...]:
    return (None, 0, 0) if x is None else (x, x.stride(0), x.stride(1))


def _on_rows(x: Tensor) -> tuple[Tensor, bool]:
    """x with all its rows in one matrix, and whether they are in the order of the nodes."""
    if x.is_contiguous() and not x.transpose(0, 1).is_contiguous():
        return _aligned(x).flatten(0, 1), False
    return _aligned(x.transpose(0, 1).contiguous()).flatten(0, 1), True


def _back(rows: Tensor, x: Tensor, by_node: bool) -> Tensor:
    batch, nodes, _ = x.shape
    channels = rows.shape[1]
    if by_node:
        return rows.view(nodes, batch, channels).transpose(0, 1)
    return rows.view(batch, nodes, channels)


def _mixes_first(in_channels: int, out_channels: int, given: Tensor) -> bool:
    return given.dim() == 1 and in_channels <= out_channels


def _halves(x: Tensor, matrices: int) -> tuple[Tensor | None, Tensor]:
    if matrices == 1:
        return None, x
    own, others = x.chunk(2, dim=-1)
    return own, others


def _side_by_side(weight: Tensor) -> Tensor:  # [K, C_in, C_out] -> [C_in, K C_out]
    return weight.transpose(0, 1).flatten(1)


def _parts_forward(
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pattern: Pattern,
    norm: Normalisation | None,
    softmax: bool,
    relu: bool,
) -> Tensor:
    matrices, in_channels, out_channels = weight.shape
    weight = weight.to(x.dtype)
    if _mixes_first(in_channels, out_channels, given):
        x = _rows_of_16_bytes(x)
        mixed = _Parts(x, in_channels, given, pattern, softmax).mix_apart(x, matrices)
        rows, by_node = _on_rows(mixed)
        result = rows @ weight.flatten(0, 1)
        if bias is not None:
            result += bias
        return finish(_back(result, x, by_node), norm, relu)
    rows, by_node = _on_rows(x)
    projected = _back(rows @ _side_by_side(weight), x, by_node)
    own, others = _halves(projected, matrices)
    parts = _Parts(x, out_channels, given, pattern, softmax)
    return parts.mix(own, others, bias=bias, norm=norm, relu=relu)


# --------------------------------------------------------------------------------- the operators


def _capability(x: Tensor) -> tuple[int, int]:
    return torch.cuda.get_device_capability(x.device)


def _takes_whole_layer(x: Tensor, given: Tensor, out_channels: int) -> bool:
    batch, nodes, in_channels = x.shape
    if given.dim() == 2 or batch == 0:
        return False
    return has_whole_layer(_capability(x), x.dtype, nodes, in_channels, out_channels)


def _forward(
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pattern: list[Tensor],
    norm: list[Tensor | None],
    epsilon: float,
    softmax: bool,
    relu: bool,
) -> Tensor:
    matrix = Pattern(*pattern)
    normalisation = Normalisation(*norm, epsilon) if norm else None  # type: ignore[arg-type, call-arg]
    with torch.autocast("cuda", enabled=False):
        if _takes_whole_layer(x, given, weight.shape[2]):
            return _whole_layer(x, given, weight, bias, matrix, normalisation, softmax, relu, False)
        return _parts_forward(x, given, weight, bias, matrix, normalisation, softmax, relu)


def _forward_fake(x: Tensor, given: Tensor, weight: Tensor, *rest: Any) -> Tensor:
    return _empty_by_node(x, weight.shape[2])


def _backward(
    gradient: Tensor,
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    pattern: list[Tensor],
    softmax: bool,
    needs: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    with torch.autocast("cuda", enabled=False):
        return _parts_backward(gradient, x, given, weight, Pattern(*pattern), softmax, needs)


def _parts_backward(
    gradient: Tensor,
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    pattern: Pattern,
    softmax: bool,
    needs: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """With P = [D X | Aoff X]: G = dY W^T, dX = D G0 + Aoff^T G1, dW = P^T dY, and so on.

    Where the layer projects first, H = X W: G = [D dY | Aoff^T dY], dX = G W^T, dW = X^T G.
    """
    matrices, in_channels, out_channels = weight.shape
    for_x, for_given, for_weight = _backward_fake(
        gradient, x, given, weight, pattern, softmax, needs
    )
    product = weight.to(x.dtype)
    x, gradient = _rows_of_16_bytes(x), gradient.to(x.dtype)
    gradient_rows, by_node = _on_rows(gradient)
    gradient = _back(gradient_rows, gradient, by_node)
    if _mixes_first(in_channels, out_channels, given):
        parts = _Parts(x, in_channels, given, pattern, softmax)
        if needs[0] or needs[1]:
            own, others = _halves(
                _back(gradient_rows @ product.flatten(0, 1).t(), gradient, by_node), matrices
            )
        if needs[0]:
            for_x = parts.mix(own, others, transposed=True)
        if needs[1]:
            mirrored = parts.value_gradient(x, own, others)
            for_given = parts.given_gradient(mirrored.index_select(0, pattern.mirror))
        if needs[2]:
            mixed = parts.mix_apart(x, matrices)
            rows = mixed.transpose(0, 1).flatten(0, 1)
            for_weight = (rows.t() @ gradient.transpose(0, 1).flatten(0, 1)).view(weight.shape)
        return for_x, for_given.to(given.dtype), for_weight.to(weight.dtype)
    parts = _Parts(x, out_channels, given, pattern, softmax)
    rows, x_by_node = _on_rows(x)
    if needs[0] or needs[2]:
        mixed = parts.mix_apart(gradient, matrices, transposed=True)
        mixed_rows = mixed.transpose(0, 1).flatten(0, 1)
    if needs[0]:
        for_x = _back(mixed_rows @ _side_by_side(product).t(), x, True)
    if needs[1]:
        own, others = _halves(_back(rows @ _side_by_side(product), x, x_by_node), matrices)
        for_given = parts.given_gradient(parts.value_gradient(gradient, own, others))
    if needs[2]:
        if not x_by_node:
            rows = x.transpose(0, 1).flatten(0, 1)
        for_weight = (
            (rows.t() @ mixed_rows).view(in_channels, matrices, out_channels).transpose(0, 1)
        )
    return for_x, for_given.to(given.dtype).contiguous(), for_weight.to(weight.dtype).contiguous()


def _backward_fake(
    gradient: Tensor,
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    pattern: Any,
    softmax: bool,
    needs: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        _empty_by_node(x, x.shape[2]) if needs[0] else x.new_empty(0),
        given.new_empty(given.shape) if needs[1] else given.new_empty(0),
        weight.new_empty(weight.shape) if needs[2] else weight.new_empty(0),
    )


FORWARD = define(
    "graph_convolution(Tensor x, Tensor given, Tensor weight, Tensor? bias, Tensor[] pattern, "
    "Tensor?[] norm, float epsilon, bool softmax, bool relu) -> Tensor",
    cuda=_forward,
    fake=_forward_fake,
)
BACKWARD = define(
    "graph_convolution_backward(Tensor gradient, Tensor x, Tensor given, Tensor weight, "
    "Tensor[] pattern, bool softmax, bool[] needs) -> (Tensor, Tensor, Tensor)",
    cuda=_backward,
    fake=_backward_fake,
)


class GraphConvolution(torch.autograd.Function):
    """Saves its arguments alone: the backward pass needs nothing that the forward pass made."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        given: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        softmax: bool,
        *pattern: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(x, given, weight, *pattern)
        ctx.softmax = softmax
        result: Tensor = FORWARD(x, given, weight, bias, pattern, [], 0.0, softmax, False)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, given, weight, *pattern = ctx.saved_tensors
        needs = list(ctx.needs_input_grad[:3])
        found = BACKWARD(gradient, x, given, weight, pattern, ctx.softmax, needs)
        gradients = (g if need else None for g, need in zip(found, needs, strict=True))
        for_bias = gradient.sum((0, 1)) if ctx.needs_input_grad[3] else None
        return (*gradients, for_bias, None, *(None for _ in pattern))
