"""What has no kernel for CUDA devices, and is refused rather than run elsewhere."""

from __future__ import annotations

from typing import Any

from multiscale_gcn.constraints import Constraints
from multiscale_gcn.matching.methods import HeavyEdgeMatching


def check_cupy(method: Any, constraints: Constraints) -> None:
    """Refuse what the backend "cupy" does not run, naming what does.

    Raises
    ------
    ValueError
        For a method in which each node waits for others, and for a symmetry.
    """
    if not isinstance(method, HeavyEdgeMatching):
        raise ValueError(
            f"backend = 'cupy' does not run {type(method).__name__}, in which each node waits for "
            "the ones before it; take HeavyEdgeMatching or backend='numba'"
        )
    if constraints.symmetry is not None:
        raise ValueError(
            "backend = 'cupy' does not honour symmetry; leave it out or take backend='numba'"
        )
