"""Plain functions of arrays and numbers, compiled when they are first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def compiled(function: Callable[..., Any]) -> Any:
    """The function as Numba compiles it, for the first time that it is asked for."""
    from multiscale_gcn.compiled.kernel import kernel

    return kernel()(function)
