"""Maps between scales that begin from where their nodes lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import real_number, whole_number
from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.nn.layer_checks import listed


class DistanceTransfer:
    """Dense maps between scales by distance: every node reads those near it in the other scale.

    Row i of the map is softmax_j(-|p_i - q_j| / l) over the nodes of the source, where p and q are
    positions: a mean that forgets nodes farther away than a few l. The scales need no hierarchy in
    common: joints of a skeleton and nodes of a coarsened mesh, for example. Positions that a mirror
    maps onto themselves give maps that it maps onto themselves.

    Parameters
    ----------
    positions : sequence of array of float, each of shape (N_k, d)
        Of the nodes of every scale, in one unit.
    length : float, optional
        l, in that unit. By default, for each pair of scales, the mean distance of a node of the
        source to the nearest other one.

    Raises
    ------
    ValueError
        For positions that are not finite or differ in d, a scale without nodes, a length that is
        not positive, or an unknown scale.
    TypeError
        For what is no sequence.

    See Also
    --------
    HierarchyTransfer : maps between scales from a hierarchy
    MultiScaleGCN : a network on several graphs

    Examples
    --------
    >>> import numpy as np
    >>> near, far = np.array([[0.0], [1.0]]), np.array([[0.0], [0.5], [9.0]])
    >>> transfer = DistanceTransfer([near, far], length=0.1)
    >>> transfer(1, 0).round(2).tolist()
    [[0.99, 0.01, 0.0], [0.01, 0.99, 0.0]]
    >>> transfer(0, 1).shape
    (3, 2)
    """

    def __init__(self, positions: Sequence[ArrayLike], length: float | None = None) -> None:
        self.positions: tuple[np.ndarray, ...] = tuple(
            _checked(places, f"positions[{k}]")
            for k, places in enumerate(listed(positions, "positions"))
        )
        for k, places in enumerate(self.positions):
            if places.shape[1] != self.positions[0].shape[1]:
                raise ValueError(
                    f"positions[{k}] has {places.shape[1]} coordinates, positions[0] has "
                    f"{self.positions[0].shape[1]}; give all scales as many"
                )
        self.length: float | None = (
            None if length is None else real_number(length, "length", above=0)
        )

    def __call__(self, source: int, target: int) -> np.ndarray:  # [N_target, N_source]
        of_source, of_target = self._places(source, "source"), self._places(target, "target")
        length = spacing(of_source) if self.length is None else self.length
        nearness = -_distances(of_target, of_source) / length
        weights = np.exp(nearness - nearness.max(axis=1, keepdims=True))
        shares: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
        return shares

    def _places(self, scale: int, name: str) -> np.ndarray:
        return self.positions[whole_number(scale, name, least=0, most=len(self.positions) - 1)]

    def __repr__(self) -> str:
        sizes = [len(places) for places in self.positions]
        return f"DistanceTransfer(sizes={sizes}, length={self.length})"


def spacing(
    positions: np.ndarray,  # [N, d]
) -> float:
    """Mean distance to the nearest other node; 1 where all lie in one place.

    Examples
    --------
    >>> import numpy as np
    >>> spacing(np.array([[0.0], [1.0], [4.0]]))
    1.6666666666666667
    """
    distances = _distances(positions, positions)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.min(axis=1)
    mean = float(nearest.mean())
    return mean if 0 < mean < np.inf else 1.0


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    distances: np.ndarray = np.linalg.norm(one[:, None] - other[None], axis=2)
    return distances


def _checked(values: Any, name: str) -> np.ndarray:
    places = real_array(values, name).astype(np.float64)
    if places.ndim != 2 or 0 in places.shape:
        raise ValueError(f"{name} has shape {places.shape}, expected (N, d): a row for each node")
    finite = np.isfinite(places).all(axis=1)
    if not finite.all():
        node = int(np.argmin(finite))
        raise ValueError(f"{name}[{node}] = {places[node].tolist()} must be finite")
    places.flags.writeable = False
    return places
