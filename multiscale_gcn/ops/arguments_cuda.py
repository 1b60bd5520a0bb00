"""How features and parameters of a layer reach the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from multiscale_gcn.ops.normalisation import Normalisation

DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2, torch.float64: 3}
"""The numbers by which kernels know types."""


def allow_tf32() -> bool:
    """Whether PyTorch may round the factors of float32 products."""
    try:
        return torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:  # it was set by the newer of the two interfaces
        return torch.backends.cuda.matmul.fp32_precision == "tf32"


def rows_of_16_bytes(x: Tensor) -> Tensor:
    """Channels side by side, and every row at a multiple of 16 bytes."""
    size = x.element_size()
    strides = x.stride(0) * size % 16 == 0 and x.stride(1) * size % 16 == 0
    return aligned(x if x.stride(2) == 1 and strides else x.contiguous())


def aligned(x: Tensor) -> Tensor:
    return x if x.data_ptr() % 16 == 0 else x.clone(memory_format=torch.contiguous_format)


def alignment(*tensors: Tensor) -> int:
    """Bytes, up to 16, that divide where every row begins and how long it is."""
    result = 16
    for x in tensors:
        size = x.element_size()
        numbers = (x.shape[2] * size, x.stride(0) * size, x.stride(1) * size, x.data_ptr())
        while any(number % result for number in numbers):
            result //= 2
    return result


def empty_gradients(
    x: Tensor, given: Tensor, weight: Tensor, needs: Sequence[bool]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Room for the gradients that are needed, and tensors without elements for the others.

    They are those of the features, of the values or logits, of the weights and of the bias.
    """
    return (
        empty_by_node(x, x.shape[2]) if needs[0] else x.new_empty(0),
        given.new_empty(given.shape) if needs[1] else given.new_empty(0),
        weight.new_empty(weight.shape) if needs[2] else weight.new_empty(0),
        x.new_empty(weight.shape[2] if needs[3] else 0, dtype=real_type(x.dtype)),
    )


def empty_by_node(x: Tensor, channels: int) -> Tensor:
    batch, nodes, _ = x.shape
    return x.new_empty((nodes, batch, channels)).transpose(0, 1)


def real_type(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def real(tensor: Tensor | None, x: Tensor) -> Tensor | None:
    return None if tensor is None else tensor.to(real_type(x.dtype)).contiguous()


def norm_arguments(norm: Normalisation | None, x: Tensor) -> tuple[Any, ...]:
    if norm is None:
        return (None, None, None, None, 0.0)
    return (*(real(tensor, x) for tensor in norm[:4]), norm.epsilon)


def place(x: Tensor | None) -> tuple[Any, ...]:
    return (None, 0, 0) if x is None else (x, x.stride(0), x.stride(1))
