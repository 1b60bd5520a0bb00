"""The types of numbers that kernels know, and those in which they add."""

from __future__ import annotations

import torch
from torch import Tensor

DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2, torch.float64: 3}
"""The numbers by which kernels know types."""


def allow_tf32() -> bool:
    """Whether PyTorch may round the factors of float32 products."""
    try:
        return bool(torch._C._get_cublas_allow_tf32())
    except RuntimeError:  # it was set by the newer of the two interfaces
        return bool(torch.backends.cuda.matmul.fp32_precision == "tf32")


def real_type(dtype: torch.dtype) -> torch.dtype:
    """The type of sums of numbers of a type."""
    return torch.promote_types(dtype, torch.float32)


def real(tensor: Tensor | None, x: Tensor) -> Tensor | None:
    """A parameter in the type of sums of ``x``."""
    return None if tensor is None else tensor.to(real_type(x.dtype)).contiguous()
