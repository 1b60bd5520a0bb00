"""What stands behind a layer: batch normalisation with known statistics, ReLU and a sum."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from multiscale_gcn.ops.layout import on_rows
from multiscale_gcn.ops.operand_checks import check_operands, check_per_channel, given
from multiscale_gcn.ops.option_checks import real_number


class Normalisation(NamedTuple):
    """Batch normalisation with known statistics, of what a layer gives.

    Parameters
    ----------
    mean, variance : Tensor, shape (C_out,)
    weight, bias : Tensor or None, shape (C_out,)
    epsilon : float
        Added to the variance.

    See Also
    --------
    graph_convolution : a convolution on any pattern
    batch_norm : batch normalisation of nodes

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn.ops import Normalisation
    >>> norm = torch.nn.BatchNorm1d(5)
    >>> statistics = Normalisation(
    ...     norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.eps
    ... )
    >>> statistics.variance
    tensor([1., 1., 1., 1., 1.])
    """

    mean: Tensor
    variance: Tensor
    weight: Tensor | None
    bias: Tensor | None
    epsilon: float


def check_normalisation(norm: Any, x: Tensor, channels: int) -> None:
    """Refuse one that is none, is not where ``x`` is, or has not so many channels."""
    if not isinstance(norm, Normalisation):
        raise TypeError(f"norm is a {type(norm).__name__}; give a Normalisation, or None")
    mean, variance, weight, bias, epsilon = norm
    real_number(epsilon, "norm.epsilon")
    rest = given(**{"norm.weight": weight, "norm.bias": bias})
    tensors = {"norm.mean": mean, "norm.variance": variance, **rest}
    check_operands(x=x, **tensors)
    check_per_channel(channels, "the result", **tensors)


def check_statistics(y: Tensor, **tensors: Tensor) -> None:
    """Refuse types that PyTorch does not normalise: only half precision takes float32."""
    for name, tensor in tensors.items():
        half = y.dtype in (torch.float16, torch.bfloat16) and tensor.dtype == torch.float32
        if tensor.dtype != y.dtype and not half:
            raise ValueError(
                f"{name} is {tensor.dtype} and normalises {y.dtype}; convert it with .to({y.dtype})"
            )


def finish(
    y: Tensor,  # [B, N, C]
    norm: Normalisation | None,
    relu: bool,
) -> Tensor:  # [B, N, C]
    """Normalise and rectify, as far as asked for."""
    if norm is not None:
        mean, variance, weight, bias, epsilon = norm
        check_statistics(
            y,
            **{"norm.mean": mean, "norm.variance": variance},
            **given(**{"norm.weight": weight, "norm.bias": bias}),
        )
        y = on_rows(
            lambda rows: torch.nn.functional.batch_norm(
                rows, mean, variance, weight, bias, False, 0.0, epsilon
            ),
            y,
        )
        return y.relu_() if relu else y
    return torch.relu(y) if relu else y


def rectify_and_add(
    y: Tensor,  # [B, N, C], normalised
    relu: bool,
    add: Tensor | None,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """As far as asked for. No gradient of a normalisation needs its result: ReLU overwrites it."""
    y = y.relu_() if relu else y
    return y if add is None else y + add
