"""Batch normalisation of features, with what stands behind it in a block."""

from __future__ import annotations

from torch import Tensor, nn

from multiscale_gcn.nn.layer_calls import Place
from multiscale_gcn.ops import batch_norm, on_rows
from multiscale_gcn.ops.batch_norm.dispatch import check_several_rows
from multiscale_gcn.ops.epilogue import rectify_and_add
from multiscale_gcn.ops.learning import Norm


def apply_norm(
    norm: nn.BatchNorm1d,
    x: Tensor,  # [B, N, C]
    *,
    relu: bool = False,
    add: Tensor | None = None,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """``norm`` of every row of channels, then ReLU and a sum if asked for."""
    if x.is_cuda and norm.training and type(norm) is nn.BatchNorm1d and norm.momentum is not None:
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
    if norm.training:
        check_several_rows(x)
    return rectify_and_add(on_rows(norm, x), relu, add)


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
        norm.momentum,
        norm.eps,
    )
