"""Batch normalisation of features, with what stands behind it in a block."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multiscale_gcn.nn.layer_calls import Place
from multiscale_gcn.nn.onlookers import is_watched, runs_as
from multiscale_gcn.ops import Normalisation, batch_norm, on_rows
from multiscale_gcn.ops.batch_norm.dispatch import check_several_rows
from multiscale_gcn.ops.batch_norm.known_on_cuda import known_batch_norm
from multiscale_gcn.ops.epilogue import rectify_and_add
from multiscale_gcn.ops.learning import Norm
from multiscale_gcn.ops.normalised_map.on_cuda import normalised_map as mapped_by_kernel
from multiscale_gcn.ops.normalised_map.on_cuda import takes_normalised_map
from multiscale_gcn.ops.selection import OperatorCase, select_form


def apply_norm(
    norm: nn.Module,
    x: Tensor,  # [B, N, C]
    *,
    relu: bool = False,
    add: Tensor | None = None,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """``norm`` of every row of channels, then ReLU and a sum if asked for.

    It may be any module of rows: of a batch normalisation alone it is known that nobody needs its
    result, which the ReLU overwrites.
    """
    if (
        x.is_cuda
        and norm.training
        and type(norm) is nn.BatchNorm1d
        and norm.momentum is not None
        and not is_watched(norm)
    ):
        return batch_norm(
            x,
            norm.running_mean,
            norm.running_var,
            norm.weight,
            norm.bias,
            num_batches_tracked=norm.num_batches_tracked,
            momentum=norm.momentum,
            epsilon=norm.eps,
            relu=relu,
            add=add,
        )
    if not runs_as(norm, nn.BatchNorm1d, nn.SyncBatchNorm):
        y = on_rows(norm, x)
        y = y.relu() if relu else y
        return y if add is None else y + add
    if norm.training:
        check_several_rows(x)
    return rectify_and_add(on_rows(norm, x), relu, add)


def known_statistics(norm: nn.Module) -> Normalisation | None:
    """What a batch normalisation in evaluation does, if that is all that it does."""
    if norm.training or not runs_as(norm, nn.BatchNorm1d, nn.SyncBatchNorm):
        return None
    assert isinstance(norm, nn.BatchNorm1d | nn.SyncBatchNorm)
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        return None
    return Normalisation(mean, variance, norm.weight, norm.bias, norm.eps)


def normalised_map(
    linear: nn.Module,
    norm: nn.Module,
    x: Tensor,  # [B, N, C]
    add: Tensor,  # [B, N, C_out]
) -> Tensor:  # [B, N, C_out]
    """``norm`` of a linear map of every row of channels, plus ``add``."""
    statistics = known_statistics(norm)
    if statistics is None or not _kernel_normalises(linear, norm, x, add):
        return apply_norm(norm, on_rows(linear, x), add=add)
    assert isinstance(linear, nn.Linear)
    weight = linear.weight
    if takes_normalised_map(x, weight):
        return mapped_by_kernel(x, weight, linear.bias, statistics, add)
    mapped = on_rows(lambda rows: F.linear(rows, weight), x)
    return known_batch_norm(mapped, statistics, before=linear.bias, add=add)


def _kernel_normalises(linear: nn.Module, norm: nn.Module, x: Tensor, add: Tensor) -> bool:
    """Whether nothing learns, and nobody but the kernel has to see what lies between."""
    if torch.compiler.is_compiling() or not x.is_cuda or norm.training:
        return False
    if type(linear) is not nn.Linear or type(norm) is not nn.BatchNorm1d:
        return False
    parameters = (linear.weight, linear.bias, norm.weight, norm.bias)
    tensors = [t for t in (x, add, *parameters) if t is not None]
    channels = linear.out_features
    case = OperatorCase(x.device, x.dtype, x.shape[1], channels, channels, 1)
    return (
        not torch.is_autocast_enabled("cuda")
        and not is_watched(linear)
        and not is_watched(norm)
        and not (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))
        and x.dtype == linear.weight.dtype == add.dtype
        and select_form("batch_norm", case, "auto").name == "cupy"
    )


def norm_step(norm: nn.BatchNorm1d, place: Place) -> Norm | None:
    """What the kernels take, if they do."""
    if not (
        type(norm) is nn.BatchNorm1d
        and norm.training
        and norm.momentum is not None
        and norm.track_running_stats
        and norm.affine
    ):
        return None
    return Norm(
        place(norm, "weight"),
        place(norm, "bias"),
        place(norm, "running_mean"),
        place(norm, "running_var"),
        place(norm, "num_batches_tracked"),
        float(norm.momentum),
        float(norm.eps),
    )
