"""Modules whose buffers belong to a graph, and are in no checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn


class GraphBuffers(nn.Module):
    """Buffers that are not in the ``state_dict`` keep their numbers, wherever they are moved.

    :meth:`torch.nn.Module.to_empty` gives a network memory that a checkpoint is to fill, and no
    checkpoint fills these.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = {name: self._buffers[name] for name in self._non_persistent_buffers_set}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, old in before.items():
            new = self._buffers[name]
            if old is not None and new is not None and _may_differ(old, new):
                with torch.no_grad():
                    new.copy_(old)
        return self


def _may_differ(old: Tensor, new: Tensor) -> bool:
    real = old.device.type != "meta" and new.device.type != "meta"
    return real and new is not old and type(new) is type(old)
