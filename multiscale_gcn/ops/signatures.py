"""What PyTorch asks of an ``autograd.Function`` at every call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])


def keep_signature(forward: F) -> F:
    """Find the signature once: PyTorch binds the arguments to it at every call."""
    setattr(forward, "__signature__", inspect.signature(forward))  # noqa: B010
    return forward
