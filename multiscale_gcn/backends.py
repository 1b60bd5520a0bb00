"""Which backend will run, and why: told before it runs, and never replaced silently."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import util

BACKENDS = ("python", "numba")


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
    backend : {"auto", "numba", "python"}
        ``"python"`` is the specification: slow, and always there.

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
    return Backend(backend, "asked for")
