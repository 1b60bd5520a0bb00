"""Functions with gradients of their own, as the operators write them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import torch

F = TypeVar("F", bound=Callable[..., object])


class DifferentiableFunction(torch.autograd.Function):
    """An ``autograd.Function`` whose ``apply`` has a type."""

    if TYPE_CHECKING:

        @classmethod
        def apply(cls, *arguments: Any, **options: Any) -> Any: ...


def applied(function: type[DifferentiableFunction], *arguments: Any) -> Any:
    """The result; where no gradient is asked for, without all that PyTorch prepares for one."""
    if (
        torch.is_grad_enabled()
        or torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
    ):
        return function.apply(*arguments)
    return function.forward(*arguments)


def keep_signature(forward: F) -> F:
    """Find the signature once: PyTorch binds the arguments to it at every call."""
    setattr(forward, "__signature__", inspect.signature(forward))  # noqa: B010
    return forward
