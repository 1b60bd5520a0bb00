"""How a function that launches kernels becomes an operator of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from multiscale_gcn.ops.kernels.prepared import PreparedCalls
from multiscale_gcn.ops.kernels.rehearsal import rehearsal_of_thread
from multiscale_gcn.ops.kernels.side_streams import is_parted

NAMESPACE = "multiscale_gcn"
"""Compiled programs know the operators by it."""


class Operator:
    """An operator without a gradient. It takes the arguments by their places.

    Where nobody watches, a call that was made before takes the way of
    :class:`~multiscale_gcn.ops.kernels.prepared.PreparedCalls`, past PyTorch's dispatcher.

    Attributes
    ----------
    overload : OpOverload
        What PyTorch knows.
    """

    def __init__(self, overload: torch._ops.OpOverload, cuda: Callable[..., Any]) -> None:
        self.overload = overload
        self._cuda = cuda
        self._calls = PreparedCalls()

    def __call__(self, *arguments: Any) -> Any:
        if torch.compiler.is_compiling():
            return self.overload(*arguments)
        if rehearsal_of_thread() is not None or is_parted():
            return self._cuda(*arguments)
        tensors: list[Tensor] = []
        constants: list[Any] = []
        _take_apart(arguments, tensors, constants)

        def run() -> Any:
            chosen = self.overload if rehearsal_of_thread() is None else self._cuda
            return chosen(*arguments)

        return self._calls(run, tensors, tuple(constants))


def _take_apart(arguments: Sequence[Any], tensors: list[Tensor], constants: list[Any]) -> None:
    """Tensors, and all that is none, with the places where tensors stand."""
    for argument in arguments:
        if isinstance(argument, Tensor):
            tensors.append(argument)
            constants.append(Tensor)
        elif isinstance(argument, list | tuple):
            constants.append(len(argument))
            _take_apart(argument, tensors, constants)
        else:
            constants.append(argument)


def define(
    schema: str,
    cuda: Callable[..., Any],
    fake: Callable[..., Any],
    cpu: Callable[..., Any] | None = None,
) -> Operator:
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
    Operator
    """
    name = schema.partition("(")[0]
    full = f"{NAMESPACE}::{name}"
    torch.library.define(full, schema.removeprefix(name), tags=(torch.Tag.pt2_compliant_tag,))
    torch.library.impl(full, "cuda", cuda)
    if cpu is not None:
        torch.library.impl(full, "cpu", cpu)
    torch.library.register_fake(full, fake)
    return Operator(getattr(getattr(torch.ops, NAMESPACE), name).default, cuda)
