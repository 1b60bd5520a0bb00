"""Where compiled code may run on several threads. One thread returns the same, only later."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numba

_in_use = Lock()
_inherited = False


def _after_fork() -> None:
    global _inherited
    try:
        _inherited = numba.threading_layer() == "omp"
    except ValueError:  # no threads have been started so far
        return


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def threads_to_use() -> Iterator[int]:
    """How many threads the caller may use, for as long as the context lasts.

    GNU's OpenMP ends a process that was forked from one in which it had threads, such as a worker
    of a data loader. Numba's own pool, which serves where there is no OpenMP, ends one in which
    two callers use it at a time. So a forked process, and whoever comes while another caller is
    at it, get one thread.
    """
    if _inherited or not _in_use.acquire(blocking=False):
        yield 1
        return
    try:
        yield numba.get_num_threads()
    finally:
        _in_use.release()
