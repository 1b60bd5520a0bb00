"""Which layers the kernels for whole layers take, and what their division depends on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from multiscale_gcn.ops.csr_pattern import Pattern
from multiscale_gcn.ops.kernels.launch import multiprocessors, shared_memory_per_block
from multiscale_gcn.ops.kernels.number_types import DTYPES, allow_tf32

MOST_LAYER_NODES = 128
"""Of a graph that the kernels take."""
EXACT_FLOAT32 = 3
"""The kernels make float32 products of three of tf32."""


class WholeLayer(Enum):
    """The forms of the kernel for the whole layer."""

    HOPPER = "the tensor cores of Hopper"
    PORTABLE = "the tensor cores"


def whole_layer_form(
    capability: tuple[int, int],
    dtype: torch.dtype,
    num_nodes: int,
    in_channels: int,
    out_channels: int,
) -> WholeLayer | None:
    """The kernel that takes whole layers of these sizes on a device, if there is one."""
    size = dtype.itemsize
    fits = (
        dtype in (torch.float32, torch.bfloat16, torch.float16)
        and num_nodes <= MOST_LAYER_NODES
        and in_channels * size % 128 == 0
        and in_channels * size <= 512
        and out_channels % 32 == 0
    )
    if not fits or capability < (8, 0):
        return None
    return WholeLayer.HOPPER if capability == (9, 0) else WholeLayer.PORTABLE


@dataclass(frozen=True)
class LayerSizes:
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

    @classmethod
    def of(cls, x: Tensor, weight: Tensor, pattern: Pattern) -> LayerSizes:
        index = x.device.index
        return cls(
            batch=x.shape[0],
            nodes=x.shape[1],
            entries=pattern.rows.shape[0],
            in_channels=x.shape[2],
            out_channels=weight.shape[2],
            element=element_of(x.dtype),
            matrices=weight.shape[0],
            processors=multiprocessors(index),
            shared_memory=shared_memory_per_block(index),
        )

    def options(self, weight: Tensor, softmax: bool) -> dict[str, int]:
        """What all kernels for whole layers are compiled with."""
        return {
            "ELEMENT": self.element,
            "WEIGHT_ELEMENT": 0 if weight.dtype == torch.float32 else self.element,
            "IN": self.in_channels,
            "OUT": self.out_channels,
            "NODES": self.nodes,
            "MATRICES": self.matrices,
            "SOFTMAX": int(softmax),
        }

    @property
    def per_word(self) -> int:
        """Numbers in 32 bits."""
        return 2 if self.element in (1, 2) else 1

    @property
    def copies(self) -> int:
        """Of what is multiplied: float32 has a second one with what rounding took away."""
        return 2 if self.element == EXACT_FLOAT32 else 1

    @property
    def row_bytes(self) -> int:
        return self.in_channels * 4 // self.per_word

    @property
    def products(self) -> int:
        """Matrix products in one: float32 takes three."""
        return 3 if self.element == EXACT_FLOAT32 else 1


def element_of(dtype: torch.dtype) -> int:
    """How the kernels multiply features of a type."""
    return EXACT_FLOAT32 if dtype == torch.float32 and not allow_tf32() else DTYPES[dtype]
