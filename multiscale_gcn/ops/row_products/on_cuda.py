"""Products over rows on CUDA devices: ``row_products.cu``, in two kernels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from multiscale_gcn.ops.kernels.adding_parts import sum_of_parts
from multiscale_gcn.ops.kernels.arguments import aligned
from multiscale_gcn.ops.kernels.launch import (
    kernels_of,
    multiprocessors,
    shared_memory_per_block,
)
from multiscale_gcn.ops.kernels.number_types import allow_tf32
from multiscale_gcn.ops.kernels.registration import define
from multiscale_gcn.ops.row_products.division import (
    THREADS,
    Pair,
    RowDivision,
    divide_row_products,
    places,
    tasks,
)

KERNELS = "row_products/row_products.cu"
LEAST_CAPABILITY = (8, 0)


def takes_row_products(like: Tensor, pairs: Sequence[Pair], rows: int) -> bool:
    """Whether the kernels take rows of the type of a tensor."""
    return (
        like.dtype == torch.float32
        and torch.cuda.get_device_capability(like.device) >= LEAST_CAPABILITY
        and _division(like, tuple(pairs), rows) is not None
    )


def row_products(
    lefts: Sequence[Tensor],  # each [R, M]
    rights: Sequence[Tensor],  # each [R, N]
    summed: Sequence[bool],
) -> list[Tensor]:  # each [M, N], then each [M]
    """A' B of one or two pairs, then the sums of the rows of those A that are summed."""
    row: Tensor = ROW_PRODUCTS(list(lefts), list(rights), list(summed))
    pairs = _pairs(lefts, rights, summed)
    shapes = [(pair.left, pair.right) for pair in pairs]
    shapes += [(pair.left,) for pair in pairs if pair.summed]  # type: ignore[misc]
    return [
        row[begin : begin + torch.Size(shape).numel()].view(shape)
        for begin, shape in zip(places(pairs), shapes, strict=False)
    ]


def _pairs(
    lefts: Sequence[Tensor], rights: Sequence[Tensor], summed: Sequence[bool]
) -> tuple[Pair, ...]:
    return tuple(
        Pair(a.shape[1], b.shape[1], s) for a, b, s in zip(lefts, rights, summed, strict=True)
    )


def _division(like: Tensor, pairs: tuple[Pair, ...], rows: int) -> RowDivision | None:
    index = like.device.index
    memory = shared_memory_per_block(index)
    return divide_row_products(pairs, rows, multiprocessors(index), memory)


def _row_products(lefts: list[Tensor], rights: list[Tensor], summed: list[bool]) -> Tensor:
    first, pairs = lefts[0], _pairs(lefts, rights, summed)
    rows = first.shape[0]
    chosen = _division(first, pairs, rows)
    assert chosen is not None
    one, other = (*pairs, Pair(0, 0, False))[:2]
    kernels = kernels_of(
        KERNELS,
        **{"M0": one.left, "N0": one.right, "M1": other.left, "N1": other.right},
        **{"S0": int(one.summed), "S1": int(other.summed)},
        **{"ROWS": chosen.rows, "STAGES": chosen.stages, "TASKS": tasks(pairs)},
        THREE=int(not allow_tf32()),
    )
    read: list[Tensor | None] = []
    for a, b in zip(lefts, rights, strict=True):
        read += [aligned(a.contiguous()), aligned(b.contiguous())]
    read += [None] * (4 - len(read))
    parts = first.new_empty((chosen.blocks, places(pairs)[-1]))
    arguments = (*read, parts, rows)
    grid, memory = (chosen.blocks,), chosen.shared_memory
    kernels.launch("row_parts", grid, (THREADS,), arguments, first.device, memory)
    return sum_of_parts(parts, kernels)


def _row_products_fake(lefts: list[Tensor], rights: list[Tensor], summed: list[bool]) -> Tensor:
    return lefts[0].new_empty(places(_pairs(lefts, rights, summed))[-1])


ROW_PRODUCTS = define(
    "row_products(Tensor[] lefts, Tensor[] rights, bool[] summed) -> Tensor",
    cuda=_row_products,
    fake=_row_products_fake,
)
