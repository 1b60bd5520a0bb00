"""Maps between scales by kernels, where no gradient is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from multiscale_gcn.ops import selection
from multiscale_gcn.ops.fusion.division import MOST_SCALES, Scales


def fused_by_kernels(
    features: Sequence[Tensor],  # each [B, N_k, C]
    weights: Sequence[Tensor],  # each [N_t, N_s]
    biases: Sequence[Tensor],  # each [N_t]
    scales: Scales,
    given: Sequence[int],
    made: Sequence[int],
) -> list[Tensor] | None:  # each [B, N_k, C]
    """What the scales `made` are and are sent, from those `given`; None if no kernel takes them."""
    tensors = [*features, *weights, *biases]
    if not (_can_be_left_to_kernels(tensors) and _fit(features, scales, given)):
        return None
    from multiscale_gcn.ops.fusion import on_cuda

    if not on_cuda.takes_fusion(scales, features[0]):
        return None
    maps = [MOST_SCALES * target + source for target, source in scales.maps]
    layout = (list(scales.nodes), maps, list(given), list(made))
    found: list[Tensor] = on_cuda.FORWARD(list(features), list(weights), list(biases), *layout)
    return found


def _can_be_left_to_kernels(tensors: Sequence[Tensor]) -> bool:
    """Whether all are plain tensors of one type on one device, of which nothing learns."""
    return (
        all(x.is_cuda for x in tensors)
        and not (torch.is_grad_enabled() and any(x.requires_grad for x in tensors))
        and len({(x.dtype, x.device) for x in tensors}) == 1
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cuda")
        and not torch._C._are_functorch_transforms_active()
        and selection.exporting() is None
        and selection.cupy_hindrance() is None
    )


def _fit(features: Sequence[Tensor], scales: Scales, given: Sequence[int]) -> bool:
    batch, _, channels = features[0].shape
    return all(
        x.shape == (batch, scales.nodes[k], channels) for x, k in zip(features, given, strict=True)
    )
