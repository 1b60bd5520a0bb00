"""Calls that were made before: their choices are kept, and only their work is done again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._dynamo.guards import TensorGuards
from torch.autograd import forward_ad

from multiscale_gcn.ops.kernels.number_types import allow_tf32
from multiscale_gcn.ops.kernels.packing import current_device
from multiscale_gcn.ops.kernels.rehearsal import Rehearsal, Run, rehearsal_of_thread
from multiscale_gcn.ops.selection import is_transformed

MOST_KEYS, MOST_LAYOUTS = 256, 8
"""That are kept of one function; when there are more, all are forgotten."""
_PLAIN = (Tensor, nn.Parameter, nn.Buffer)


@dataclass(frozen=True)
class _Call:
    """A call for tensors of certain types, shapes, strides and devices; None: as it is."""

    fits: Callable[..., bool]
    run: Run | None
    index: int


class _OfThread(threading.local):
    """What is kept belongs to a thread: it has room for the arguments of its launches."""

    def __init__(self) -> None:
        self.calls: dict[Hashable, list[_Call]] = {}


class PreparedCalls:
    """What is kept of the calls of one function of tensors on a device."""

    def __init__(self) -> None:
        self._of_thread = _OfThread()

    def __call__(
        self, function: Callable[[], Any], tensors: Sequence[Tensor], constants: Hashable
    ) -> Any:
        """What the function gives.

        Parameters
        ----------
        function : callable
            Without arguments: it reads the tensors, and gives a tensor or a tuple of them.
        tensors : sequence of Tensor
            All that it reads, the features first.
        constants : hashable
            All else that it depends on.
        """
        if torch._C._len_torch_dispatch_stack() or forward_ad._current_level >= 0:
            return function()
        key = (tensors[0].shape, constants, allow_tf32(), torch.is_grad_enabled())
        kept = self._of_thread.calls
        for call in kept.get(key, ()):
            if call.fits(*tensors):
                result = call.run and _on(call.index, call.run, tensors)
                return function() if result is None else result
        if not may_be_prepared(tensors):
            return function()
        if len(kept) >= MOST_KEYS or len(kept.get(key, ())) >= MOST_LAYOUTS:
            kept.clear()
        call, result = _rehearsed(function, tensors)
        kept.setdefault(key, []).append(call)
        return result

    def __reduce__(self) -> Any:
        """Copies and pickles keep nothing."""
        return (PreparedCalls, ())


def _on(index: int, run: Run, tensors: Sequence[Tensor]) -> Any:
    if current_device() == index:
        return run(tensors)
    with torch.cuda.device(index):
        return run(tensors)


def _rehearsed(function: Callable[[], Any], tensors: Sequence[Tensor]) -> tuple[_Call, Any]:
    index = tensors[0].device.index
    fits = guard_of(tensors)
    with torch.cuda.device(index), Rehearsal(tensors, index) as rehearsal:
        result = function()
    return _Call(fits, rehearsal.written(result), index), result


def guard_of(tensors: Sequence[Tensor]) -> Callable[..., bool]:
    """Tells whether other tensors are like these in all but their values.

    That is class, type, shape, strides, device and whether they ask for gradients, and whether
    PyTorch would do around an operator what it does now: autocast, inference mode, transforms.
    """
    sizes: list[Any] = [list(tensor.shape) for tensor in tensors]
    strides: list[Any] = [list(tensor.stride()) for tensor in tensors]
    guards = TensorGuards(*tensors, dynamic_dims_sizes=sizes, dynamic_dims_strides=strides)
    check: Callable[..., bool] = guards.check
    return check


def may_be_prepared(tensors: Sequence[Tensor], learning: bool = False) -> bool:
    """Whether a call is one of plain tensors on a device, without anyone who watches it."""
    learns = not learning and torch.is_grad_enabled() and any(x.requires_grad for x in tensors)
    watched = (
        is_transformed() or torch.is_autocast_enabled("cuda") or rehearsal_of_thread() is not None
    )
    return (
        not learns
        and not watched
        and all(type(x) in _PLAIN and x.is_cuda for x in tensors)
        and all(x.device == tensors[0].device for x in tensors)
        and len(set(map(id, tensors))) == len(tensors)
    )
