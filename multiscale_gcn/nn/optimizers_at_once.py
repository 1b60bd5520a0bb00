"""Fused optimizers in a recording: what they update in a row of launches, they update at once.

PyTorch goes through the parameters in launches of some dozens of tensors, each of which leaves most
of a device idle. Every parameter is updated by itself, so that lists of them may be divided at
will: the results are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from multiscale_gcn.ops.kernels.side_streams import LANES, at_once, is_recorded, parted

NAMES = ("_fused_adam_", "_fused_adamw_", "_fused_sgd_", "_fused_adagrad_")
"""What optimizers look up in ``torch``. Lists have an entry for each parameter or none; nothing is
returned."""


def _divided(update: Callable[..., None]) -> Callable[..., None]:
    """The same, on all streams of a recording if there is one."""

    def of_all(parameters: list[Tensor], *lists: Any, **options: Any) -> None:
        if not (parameters and is_recorded(parameters[0])):
            update(parameters, *lists, **options)
            return
        with parted(parameters[0].device):
            at_once([_of_share(update, k, parameters, *lists, **options) for k in range(LANES)])

    return of_all


def _of_share(
    update: Callable[..., None], begin: int, *lists: Any, **options: Any
) -> Callable[[], None]:
    def share(given: Any) -> Any:
        return given[begin::LANES] if isinstance(given, list | tuple) else given

    mine = [share(given) for given in lists]
    named = {name: share(given) for name, given in options.items()}
    return partial(update, *mine, **named) if mine[0] else lambda: None


_AS_THEY_ARE: dict[str, Callable[..., None]] = {
    name: getattr(torch, name) for name in NAMES if hasattr(torch, name)
}
_DIVIDED = {name: _divided(update) for name, update in _AS_THEY_ARE.items()}


@contextmanager
def optimizers_at_once() -> Iterator[None]:
    """Within, fused optimizers find the divided functions, which elsewhere do as ever."""
    _let_be(_DIVIDED)
    try:
        yield
    finally:
        _let_be(_AS_THEY_ARE)


def _let_be(functions: dict[str, Callable[..., None]]) -> None:
    for name, function in functions.items():
        setattr(torch, name, function)
