"""Checks that the operators make of their arguments: kernels would read past the end of memory.

They look at types, shapes and devices alone, never at a value on a device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.ops.csr_pattern import CrossPattern, Pattern, shape_of
from multiscale_gcn.ops.kernels.number_types import DTYPES


def check_operands(**operands: Tensor) -> None:
    """Refuse what is no dense tensor of real numbers, and tensors on several devices."""
    first = device = None
    for name, tensor in operands.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} is a {type(tensor).__name__}; give a torch.Tensor")
        if tensor.dtype not in DTYPES:
            raise ValueError(
                f"{name} is {tensor.dtype}, expected one of {', '.join(map(str, DTYPES))}; "
                f"convert it with {name}.to(torch.float32)"
            )
        if tensor.layout != torch.strided:
            raise ValueError(
                f"{name} is laid out as {tensor.layout}; give a dense tensor, such as "
                f"{name}.to_dense()"
            )
        if first is None:
            first, device = name, tensor.device
        elif tensor.device != device:
            raise ValueError(
                f"{name} is on {tensor.device} and {first} on {device}; move one to the other "
                "with .to(device)"
            )


def given(**operands: Tensor | None) -> dict[str, Tensor]:
    """Those that are not None, for :func:`check_operands`."""
    return {name: tensor for name, tensor in operands.items() if tensor is not None}


def check_one_type(**operands: Tensor) -> None:
    """Refuse factors and summands of different types, unless autocast makes them one."""
    first = dtype = None
    for name, tensor in operands.items():
        if first is None:
            first, dtype = name, tensor.dtype
        elif tensor.dtype != dtype and not _casts(tensor, dtype):
            raise ValueError(
                f"{name} is {tensor.dtype} and {first} {dtype}; convert one with .to(dtype), or "
                "run under torch.autocast"
            )


def _casts(tensor: Tensor, other: torch.dtype | None) -> bool:
    """Whether autocast is on, which leaves float64 as it is."""
    device = tensor.device.type
    if torch.float64 in (tensor.dtype, other) or device == "meta":
        return False
    return torch.is_autocast_enabled(device)


def check_pattern(
    pattern: Pattern | CrossPattern, operand: Tensor, name: str, *, square: bool = False
) -> None:
    """Refuse what is none, or lies elsewhere; ``square``: what is none of one graph as well."""
    if not isinstance(pattern, Pattern) and (square or not isinstance(pattern, CrossPattern)):
        raise TypeError(
            f"pattern is a {type(pattern).__name__}; give a Pattern, such as "
            "GraphPattern(graph).entries"
        )
    if pattern.indptr.device != operand.device:
        raise ValueError(
            f"{name} is on {operand.device} and the pattern on {pattern.indptr.device}; move the "
            "module that holds the pattern with .to(device)"
        )


def check_features(x: Tensor, name: str = "x") -> None:
    """Refuse what has not the shape [B, N, C]."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is a {type(x).__name__}; give a torch.Tensor of shape [B, N, C]")
    if x.dim() != 3:
        raise ValueError(f"{name} has shape {list(x.shape)}, expected [B, N, C]")


def check_product(x: Tensor, values: Tensor, pattern: Pattern | CrossPattern) -> None:
    """Refuse operands of a product with a sparse matrix that do not fit each other."""
    check_operands(x=x, values=values)
    check_pattern(pattern, x, "x")
    check_features_fit(x, pattern)
    check_entry_values(values, pattern, x.shape[2])


def check_features_fit(x: Tensor, pattern: Pattern | CrossPattern) -> None:
    columns = shape_of(pattern)[1]
    if x.dim() != 3 or x.shape[1] != columns:
        raise ValueError(
            f"x has shape {list(x.shape)}, expected [B, {columns}, C]: one row for each column of "
            "the pattern"
        )


def check_entry_values(
    values: Tensor, pattern: Pattern | CrossPattern, channels: int, name: str = "values"
) -> None:
    num_entries = pattern.rows.shape[0]
    if tuple(values.shape) not in ((num_entries,), (channels, num_entries)):
        raise ValueError(
            f"{name} has shape {list(values.shape)}, expected [{num_entries}] or [{channels}, "
            f"{num_entries}]: the pattern has {num_entries} entries"
        )


def check_logits(logits: Tensor, pattern: Pattern | CrossPattern) -> None:
    """Refuse what is not one number for each entry of a pattern, along the last axis."""
    check_operands(logits=logits)
    check_pattern(pattern, logits, "logits")
    num_entries = pattern.rows.shape[0]
    if logits.dim() == 0 or logits.shape[-1] != num_entries:
        raise ValueError(
            f"logits has shape {list(logits.shape)}, expected [..., {num_entries}]: one "
            "for each entry of the pattern"
        )


def check_weight(weight: Tensor, x: Tensor) -> None:
    if weight.dim() != 3 or weight.shape[0] not in (1, 2) or weight.shape[1] != x.shape[2]:
        raise ValueError(
            f"weight has shape {list(weight.shape)}, expected [1 or 2, {x.shape[2]}, C_out]: x has "
            f"{x.shape[2]} channels"
        )


def check_per_channel(channels: int, of: str, **operands: Tensor) -> None:
    """Refuse what is not one number for each channel."""
    for name, tensor in operands.items():
        if tuple(tensor.shape) != (channels,):
            raise ValueError(
                f"{name} has shape {list(tensor.shape)}, expected [{channels}]: one number for "
                f"each channel of {of}"
            )
