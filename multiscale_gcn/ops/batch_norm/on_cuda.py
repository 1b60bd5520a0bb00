"""Batch normalisation in training on CUDA devices, with ReLU and a sum: ``batch_norm.cu``.

With few rows a block, or a cluster of blocks, holds some channels of all: one kernel forward, and
one backward. Else there are two each way: one sums up parts of the rows, one merges them and takes
the rows again. Sums are taken in a fixed order: results repeat bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops.batch_norm.row_division import HOLDERS, THREADS, divide_rows, divide_whole
from multiscale_gcn.ops.differentiable import DifferentiableFunction
from multiscale_gcn.ops.kernels.arguments import alignment, empty_by_node
from multiscale_gcn.ops.kernels.launch import (
    kernels_of,
    multiprocessors,
    shared_memory_per_block,
)
from multiscale_gcn.ops.kernels.number_types import DTYPES, real_type
from multiscale_gcn.ops.kernels.registration import define
from multiscale_gcn.ops.layout import by_node

KERNELS = "batch_norm/batch_norm.cu"
CLUSTERS_SINCE = (9, 0)
"""The compute capability whose blocks read each other's shared memory."""


class BatchNormOnCuda(DifferentiableFunction):
    """It saves what it normalised, not what came of it: ReLU's gradient is found from that.

    Weight and bias have the type of sums. Mean, variance and number of batches are the running
    ones, and are updated in place.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        add: Tensor | None,
        mean: Tensor | None,
        variance: Tensor | None,
        batches: Tensor | None,
        momentum: float,
        epsilon: float,
        relu: bool,
    ) -> Tensor:
        running = (mean, variance, batches, momentum)
        y, statistics = FORWARD(x, weight, bias, add, *running, epsilon, relu)
        ctx.save_for_backward(x, weight, bias, statistics)
        ctx.relu = relu
        result: Tensor = y
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, statistics = ctx.saved_tensors
        _, for_weight, for_bias, for_add = ctx.needs_input_grad[:4]
        found, gradients, _ = BACKWARD(gradient, x, weight, bias, statistics, ctx.relu, False)
        return (
            found,
            gradients[0] if for_weight else None,
            gradients[1] if for_bias else None,
            gradient if for_add else None,
            *(None for _ in range(6)),
        )


# ---------------------------------------------------------------------------------- the operators


class _Rows:
    """Features as rows of channels, and launches of kernels over them."""

    def __init__(self, *features: Tensor) -> None:
        x = features[0]
        self.rows, self.channels = x.shape[0] * x.shape[1], x.shape[2]
        self.device = x.device
        vector = alignment(*features) // x.element_size()
        index, self.element = self.device.index, DTYPES[x.dtype]
        memory = shared_memory_per_block(index)
        clusters = torch.cuda.get_device_capability(self.device) >= CLUSTERS_SINCE
        self.whole = divide_whole(
            self.rows, self.channels, vector, x.element_size(), memory, clusters
        )
        self.division = divide_rows(self.rows, self.channels, vector, multiprocessors(index))
        self.kernels = kernels_of(
            KERNELS,
            ELEMENT=self.element,
            VECTOR=self.division.vector,
            LANES=self.division.lanes,
            THREADS=THREADS,
        )

    def launch_whole(self, name: str, holds_two: bool, *arguments: Any) -> bool:
        """Whether blocks can hold all rows, and have been launched."""
        chosen = self.whole
        if chosen is None:
            return False
        kernels = kernels_of(
            KERNELS,
            ELEMENT=self.element,
            VECTOR=chosen.vector,
            LANES=chosen.lanes,
            THREADS=HOLDERS,
            HELD=chosen.held,
            CLUSTER=chosen.cluster,
        )
        sizes = (self.rows, self.channels)
        memory = chosen.shared_memory if holds_two else 0
        grid = (chosen.cluster, chosen.slices)
        kernels.launch(name, grid, (HOLDERS,), (*arguments, *sizes), self.device, memory)
        return True

    def launch(self, name: str, blocks: int, *arguments: Any) -> None:
        grid = (blocks, self.division.slices)
        sizes = (self.rows, self.channels)
        self.kernels.launch(name, grid, (THREADS,), (*arguments, *sizes), self.device)

    def room_for_parts(self, statistics: Tensor) -> Tensor:
        return statistics.new_empty((self.division.parts, self.channels, 2))


def _as_rows(x: Tensor) -> Tensor:
    return by_node(x).transpose(0, 1)


def _forward(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    add: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    batches: Tensor | None,
    momentum: float,
    epsilon: float,
    relu: bool,
) -> tuple[Tensor, Tensor]:
    y, statistics = _forward_fake(x)
    x = _as_rows(x)
    add = None if add is None else _as_rows(add.to(x.dtype))
    rows = _Rows(x, y) if add is None else _Rows(x, y, add)
    rest = (x, add, weight, bias, mean, variance, batches, momentum, epsilon, int(relu))
    if rows.launch_whole("normalise_whole", add is not None, y, statistics, *rest):
        return y, statistics
    parts, num_parts = rows.room_for_parts(statistics), rows.division.parts
    rows.launch("moments", num_parts, parts, x)
    rows.launch("normalise", rows.division.blocks, y, statistics, parts, num_parts, *rest)
    return y, statistics


def _forward_fake(x: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    channels = x.shape[2]
    return empty_by_node(x, channels), x.new_empty((2, channels), dtype=real_type(x.dtype))


def _backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    statistics: Tensor,
    relu: bool,
    copies: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Of the features; of weight, bias and what is added to all rows before, which is 0; a copy."""
    found, gradients, copy = _backward_fake(gradient, x, copies)
    x, gradient = _as_rows(x), _as_rows(gradient.to(x.dtype))
    rows = _Rows(x, gradient, found, *([copy] if copies else []))
    written = (found, copy if copies else None, gradients)
    read = (gradient, x, statistics, weight, bias, int(relu))
    if rows.launch_whole("gradient_whole", True, *written, *read):
        return found, gradients, copy
    parts, num_parts = rows.room_for_parts(statistics), rows.division.parts
    rows.launch("sums", num_parts, parts, *read)
    rows.launch("gradient", rows.division.blocks, *written, parts, num_parts, *read)
    return found, gradients, copy


def _backward_fake(gradient: Tensor, x: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    found, statistics = _forward_fake(x)
    copy = empty_by_node(x, x.shape[2]) if rest[-1] else x.new_empty(0)
    return found, statistics.new_empty((3, x.shape[2])), copy


FORWARD = define(
    "batch_norm(Tensor x, Tensor? weight, Tensor? bias, Tensor? add, Tensor(a!)? mean, "
    "Tensor(b!)? variance, Tensor(c!)? batches, float momentum, float epsilon, bool relu) "
    "-> (Tensor, Tensor)",
    cuda=_forward,
    fake=_forward_fake,
)
BACKWARD = define(
    "batch_norm_backward(Tensor gradient, Tensor x, Tensor? weight, Tensor? bias, "
    "Tensor statistics, bool relu, bool copies) -> (Tensor, Tensor, Tensor)",
    cuda=_backward,
    fake=_backward_fake,
)
