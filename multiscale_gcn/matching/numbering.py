"""Coarse ids of the pairs of a matching."""

from __future__ import annotations

from typing import Any

import numpy as np


def number_pairs(
    mate: Any,  # [n]
) -> Any:  # [n]
    """Number the pairs, and the nodes without a mate, by their first members.

    What :meth:`Matching.parents` says, as a loop that backends may compile.
    """
    parent = np.empty_like(mate)
    count = 0
    for u in range(len(mate)):
        if mate[u] < u:
            parent[u] = parent[mate[u]]
        else:
            parent[u] = count
            count += 1
    return parent
