"""Functions that Numba compiles once for an installation, and runs whatever the disk is like."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from numba import config, njit

COMPILES = not config.DISABLE_JIT  # type: ignore[attr-defined]


COMPILING = "multiscale_gcn compiles its code: some seconds, once for an installation"


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: ``numba.njit`` with these options, and its result kept on disk where it can be.

    Where there is no place for it, or no room, or what is kept there is damaged, the function is
    compiled again in every process, and a warning says so. Under ``NUMBA_DISABLE_JIT`` nothing is
    compiled.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        if not COMPILES:
            return function
        try:
            dispatcher = njit(cache=True, **options)(function)
        except RuntimeError as error:  # no folder that this user may write to
            _tell(error)
            return njit(**options)(function)
        _guard(dispatcher._cache)
        return dispatcher

    return decorate


def _guard(kept: Any) -> None:
    """Let the cache fail without taking the computation with it."""
    load, save = kept.load_overload, kept.save_overload

    def load_overload(*arguments: Any) -> Any:
        try:
            found = load(*arguments)
        except Exception:  # whatever unpacking half a file says
            found = None
        if found is None:
            _say_that_it_compiles()
        return found

    def save_overload(*arguments: Any) -> None:
        try:
            save(*arguments)
        except Exception as error:
            _tell(error)

    kept.load_overload, kept.save_overload = load_overload, save_overload


@cache
def _say_that_it_compiles() -> None:
    """Tell somebody who waits, at a terminal or in a notebook, once in a process."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if terminal or hasattr(sys, "ps1"):
        print(COMPILING, file=sys.stderr, flush=True)


def _tell(error: Exception) -> None:
    warnings.warn(
        f"compiled code is not kept on disk, and will be compiled again by every process ({error})"
        "; make room there, or name another folder in NUMBA_CACHE_DIR",
        RuntimeWarning,
        stacklevel=3,
    )
