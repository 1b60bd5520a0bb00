"""What CUDA cannot record, found on any device."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

HOST = {
    torch.ops.aten._local_scalar_dense.default: "reads a value back",
    torch.ops.aten.nonzero.default: "has a result whose shape depends on values",
    torch.ops.aten.masked_select.default: "has a result whose shape depends on values",
    torch.ops.aten.lift_fresh.default: "sends values from the host",
    torch.ops.aten.is_nonzero.default: "reads a value back",
}


class Recordable(TorchDispatchMode):
    """Within it, operations that a CUDA graph cannot hold are errors, on a processor too."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if function in HOST:
            raise AssertionError(f"{function} {HOST[function]}")
        return function(*args, **(kwargs or {}))
