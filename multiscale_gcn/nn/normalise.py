"""Batch normalisation of features, with what stands behind it in a block."""

from __future__ import annotations

from torch import Tensor, nn

from multiscale_gcn.ops import batch_norm, on_rows


def normalise(
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
    y = on_rows(norm, x)
    # The normalisation's gradient does not need its result, so the ReLU may overwrite it.
    y = y.relu_() if relu else y
    return y if add is None else y + add
