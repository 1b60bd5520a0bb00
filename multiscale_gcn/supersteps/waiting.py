"""Nodes that pair with whoever waits where they come: at a hub, or among the isolated."""

from __future__ import annotations

import numpy as np

from multiscale_gcn.compiled.kernel import kernel


def pair_waiting(
    place: np.ndarray,
    weight: np.ndarray | None,
    survives: np.ndarray | None,
    limit: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Pair each node with the one that waits; of two that may not merge the lighter waits.

    Parameters
    ----------
    place : array of int64, shape (k,)
        Where each node comes: equal numbers stand together, in the order in which they come.
    weight : array of float64, shape (k,), optional
        None: all are alike, and no two are too heavy.
    survives : array of bool, shape (k,), optional
    limit : float

    Returns
    -------
    partner : array of int64, shape (k,)
        -1 without one.
    waits : array of bool, shape (k,)
        Who waits in the end, one at most at each place.
    """
    partner = np.full(len(place), -1, np.int64)
    waits = np.zeros(len(place), np.bool_)
    weight = np.zeros(len(place)) if weight is None else weight
    survives = np.zeros(len(place), np.bool_) if survives is None else survives
    _pair(place, weight, survives, limit, partner, waits)
    return partner, waits


@kernel()
def _pair(place, weight, survives, limit, partner, waits):
    waiting = -1
    for i in range(len(place)):
        if waiting >= 0 and place[waiting] != place[i]:
            waits[waiting] = True
            waiting = -1
        if waiting < 0:
            waiting = i
        elif weight[waiting] + weight[i] <= limit and not (survives[waiting] and survives[i]):
            partner[waiting], partner[i] = i, waiting
            waiting = -1
        elif weight[i] < weight[waiting]:
            waiting = i
    if waiting >= 0:
        waits[waiting] = True


def places(*keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An order in which equal keys stand together as they came, and numbers of the places."""
    order = np.lexsort(keys[::-1])
    new = np.zeros(len(order), np.bool_)
    for key in keys:
        new[1:] |= key[order][1:] != key[order][:-1]
    return order, np.cumsum(new)
