"""How a function that launches kernels becomes an operator of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

NAMESPACE = "multiscale_gcn"
"""Compiled programs know the operators by it."""


def define(
    schema: str,
    cuda: Callable[..., Any],
    fake: Callable[..., Any],
    cpu: Callable[..., Any] | None = None,
) -> torch._ops.OpOverload:
    """Make a function of tensors known to PyTorch as an operator, without a gradient.

    Parameters
    ----------
    schema : str
        Name, arguments and results as PyTorch writes them:
        ``"propagate(Tensor x, Tensor values) -> Tensor"``.
    cuda : callable
        Runs the kernels. Its results are new tensors.
    fake : callable
        Makes empty tensors of the same shapes, strides and types, and reads no values.
    cpu : callable, optional
        The same in plain PyTorch, by which all that surrounds the kernels is tested without a GPU.

    Returns
    -------
    OpOverload
        The operator. It takes the arguments by their places.
    """
    name = schema.partition("(")[0]
    full = f"{NAMESPACE}::{name}"
    torch.library.define(full, schema.removeprefix(name), tags=(torch.Tag.pt2_compliant_tag,))
    torch.library.impl(full, "cuda", cuda)
    if cpu is not None:
        torch.library.impl(full, "cpu", cpu)
    torch.library.register_fake(full, fake)
    operator: torch._ops.OpOverload = getattr(getattr(torch.ops, NAMESPACE), name).default
    return operator
