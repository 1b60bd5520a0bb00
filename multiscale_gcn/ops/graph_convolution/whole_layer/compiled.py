"""What the kernels for whole layers are compiled with, and how they read the weights."""

from __future__ import annotations

from torch import Tensor

from multiscale_gcn.ops.kernels.arguments import aligned
from multiscale_gcn.ops.kernels.launch import Kernels, kernels_of

CONSUMERS_AND_PRODUCER = 384
"""Threads of a block on Hopper."""


def multipliers(weight: Tensor, x: Tensor) -> Tensor:
    """The weights as the kernels read them: of the type of the features, or float32."""
    return aligned((weight if weight.dtype == x.dtype else weight.float()).contiguous())


def portable_kernels(file: str, **options: int) -> Kernels:
    """The kernels of a file for one division of one layer, for the architecture of the device."""
    return kernels_of(f"graph_convolution/whole_layer/{file}", **options)


def whole_kernels(file: str, **options: int) -> Kernels:
    """The same with the instructions of Hopper."""
    return kernels_of(f"graph_convolution/whole_layer/{file}", architecture="sm_90a", **options)
