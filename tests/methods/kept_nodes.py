"""What the tests of methods that keep nodes ask of a level."""

from __future__ import annotations

import numpy as np

from multiscale_gcn import Hierarchy


def chosen(hierarchy: Hierarchy, level: int = 0) -> list[int]:
    """The nodes of a level that the next one keeps."""
    sampled = hierarchy[level].sampled
    assert sampled is not None
    return [int(u) for u in sampled]


def leaders(hierarchy: Hierarchy, level: int = 0) -> list[int]:
    """The kept node that every node of a level belongs to."""
    return [chosen(hierarchy, level)[c] for c in hierarchy.parent(level, level + 1)]


def interpolation(hierarchy: Hierarchy, level: int = 0) -> np.ndarray:
    """As a dense matrix."""
    matrix = hierarchy[level].interpolation
    assert matrix is not None
    return np.asarray(matrix.toarray())
