"""Which backend will run, and why: told before it runs, and never replaced silently."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import util

BACKENDS = ("python", "numba", "cupy")


_INSTALL_CUPY = "pip install multiscale-gcn[cuda13], or [cuda12] for a driver of CUDA 12"


class BackendUnavailable(RuntimeError):
    """The backend that was asked for cannot run here; the message says why and what helps."""


@dataclass(frozen=True)
class Backend:
    """A backend and the reason why it was selected."""

    name: str
    reason: str


def select_backend(backend: str = "auto") -> Backend:
    """Tell which coarsening backend will run.

    Parameters
    ----------
    backend : {"auto", "numba", "cupy", "python"}
        ``"python"`` is the specification: slow, and always there. ``"cupy"`` runs on a CUDA
        device, and is taken only when asked for.

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
    if backend == "auto":
        return Backend("numba", "compiled, all threads; all backends return the same arrays")
    if backend not in BACKENDS:
        raise ValueError(f"backend = {backend!r} is none of {('auto', *BACKENDS)}")
    if backend == "numba" and util.find_spec("numba") is None:
        raise BackendUnavailable("numba is not installed; pip install numba")
    if backend == "cupy":
        check_cupy()
    return Backend(backend, "asked for")


def check_cupy() -> None:
    """Raise BackendUnavailable, with the remedy, unless CuPy finds a CUDA device."""
    if util.find_spec("cupy") is None:
        raise BackendUnavailable(f"cupy is not installed; {_INSTALL_CUPY}")
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
