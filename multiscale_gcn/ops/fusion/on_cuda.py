"""Maps between scales on CUDA devices: ``fusion.cu``, one kernel forward and three backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from multiscale_gcn.ops.fusion.division import (
    MOST_SCALES,
    THREADS,
    FusionDivision,
    Scales,
    divide_fusion,
)
from multiscale_gcn.ops.kernels.adding_parts import sum_of_parts
from multiscale_gcn.ops.kernels.arguments import aligned
from multiscale_gcn.ops.kernels.launch import (
    kernels_of,
    multiprocessors,
    shared_memory_per_block,
)
from multiscale_gcn.ops.kernels.number_types import allow_tf32
from multiscale_gcn.ops.kernels.registration import define
from multiscale_gcn.ops.kernels.side_streams import beside
from multiscale_gcn.ops.layout import by_node

KERNELS = "fusion/fusion.cu"
LEAST_CAPABILITY = (8, 0)

ByScale = list[Tensor | None]


def takes_fusion(scales: Scales, x: Tensor) -> bool:
    """Whether the kernels take features like these of so many scales."""
    return (
        x.dtype == torch.float32
        and torch.cuda.get_device_capability(x.device) >= LEAST_CAPABILITY
        and _division(scales, x) is not None
    )


def _division(scales: Scales, x: Tensor) -> FusionDivision | None:
    index = x.device.index
    memory = shared_memory_per_block(index)
    return divide_fusion(scales, x.shape[0] * x.shape[2], multiprocessors(index), memory)


class _Fusion:
    """Scales, and launches of kernels for features of so many columns."""

    def __init__(self, nodes: Sequence[int], maps: Sequence[int], x: Tensor) -> None:
        pairs = tuple(divmod(pair, MOST_SCALES) for pair in maps)
        self.scales = Scales(tuple(nodes), pairs)
        chosen = _division(self.scales, x)
        assert chosen is not None
        self.division = chosen
        self.maps, self.device = maps, x.device
        self.batch, _, self.channels = x.shape
        exact = not allow_tf32()
        options = {**self.scales.options(), **chosen.options(), "THREE": int(exact)}
        self.kernels = kernels_of(KERNELS, **options)

    def launch(self, name: str, blocks: int, memory: int, *arguments: Any) -> None:
        given = (*arguments, self.batch * self.channels)
        self.kernels.launch(name, (blocks,), (THREADS,), given, self.device, memory)

    def of_maps(self, given: Sequence[Tensor]) -> ByScale:
        found: ByScale = [None] * MOST_SCALES**2
        for pair, tensor in zip(self.maps, given, strict=True):
            found[pair] = tensor.contiguous()
        return found

    def rows(self, features: Sequence[Tensor], at: Sequence[int]) -> ByScale:
        """Node by node, by scale."""
        found: ByScale = [None] * MOST_SCALES
        for x, k in zip(features, at, strict=True):
            found[k] = aligned(by_node(x))
        return found

    def new_rows(self, x: Tensor, at: Sequence[int]) -> ByScale:
        found: ByScale = [None] * MOST_SCALES
        for k in at:
            found[k] = x.new_empty((self.scales.nodes[k], self.batch, self.channels))
        return found


# Below, `nodes` are those of every scale; `maps` has 4 t + s for a map from scale s to scale t; and
# `given` and `made` are the scales of the features and of the results.


def _features(rows: ByScale, at: Sequence[int]) -> list[Tensor]:  # [N, B, C] -> [B, N, C]
    return [found.transpose(0, 1) for found in (rows[k] for k in at) if found is not None]


def _forward(
    features: list[Tensor],
    weights: list[Tensor],
    biases: list[Tensor],
    nodes: list[int],
    maps: list[int],
    given: list[int],
    made: list[int],
) -> list[Tensor]:
    fusion = _Fusion(nodes, maps, features[0])
    x, y = fusion.rows(features, given), fusion.new_rows(features[0], made)
    read = (*fusion.of_maps(weights), *fusion.of_maps(biases))
    division = fusion.division
    fusion.launch("fuse", division.blocks, division.forward, *x, *y, *read)
    return _features(y, made)


def _forward_fake(
    features: list[Tensor],
    weights: list[Tensor],
    biases: list[Tensor],
    nodes: list[int],
    maps: list[int],
    given: list[int],
    made: list[int],
) -> list[Tensor]:
    batch, _, channels = features[0].shape
    return [features[0].new_empty((nodes[k], batch, channels)).transpose(0, 1) for k in made]


def _backward(
    gradients: list[Tensor],
    features: list[Tensor],
    weights: list[Tensor],
    nodes: list[int],
    maps: list[int],
    given: list[int],
    made: list[int],
    learns: bool,
) -> list[Tensor]:
    """Of the features; and of all weights, then of all biases, as one row of numbers."""
    fusion = _Fusion(nodes, maps, features[0])
    up, down = fusion.rows(gradients, made), fusion.new_rows(features[0], given)
    unbiased: ByScale = [None] * MOST_SCALES**2
    division, matrices = fusion.division, fusion.of_maps(weights)
    fusion.launch("fuse_back", division.blocks, division.back, *up, *down, *matrices, *unbiased)
    found = _features(down, given)
    if not learns:
        return found
    x = fusion.rows(features, given)

    def of_maps() -> Tensor:
        parts = features[0].new_empty((division.sum_blocks, fusion.scales.places()[-1]))
        fusion.launch("fuse_parts", division.sum_blocks, division.sums, *up, *x, parts)
        return sum_of_parts(parts, fusion.kernels)

    return [*found, beside(of_maps, *up, *x)]


def _backward_fake(
    gradients: list[Tensor],
    features: list[Tensor],
    weights: list[Tensor],
    nodes: list[int],
    maps: list[int],
    given: list[int],
    made: list[int],
    learns: bool,
) -> list[Tensor]:
    found = _forward_fake(features, weights, [], nodes, maps, made, given)
    if learns:
        pairs = tuple(divmod(pair, MOST_SCALES) for pair in maps)
        found.append(features[0].new_empty(Scales(tuple(nodes), pairs).places()[-1]))
    return found


FORWARD = define(
    "fusion(Tensor[] features, Tensor[] weights, Tensor[] biases, int[] nodes, int[] maps, "
    "int[] given, int[] made) -> Tensor[]",
    cuda=_forward,
    fake=_forward_fake,
)
BACKWARD = define(
    "fusion_backward(Tensor[] gradients, Tensor[] features, Tensor[] weights, int[] nodes, "
    "int[] maps, int[] given, int[] made, bool learns) -> Tensor[]",
    cuda=_backward,
    fake=_backward_fake,
)
