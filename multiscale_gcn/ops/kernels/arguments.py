"""How features and statistics reach the kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from multiscale_gcn.ops.epilogue import Normalisation
from multiscale_gcn.ops.kernels.number_types import real
from multiscale_gcn.ops.layout import by_node
from multiscale_gcn.ops.multiples import up_to


def channels_side_by_side(x: Tensor) -> Tensor:
    """A copy if need be."""
    return x if x.stride(2) == 1 or x.shape[2] == 1 else by_node(x).transpose(0, 1)


def rows_of_16_bytes(x: Tensor) -> Tensor:
    """Channels side by side, and every row at a multiple of 16 bytes."""
    size = x.element_size()
    strides = x.stride(0) * size % 16 == 0 and x.stride(1) * size % 16 == 0
    return aligned(x if x.stride(2) == 1 and strides else x.contiguous())


def aligned(x: Tensor) -> Tensor:
    """A copy if it does not begin at a multiple of 16 bytes."""
    return x if x.data_ptr() % 16 == 0 else x.clone(memory_format=torch.contiguous_format)


def up_to_16_bytes(numbers: int, x: Tensor) -> int:
    """Columns for so many numbers of the type of ``x``, so that every row begins at a multiple."""
    return up_to(numbers, 16 // x.element_size())


def alignment(*tensors: Tensor) -> int:
    """Bytes, up to 16, that divide where every row begins and how long it is."""
    result = 16
    for x in tensors:
        size = x.element_size()
        numbers = (x.shape[2] * size, x.stride(0) * size, x.stride(1) * size, x.data_ptr())
        while any(number % result for number in numbers):
            result //= 2
    return result


def empty_by_node(x: Tensor, channels: int) -> Tensor:
    """Room for features of as many graphs and nodes as ``x``."""
    batch, nodes, _ = x.shape
    return x.new_empty((nodes, batch, channels)).transpose(0, 1)


def norm_arguments(norm: Normalisation | None, x: Tensor) -> tuple[Any, ...]:
    """Of a kernel that normalises its result."""
    if norm is None:
        return (None, None, None, None, 0.0)
    return (*(real(tensor, x) for tensor in norm[:4]), float(norm.epsilon))


def place(x: Tensor | None) -> tuple[Any, ...]:
    """Of a kernel that takes features: where they are, and the strides of batch and nodes."""
    return (None, 0, 0) if x is None else (x, x.stride(0), x.stride(1))
