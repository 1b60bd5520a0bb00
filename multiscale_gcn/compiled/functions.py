"""Plain functions of arrays and numbers, compiled when they are first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def compiled(function: Callable[..., Any]) -> Any:
    """The function as Numba compiles it, cached on disk."""
    from numba import njit

    return njit(cache=True)(function)
