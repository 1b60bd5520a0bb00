"""Work that nobody waits for yet, on a stream of its own while a CUDA graph is recorded.

The gradient of a weight is read by the optimizer alone, and that of features by the next kernel.
In a recording the former is made beside the latter; elsewhere there is one stream for both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor

from multiscale_gcn.ops.kernels.rehearsal import rehearsal_of_thread

Result = TypeVar("Result")


class _OfThread(threading.local):
    aside: Aside | None = None


_of_thread = _OfThread()


class Aside:
    """While it is entered, :func:`beside` takes another stream. At the end both have met.

    Parameters
    ----------
    device : torch.device
        Of everything within.
    """

    def __init__(self, device: torch.device) -> None:
        self._current = torch.cuda.current_stream(device)
        self._stream = stream_beside(device, self._current.cuda_stream)
        self._kept: list[Any] = []

    def __enter__(self) -> Aside:
        self._before, _of_thread.aside = _of_thread.aside, self
        return self

    def __exit__(self, *error: Any) -> None:
        _of_thread.aside = self._before
        if self._kept:
            self._current.wait_stream(self._stream)
            self._kept.clear()

    def run(self, function: Callable[[], Result], read: tuple[Any, ...]) -> Result:
        self._stream.wait_stream(self._current)
        # No other kernel may write to what is read, as long as the streams have not met.
        self._kept.append(read)
        with torch.cuda.stream(self._stream):
            return function()


def beside(function: Callable[[], Result], *read: Tensor | None) -> Result:
    """What the function gives, whose results nobody within the same call reads.

    Parameters
    ----------
    function : callable
    *read : Tensor
        All that it reads and that was made within the call.
    """
    aside = _of_thread.aside
    return function() if aside is None else aside.run(function, read)


def is_beside() -> bool:
    """Whether there is another stream for what nobody waits for."""
    return _of_thread.aside is not None


def is_recorded(x: Tensor) -> bool:
    """Whether a CUDA graph is recorded of what is done to a tensor."""
    return (
        x.is_cuda
        and not torch.compiler.is_compiling()
        and torch.cuda.is_current_stream_capturing()
        and rehearsal_of_thread() is None
    )


@cache
def stream_beside(device: torch.device, key: int) -> torch.cuda.Stream:
    """A stream for each key."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
