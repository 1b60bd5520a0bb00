"""Which backend will run, and why: told before it runs, and never replaced silently.

A backend is a file in the folder ``engines``, which has its name. The registry is that folder.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module, util
from pathlib import Path
from typing import Any

from multiscale_gcn.checks.arguments import shown

DEFAULT = "numba"
SPARED = 100_000
"""Entries of graphs that a process may ask for before compiled code is loaded, or made, for it."""
KERNELS = "multiscale_gcn.matching.on_cpu"
"""The module that is there when compiled code is loaded."""
_INSTALL_CUPY = "pip install multiscale-gcn[cuda13], or [cuda12] for a driver of CUDA 12"


class BackendUnavailable(RuntimeError):
    """The backend that was asked for cannot run here; the message says why and what helps.

    Examples
    --------
    >>> from multiscale_gcn import BackendUnavailable, select_backend
    >>> try:
    ...     name = select_backend("cupy").name
    ... except BackendUnavailable:
    ...     name = select_backend().name
    """


@dataclass(frozen=True)
class Backend:
    """A backend and the reason why it was selected.

    Examples
    --------
    >>> from multiscale_gcn import select_backend
    >>> select_backend("python")
    Backend(name='python', reason='asked for')
    """

    name: str
    reason: str


@cache
def backend_names() -> tuple[str, ...]:
    """The names of all backends, whether they can run here or not.

    Examples
    --------
    >>> from multiscale_gcn.backends import backend_names
    >>> {"cupy", "numba", "python"} <= set(backend_names())
    True
    """
    files = (Path(__file__).parent / "engines").glob("*.py")
    return tuple(sorted(file.stem for file in files if file.stem not in ("__init__", "engine")))


def select_backend(backend: str = "auto") -> Backend:
    """Tell which coarsening backend will run. All return the same arrays, bit for bit.

    Parameters
    ----------
    backend : str
        ``"auto"``: the fastest that needs no device, which is ``"numba"``; ``coarsen`` matches
        the first small graphs of a process by ``"python"``, in less time than compiled code takes
        to load. ``"python"`` is the specification: slow, and always there.
        ``"cupy"`` runs on a CUDA device, and is taken only when asked for.
        :func:`~multiscale_gcn.backends.backend_names` lists all.

    Returns
    -------
    Backend

    Raises
    ------
    ValueError
        If there is no backend of that name.
    BackendUnavailable
        If it cannot run here.

    Examples
    --------
    >>> from multiscale_gcn import select_backend
    >>> select_backend().name
    'numba'
    """
    engine_for(backend)
    if backend == "auto":
        return Backend(DEFAULT, "compiled, all threads; all backends return the same arrays")
    return Backend(backend, "asked for")


def engine_for(backend: str, method: Any = None) -> Any:
    """The :class:`~multiscale_gcn.engines.engine.Engine` of a backend, which can run here.

    Parameters
    ----------
    backend : str
        As :func:`select_backend` takes it.
    method : MatchingOptions or ClusteringMethod, optional
        What it is to run.

    Raises
    ------
    ValueError
        If there is no backend of that name, or if it does not run the method.
    TypeError
        If its file holds no engine.
    BackendUnavailable
        If it cannot run here.
    """
    name = DEFAULT if isinstance(backend, str) and backend == "auto" else backend
    if not isinstance(name, str) or name not in backend_names():
        raise ValueError(f"backend = {shown(backend)} is none of {('auto', *backend_names())}")
    engine = _loaded(name)
    refusal = None if method is None else engine.refusal(method)
    if refusal:
        raise ValueError(f"backend = {backend!r} does not run {type(method).__name__}{refusal}")
    if name is backend:  # the default comes with the package
        engine.check()
    return engine


class Beginning:
    """What a process has asked for so far, while that is little.

    Compiled code takes seconds to make the first time, and a few tenths of one to load later; the
    specification has matched a graph of a few thousand nodes by then, with the same result.
    """

    def __init__(self) -> None:
        self.entries = 0

    def backend(self, asked: str, entries: int) -> str:
        """The backend for a graph of so many entries: "python" at first, if "auto" was asked for.

        Examples
        --------
        >>> from multiscale_gcn.backends import Beginning
        >>> process = Beginning()
        >>> process.backend("cupy", 10), process.backend("auto", 10**9)
        ('cupy', 'auto')
        """
        if not isinstance(asked, str) or asked != "auto":
            return asked
        if self.entries + entries > SPARED or KERNELS in sys.modules:
            return asked
        self.entries += entries
        return "python"


BEGINNING = Beginning()


@cache
def _loaded(name: str) -> Any:
    module = import_module(f"multiscale_gcn.engines.{name}")
    kinds = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and hasattr(value, "refusal")
    ]
    if len(kinds) != 1:
        raise TypeError(
            f"engines/{name}.py holds {len(kinds)} classes that derive from Engine; write one"
        )
    try:
        return kinds[0]()
    except TypeError as error:  # it is still abstract: the message names what is missing
        raise TypeError(f"engines/{name}.py: {error}; write it as Engine says") from None


def require(library: str, remedy: str) -> None:
    """Refuse to go on without a library.

    Raises
    ------
    BackendUnavailable
        With the remedy, if it is not installed.
    """
    if util.find_spec(library) is None:
        raise BackendUnavailable(f"{library} is not installed; {remedy}")


def require_cuda_device() -> None:
    """Refuse to go on unless CuPy finds a CUDA device.

    Raises
    ------
    BackendUnavailable
        With the cause and the remedy.
    """
    require("cupy", _INSTALL_CUPY)
    try:
        import cupy
    except ImportError as error:
        raise BackendUnavailable(f"cupy cannot be imported ({error}); {_INSTALL_CUPY}") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendUnavailable(
            f"cupy finds no CUDA device ({error}); it needs an NVIDIA GPU and a driver for the "
            f"CUDA version that cupy was built for: {_INSTALL_CUPY}"
        ) from error
    if count == 0:
        raise BackendUnavailable(
            "cupy finds no CUDA device (0 are visible); look at nvidia-smi and at "
            f"CUDA_VISIBLE_DEVICES, or take another backend. To install: {_INSTALL_CUPY}"
        )
