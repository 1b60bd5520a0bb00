"""Sums over the entries of a sparse matrix, and softmax of its rows, by kernels for CUDA devices.

They are in ``kernels/aggregate.cu``, ``entry_gradient.cu`` and ``row_softmax.cu``, and add in a
fixed order: results repeat bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops._launch import Kernels, define, num_processors
from multiscale_gcn.ops.arguments_cuda import (
    DTYPES,
    alignment,
    norm_arguments,
    place,
    real,
    real_type,
)
from multiscale_gcn.ops.layout import by_node
from multiscale_gcn.ops.normalisation import Normalisation, finish
from multiscale_gcn.ops.pattern import CrossPattern, Pattern, as_pattern

THREADS = {"aggregate": 768, "entry_gradient": 640}
"""Of a block that fills a processor: as many as have room for all they hold."""
FEWER_THREADS = 256
"""Of a block, where large ones would leave processors idle."""
ROWS_OF_TILE = 128
LARGEST_GRID_Y = 65535
WARP = 32
LANES_OF_ENTRY = 8
"""So many threads have one entry, where its gradient is computed."""
MOST_FINISHED_CHANNELS = 8192
"""So many fit into the table that a block makes for bias and normalisation."""


def propagate_cuda(
    x: Tensor,  # [B, N, C]
    values: Tensor,  # [nnz]
    pattern: Pattern | CrossPattern,
) -> Tensor:  # [B, M, C]
    """y_i = sum_j values_ij x_j; sums in float32 or better."""
    wide = torch.promote_types(x.dtype, torch.float32)
    result: Tensor = _Product.apply(x, values.to(wide), *pattern)
    return result


def neighbour_softmax_cuda(
    logits: Tensor,  # [..., nnz]
    pattern: Pattern | CrossPattern,
) -> Tensor:  # [..., nnz]
    """Softmax over the entries of every row, in float32 or better."""
    wide = torch.promote_types(logits.dtype, torch.float32)
    result: Tensor = _RowSoftmax.apply(logits.to(wide), pattern.indptr)
    return result.to(logits.dtype)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, values: Tensor, *pattern: Tensor) -> Tensor:
        ctx.save_for_backward(x, values, *pattern)
        entries = as_pattern(pattern)
        result: Tensor = PRODUCT(x, values, entries.indptr, entries.columns, None)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, values, *tensors = ctx.saved_tensors
        pattern = as_pattern(tensors)
        for_x = for_values = None
        if ctx.needs_input_grad[0]:
            back = pattern.back_indptr, pattern.back_columns, pattern.mirror
            for_x = PRODUCT(gradient, values, *back)
        if ctx.needs_input_grad[1]:
            for_values = DOTS(gradient, x, pattern.indptr, pattern.columns)
        return for_x, for_values, *[None] * len(tensors)


class _RowSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, indptr: Tensor) -> Tensor:
        shares: Tensor = SOFTMAX(logits, indptr)
        ctx.save_for_backward(shares, indptr)
        return shares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return SOFTMAX_BACKWARD(gradient, *ctx.saved_tensors), None


# ----------------------------------------------------------------------------------- the kernels


@cache
def _kernels(file: str, **options: int) -> Kernels:
    return Kernels(file, tuple(f"-D{name}={value}" for name, value in options.items()))


def _placed(x: Tensor) -> Tensor:
    """With channels side by side; a copy if need be."""
    x = x if x.stride(2) == 1 or x.shape[2] == 1 else by_node(x).transpose(0, 1)
    step = x.stride(1) * x.element_size()
    if step >= 2**31:
        raise ValueError(
            f"features whose nodes lie {step} bytes apart: the kernels take fewer than 2^31; "
            "take a smaller batch"
        )
    return x


def _vector(*tensors: Tensor) -> int:
    """How many numbers a thread loads at once: 16 bytes, if all the tensors lie that way."""
    return alignment(*tensors) // tensors[0].element_size()


def _lanes(width: int, vector: int) -> int:
    return next((lanes for lanes in (8, 16) if width <= lanes * vector), 32)


@dataclass(frozen=True)
class _Launch:
    """How rows, and slices of features, are divided among the teams of threads of a kernel."""

    kernel: str
    threads: int
    lanes: int
    rows_of_tile: int
    blocks: int
    slices: int

    @classmethod
    def divide(cls, kernel: str, num_rows: int, slices: int, lanes: int, index: int) -> _Launch:
        processors, threads = num_processors(index), THREADS[kernel]
        if num_rows * slices * lanes < threads * processors:
            threads = FEWER_THREADS
        teams = threads // lanes
        most = processors * THREADS[kernel] // threads
        blocks = most if slices == 1 else -(-4 * most // slices)
        steps = max(1, min(ROWS_OF_TILE // teams, num_rows // (teams * blocks)))
        tiles = -(-num_rows // (teams * steps))
        blocks = tiles if tiles < 2 * blocks else blocks
        return cls(kernel, threads, lanes, teams * steps, blocks, slices)

    def __call__(
        self, arguments: tuple[Any, ...], features: Tensor, shared_memory: int = 0, **options: int
    ) -> None:
        options |= {"LANES": self.lanes, "THREADS": self.threads}
        _kernels(f"{self.kernel}.cu", ELEMENT=DTYPES[features.dtype], **options).launch(
            self.kernel,
            (self.blocks, self.slices),
            (self.threads,),
            arguments,
            features.device,
            shared_memory,
        )


def _packs(batch: int, channels: int, vector: int) -> int:
    """Of ``vector`` numbers, that a thread has of one entry: they belong to the same graph."""
    step = LANES_OF_ENTRY * vector
    most = next((packs for packs in (1, 2) if step * packs >= batch * channels), 4)
    while most > 1 and batch > 1 and channels % (step * most):
        most //= 2
    return most


def _check_sizes(indptr: Tensor, columns: Tensor) -> None:
    for name, size in (("rows", indptr.shape[0] - 1), ("entries", columns.shape[0])):
        if size >= 2**30:
            raise ValueError(
                f"a pattern of {size} {name}: the kernels take fewer than 2^30; "
                "take backend='torch'"
            )


def aggregate(
    own: Tensor | None,  # [B, N, C]
    others: Tensor,  # [B, N, C]
    values: Tensor,  # [nnz]
    indptr: Tensor,
    columns: Tensor,
    places: Tensor | None = None,
    *,
    softmax: bool = False,
    apart: bool = False,
    bias: Tensor | None = None,
    norm: Normalisation | None = None,
    relu: bool = False,
) -> Tensor:  # [B, M, C], or [B, M, 2 C]
    """y_i = f(v_ii own_i + sum over the others of v_ij others_j + bias).

    Parameters
    ----------
    own : Tensor, optional
        Without it all entries are alike, and the matrix need not be square.
    others, values, indptr, columns
    places : Tensor, optional
        Where the value of every entry stands.
    softmax : bool
        The values are the softmax of what is given, over every row.
    apart : bool
        v_ii own_i and the sum over the others, side by side.
    bias, norm, relu
        f is the batch normalisation and ReLU, as far as asked for.
    """
    _check_sizes(indptr, columns)
    batch, _, channels = others.shape
    num_rows = indptr.shape[0] - 1
    others, values = _placed(others), values.to(real_type(others.dtype)).contiguous()
    own = others if own is None else _placed(own)
    y = others.new_empty((num_rows, batch, channels * (1 + apart))).transpose(0, 1)
    if y.numel() == 0:
        return y
    inside = channels <= MOST_FINISHED_CHANNELS
    finishes = inside and (bias is not None or norm is not None or relu)
    vector = _vector(others, own, y[..., :channels])
    lanes = _lanes(batch * channels, vector)
    slices = min(-(-batch * channels // (lanes * vector)), LARGEST_GRID_Y)
    launch = _Launch.divide("aggregate", num_rows, slices, lanes, others.device.index)
    launch(
        (
            *place(y),
            *place(own),
            *place(others),
            values,
            indptr,
            columns,
            places,
            num_rows,
            launch.rows_of_tile,
            batch,
            channels,
            real(bias if inside else None, others),
            *norm_arguments(norm if inside else None, others),
            int(relu and inside),
        ),
        others,
        2 * channels * values.element_size() if finishes else 0,
        VECTOR=vector,
        SOFTMAX=int(softmax),
        OWN=2 if apart else int(own is not others),
        PLACES=int(places is not None),
    )
    if inside:
        return y
    return finish(y if bias is None else y + bias.to(y.dtype), norm, relu)


def entry_gradient(
    left: Tensor,  # [B, M, C]
    right: Tensor,  # [B, N, C]
    indptr: Tensor,
    columns: Tensor,
    own: tuple[Tensor, Tensor] | None = None,  # [B, N, C] each
) -> Tensor:  # [nnz]
    """Of entry (i, j) the product <left_i, right_j>; of (i, i) that of both in ``own``.

    In float32 or better.
    """
    return _entry_gradient(left, right, indptr, columns, own, None)[0]


def logit_gradient(
    left: Tensor,  # [B, M, C]
    right: Tensor,  # [B, N, C]
    indptr: Tensor,
    columns: Tensor,
    own: tuple[Tensor, Tensor] | None,
    logits: Tensor,  # [nnz]
) -> tuple[Tensor, Tensor]:  # [nnz], [nnz]
    """What :func:`entry_gradient` gives, through the softmax of every row; and this softmax."""
    return _entry_gradient(left, right, indptr, columns, own, logits)


def _flat(*features: Tensor) -> tuple[Tensor, ...]:
    """The numbers of all graphs as those of one, if they lie so."""
    if any(x.stride(0) != x.shape[2] or x.stride(2) != 1 for x in features):
        return features
    return tuple(x.transpose(0, 1).flatten(1).unsqueeze(0) for x in features)


def _entry_gradient(
    left: Tensor,
    right: Tensor,
    indptr: Tensor,
    columns: Tensor,
    own: tuple[Tensor, Tensor] | None,
    logits: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Of the values, or of the logits, and the softmax of these.

    Where there are few rows, several blocks have parts of the features each, and their sums are
    added up; the softmax is then left to kernels of its own.
    """
    _check_sizes(indptr, columns)
    left, right = _placed(left), _placed(right)
    left_own, right_own = (left, right) if own is None else map(_placed, own)
    features = _flat(left, right, left_own, right_own)
    left, right, left_own, right_own = features
    batch, _, channels = left.shape
    num_rows, num_entries = indptr.shape[0] - 1, columns.shape[0]
    wide = real_type(left.dtype)
    if num_entries == 0 or batch * channels == 0:
        nothing = left.new_zeros(num_entries, dtype=wide)
        return nothing, nothing if logits is None else SOFTMAX(logits, indptr)
    vector = _vector(*features)
    packs = _packs(batch, channels, vector)
    slices = -(-batch * channels // (LANES_OF_ENTRY * vector * packs))
    rooms = num_processors(left.device.index) * THREADS["entry_gradient"] // WARP
    slices = min(slices, -(-4 * rooms // num_rows))
    fused = logits is not None and slices == 1
    gradient = left.new_empty((slices, num_entries), dtype=wide)
    shares = left.new_empty(num_entries if fused else 0, dtype=wide)
    launch = _Launch.divide("entry_gradient", num_rows, slices, WARP, left.device.index)
    launch(
        (
            gradient,
            shares if fused else None,
            *(number for x in features for number in place(x)),
            logits if fused else None,
            indptr,
            columns,
            num_rows,
            num_entries,
            launch.rows_of_tile,
            batch,
            channels,
        ),
        left,
        VECTOR=vector,
        PACKS=packs,
        SOFTMAX=int(fused),
        OWN=int(own is not None),
    )
    total = gradient.sum(0) if slices > 1 else gradient[0]
    if fused or logits is None:
        return total, shares
    shares = SOFTMAX(logits, indptr)
    return SOFTMAX_BACKWARD(total, shares, indptr), shares


def _row_kernel(name: str, result: Tensor, *arguments: Tensor) -> Tensor:
    """One team for every row of the matrix, along y one grid for every leading index."""
    *inputs, indptr = arguments
    num_rows, num_entries = indptr.shape[0] - 1, result.shape[-1]
    if result.numel() > 0:
        grid = (-(-num_rows // (FEWER_THREADS // 8)), result.numel() // num_entries)
        rest = (*inputs, indptr, num_rows, num_entries)
        kernels = _kernels("row_softmax.cu", ELEMENT=DTYPES[result.dtype], THREADS=FEWER_THREADS)
        kernels.launch(name, grid, (FEWER_THREADS,), (result, *rest), result.device)
    return result


def _softmax(logits: Tensor, indptr: Tensor) -> Tensor:
    return _row_kernel("row_softmax", _like(logits), logits.contiguous(), indptr)


def _softmax_backward(gradient: Tensor, shares: Tensor, indptr: Tensor) -> Tensor:
    inputs = gradient.contiguous(), shares.contiguous()
    return _row_kernel("row_softmax_backward", _like(shares), *inputs, indptr)


def _like(x: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _product(
    x: Tensor, values: Tensor, indptr: Tensor, columns: Tensor, places: Tensor | None
) -> Tensor:
    return aggregate(None, x, values, indptr, columns, places)


def _product_fake(
    x: Tensor, values: Tensor, indptr: Tensor, columns: Tensor, places: Tensor | None
) -> Tensor:
    return x.new_empty((indptr.shape[0] - 1, x.shape[0], x.shape[2])).transpose(0, 1)


def _dots(left: Tensor, right: Tensor, indptr: Tensor, columns: Tensor) -> Tensor:
    return entry_gradient(left, right, indptr, columns)


def _dots_fake(left: Tensor, right: Tensor, indptr: Tensor, columns: Tensor) -> Tensor:
    return left.new_empty(columns.shape[0], dtype=real_type(left.dtype))


PRODUCT = define(
    "sparse_product(Tensor x, Tensor values, Tensor indptr, Tensor columns, Tensor? places) "
    "-> Tensor",
    cuda=_product,
    fake=_product_fake,
)
DOTS = define(
    "sparse_dots(Tensor left, Tensor right, Tensor indptr, Tensor columns) -> Tensor",
    cuda=_dots,
    fake=_dots_fake,
)
SOFTMAX = define(
    "row_softmax(Tensor logits, Tensor indptr) -> Tensor",
    cuda=_softmax,
    fake=lambda logits, indptr: _like(logits),
)
SOFTMAX_BACKWARD = define(
    "row_softmax_backward(Tensor gradient, Tensor shares, Tensor indptr) -> Tensor",
    cuda=_softmax_backward,
    fake=lambda gradient, shares, indptr: _like(shares),
)
