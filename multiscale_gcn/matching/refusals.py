"""What has no kernel for CUDA devices, and is refused rather than run elsewhere."""

from __future__ import annotations

from typing import Any

from multiscale_gcn.matching.methods import HeavyEdgeMatching
from multiscale_gcn.ratings import EdgeWeight, NormalizedAssociation, NormalizedCut


def check_cupy(method: Any) -> None:
    """Refuse what the backend "cupy" does not run, naming what does.

    Raises
    ------
    ValueError
        For a method in which each node waits for others.
    """
    if not isinstance(method, HeavyEdgeMatching):
        raise ValueError(
            f"backend = 'cupy' does not run {type(method).__name__}, in which each node waits for "
            "the ones before it; take HeavyEdgeMatching or backend='numba'"
        )


def rates_on_device(method: Any) -> bool:
    """Whether the kernels do all that the method does from level to level."""
    return isinstance(method, HeavyEdgeMatching) and isinstance(
        method.rating, EdgeWeight | NormalizedCut | NormalizedAssociation
    )
