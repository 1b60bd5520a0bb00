"""Batch normalisation of features, with what stands behind it in a block."""

from __future__ import annotations

from torch import Tensor, nn

from multiscale_gcn.nn.onlookers import is_watched, runs_as
from multiscale_gcn.ops import Normalisation, batch_norm, on_rows
from multiscale_gcn.ops.batch_norm.dispatch import check_several_rows
from multiscale_gcn.ops.epilogue import rectify_and_add


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
