"""Batch normalisation in training, with what stands behind it in a block."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from multiscale_gcn.backends import Backend, BackendUnavailable
from multiscale_gcn.ops.batch_norm.on_cuda import BatchNormOnCuda
from multiscale_gcn.ops.epilogue import check_statistics, rectify_and_add
from multiscale_gcn.ops.kernels.number_types import real, real_type
from multiscale_gcn.ops.layout import on_rows
from multiscale_gcn.ops.operand_checks import (
    check_features,
    check_operands,
    check_per_channel,
    given,
)
from multiscale_gcn.ops.option_checks import flag, real_number
from multiscale_gcn.ops.selection import (
    FormRules,
    OperatorCase,
    add_form_rules,
    is_left_to_pytorch,
    select_form,
)


def batch_norm(
    x: Tensor,  # [B, N, C]
    running_mean: Tensor | None,  # [C]
    running_var: Tensor | None,  # [C]
    weight: Tensor | None = None,  # [C]
    bias: Tensor | None = None,  # [C]
    *,
    num_batches_tracked: Tensor | None = None,  # []
    momentum: float = 0.1,
    epsilon: float = 1e-5,
    relu: bool = False,
    add: Tensor | None = None,  # [B, N, C]
    backend: str = "auto",
) -> Tensor:  # [B, N, C]
    """Normalise every channel over batch and nodes; then ReLU, and a sum.

    y = f((x - mean) weight / sqrt(variance + epsilon) + bias) + add, where f is ReLU or nothing:
    Ioffe and Szegedy 2015. Mean and variance are those of ``x``. On a CUDA device kernels read
    ``x`` twice and write y once, and hold nothing more for the gradient than ``x``.

    Parameters
    ----------
    x
    running_mean, running_var
        Updated in place with the statistics of ``x``; None to keep none. On a CUDA device the
        kernels take those of type float32, or float64 if ``x`` is of that.
    weight, bias
    num_batches_tracked
        An integer, increased by one in place.
    momentum : float
        The share of the new statistics in the running ones.
    epsilon : float
    relu : bool
    add
        Added to the result, which is of the type of the sum.
    backend : {"auto", "torch", "cupy"}
        :func:`select_backend` tells what ``"auto"`` takes.

    Raises
    ------
    TypeError
        For what is no tensor.
    ValueError
        If ``x`` or ``add`` does not have the shape [B, N, C], or one of the other tensors not the
        shape [C]; if there is one row only, of which no variance can be found; if tensors hold no
        real numbers, are on several devices, or of types that do not go together; if one of the
        running statistics is kept without the other; if a number or a flag is none; or if there is
        no backend of that name.
    BackendUnavailable
        If ``backend="cupy"`` cannot run.

    See Also
    --------
    Normalisation : a normalisation that is fused

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[1.0], [3.0]]])
    >>> mean, variance = torch.zeros(1), torch.ones(1)
    >>> batch_norm(x, mean, variance, relu=True).round(decimals=3)
    tensor([[[0.],
             [1.]]])
    >>> mean
    tensor([0.2000])
    """
    per_channel = given(
        running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    _check(x, add, num_batches_tracked, per_channel)
    momentum = real_number(momentum, "momentum")
    epsilon = real_number(epsilon, "epsilon", above=0)
    relu = flag(relu, "relu")
    if _takes_kernel(x, running_mean, running_var, backend):
        running = (running_mean, running_var, num_batches_tracked, momentum)
        inside = add if add is not None and add.dtype == x.dtype else None
        y: Tensor = BatchNormOnCuda.apply(
            x, real(weight, x), real(bias, x), inside, *running, epsilon, relu
        )
        return y if add is None or inside is not None else y + add
    check_statistics(x, **per_channel)
    if num_batches_tracked is not None:
        num_batches_tracked.add_(1)
    statistics = (running_mean, running_var, weight, bias)
    y = on_rows(lambda rows: F.batch_norm(rows, *statistics, True, momentum, epsilon), x)
    return rectify_and_add(y, relu, add)


def _check(
    x: Tensor, add: Tensor | None, batches: Tensor | None, per_channel: dict[str, Tensor]
) -> None:
    check_operands(x=x, **given(add=add), **per_channel)
    check_features(x)
    check_several_rows(x)
    if add is not None and add.shape != x.shape:
        raise ValueError(f"add has shape {list(add.shape)}, expected {list(x.shape)}, that of x")
    check_per_channel(x.shape[2], "x", **per_channel)
    if ("running_mean" in per_channel) != ("running_var" in per_channel):
        raise ValueError("running_mean and running_var go together; give both, or None for both")
    if batches is not None and (not isinstance(batches, Tensor) or batches.dtype != torch.int64):
        raise TypeError("num_batches_tracked is no int64 tensor; give torch.tensor(0), or None")


def check_several_rows(x: Tensor) -> None:
    if x.shape[0] * x.shape[1] == 1:
        raise ValueError(
            f"x has shape {list(x.shape)}: one row has no variance; normalise more of them, or "
            "call eval() on the layer"
        )


def _takes_kernel(
    x: Tensor, running_mean: Tensor | None, running_var: Tensor | None, backend: str
) -> bool:
    if is_left_to_pytorch(x.device, backend) or x.numel() == 0:
        return False
    case = OperatorCase(x.device, x.dtype, x.shape[1], x.shape[2], x.shape[2], x.shape[1])
    if select_form("batch_norm", case, backend).name != "cupy":
        return False
    wide = real_type(x.dtype)
    running = {"running_mean": running_mean, "running_var": running_var}
    for name, tensor in running.items():
        if tensor is not None and tensor.dtype != wide:
            if backend == "cupy":
                raise BackendUnavailable(
                    f"batch_norm: {name} is {tensor.dtype}, and kernels for {x.dtype} keep {wide}; "
                    "convert it, or take backend='auto'"
                )
            return False
    return True


add_form_rules(
    "batch_norm",
    FormRules(
        torch=lambda case: Backend("torch", "rows by rows"),
        cupy=lambda case: Backend("cupy", "kernels that normalise, rectify and add at once"),
    ),
)
