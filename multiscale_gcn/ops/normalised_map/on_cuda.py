"""A linear map and its normalisation on CUDA devices: ``normalised_map.cu``."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.ops.epilogue import Normalisation
from multiscale_gcn.ops.kernels.arguments import aligned, empty_by_node
from multiscale_gcn.ops.kernels.launch import (
    kernels_of,
    multiprocessors,
    shared_memory_per_block,
)
from multiscale_gcn.ops.kernels.number_types import allow_tf32, real
from multiscale_gcn.ops.kernels.registration import define
from multiscale_gcn.ops.layout import by_node
from multiscale_gcn.ops.normalised_map.division import THREADS, MapDivision, divide_map

KERNELS = "normalised_map/normalised_map.cu"
LEAST_CAPABILITY = (8, 0)


def takes_normalised_map(x: Tensor, weight: Tensor) -> bool:
    """Whether the kernel takes features and weights: products of tf32 are allowed."""
    return (
        x.dtype == torch.float32
        and allow_tf32()
        and torch.cuda.get_device_capability(x.device) >= LEAST_CAPABILITY
        and _division(x, weight) is not None
    )


def normalised_map(
    x: Tensor,  # [B, N, K]
    weight: Tensor,  # [C, K]
    bias: Tensor | None,  # [C]
    norm: Normalisation,
    add: Tensor,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """norm(x weight' + bias) + add, without a gradient."""
    result: Tensor = NORMALISED_MAP(x, weight, bias, *norm[:4], add, norm.epsilon)
    return result


def _division(x: Tensor, weight: Tensor) -> MapDivision | None:
    batch, nodes, inside = x.shape
    index = x.device.index
    memory = shared_memory_per_block(index)
    return divide_map(inside, weight.shape[0], batch * nodes, multiprocessors(index), memory)


def _normalised_map(
    x: Tensor,
    weight: Tensor,
    before: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    gain: Tensor | None,
    offset: Tensor | None,
    add: Tensor,
    epsilon: float,
) -> Tensor:
    chosen = _division(x, weight)
    assert chosen is not None
    outside, inside = weight.shape
    sizes = {"IN": inside, "OUT": outside, "ROWS": chosen.rows, "STAGES": chosen.stages}
    y = empty_by_node(x, outside)
    known = [real(tensor, x) for tensor in (before, mean, variance, gain, offset)]
    read = (aligned(by_node(x)), weight.contiguous(), *known, aligned(by_node(add)))
    arguments = (y, *read, float(epsilon), x.shape[0] * x.shape[1])
    grid, memory = (chosen.blocks,), chosen.shared_memory
    kernels = kernels_of(KERNELS, **sizes)
    kernels.launch("map_and_normalise", grid, (THREADS,), arguments, x.device, memory)
    return y


def _fake(x: Tensor, weight: Tensor, *rest: object) -> Tensor:
    return empty_by_node(x, weight.shape[0])


NORMALISED_MAP = define(
    "normalised_map(Tensor x, Tensor weight, Tensor? before, Tensor mean, Tensor variance, "
    "Tensor? gain, Tensor? offset, Tensor add, float epsilon) -> Tensor",
    cuda=_normalised_map,
    fake=_fake,
)
