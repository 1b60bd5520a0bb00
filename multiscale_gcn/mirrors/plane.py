"""The plane that a mesh is most nearly its own reflection in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

SAMPLED = 500
"""So many vertices tell good candidates from bad ones, and fit these."""
FITTED = 6
"""So many of the best candidates are fitted."""
STEPS = 30
"""Of fitting; each looks anew at which vertices belong together."""
ALIKE = 0.05
"""Two vertices may be images of each other if their distances from the centre differ by so much."""
PARTNERS = 60
"""Of a far vertex, so many are tried as its image."""
MOSTLY = 0.75
"""A plane that so many vertices lie on is the surface itself, and no mirror."""
DIGITS = 6
"""Of scores; with fewer differences the earlier candidate is taken."""
ROUND_OFF = 1e-9
"""Relative to the mesh: so little off an axis is on it."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Where ``points @ normal`` equals ``offset``; the normal is a unit vector."""

    normal: np.ndarray  # [d]
    offset: float

    def heights(self, points: np.ndarray) -> np.ndarray:  # [n]
        heights: np.ndarray = points @ self.normal - self.offset
        return heights

    def reflected(self, points: np.ndarray) -> np.ndarray:  # [n, d]
        reflected: np.ndarray = points - 2.0 * self.heights(points)[:, None] * self.normal
        return reflected


def best_plane(
    points: np.ndarray,  # [n, d]
    normal: np.ndarray | None,
    offset: float | None,
    tolerance: float,
) -> Plane:
    """The plane in which the reflected points lie nearest to the points; fitted as far as it is
    not given."""
    if normal is not None and offset is not None:
        return Plane(normal, offset)
    search = _Search(points, tolerance, normal)
    candidates = _across(points, normal) if normal is not None else _candidates(points)
    sample = np.linspace(0, len(points) - 1, min(SAMPLED, len(points))).astype(np.int64)
    rough = [search.score(plane, points[sample]) for plane in candidates]
    best = np.argsort(rough, kind="stable")[:FITTED]
    fitted = [search.fitted(candidates[k], points[sample]) for k in np.sort(best)]
    return search.fitted(min(fitted, key=lambda plane: search.score(plane, points)), points)


class _Search:
    def __init__(self, points: np.ndarray, tolerance: float, normal: np.ndarray | None) -> None:
        self.points = points
        self.tree = cKDTree(points)
        self.tolerance = tolerance
        self.normal = normal
        self.size = float(np.linalg.norm(np.ptp(points, axis=0)))

    def score(self, plane: Plane, points: np.ndarray) -> float:
        """From 0, where all reflected points lie on others, to 1; those far off count little."""
        if self.normal is None:
            near = 2.0 * np.abs(plane.heights(points)) <= self.tolerance
            if near.mean() > MOSTLY:
                return np.inf
        apart = self.tree.query(plane.reflected(points))[0]
        return round(float((apart / (apart + self.tolerance)).mean()), DIGITS)

    def fitted(self, plane: Plane, points: np.ndarray) -> Plane:
        """The plane that suits these points and those next to their reflections best, again and
        again."""
        for _ in range(STEPS):
            apart, nearest = self.tree.query(plane.reflected(points))
            kept = apart <= max(2.0 * float(np.median(apart)), self.tolerance)
            better = self._least_squares(points[kept], self.points[nearest[kept]])
            moved = np.abs(better.normal - plane.normal).max() * self.size
            moved += abs(better.offset - plane.offset)
            plane = better
            if moved <= ROUND_OFF * self.size:
                break
        return self._on_the_axes(plane)

    def _least_squares(self, points: np.ndarray, images: np.ndarray) -> Plane:
        """Of all planes that with the least sum of squares between images and reflections."""
        normal = self.normal
        middle = (points.mean(axis=0) + images.mean(axis=0)) / 2
        if normal is None:
            product = (points - middle).T @ (images - middle)
            normal = _turned(np.linalg.eigh(product + product.T)[1][:, 0])
        return Plane(normal, float(middle @ normal))

    def _on_the_axes(self, plane: Plane) -> Plane:
        normal, offset = plane.normal, plane.offset
        axis = np.zeros_like(normal)
        axis[np.abs(normal).argmax()] = 1.0
        if self.normal is None and np.abs(normal - axis).max() <= ROUND_OFF:
            normal = axis
        if abs(offset) <= ROUND_OFF * self.size:
            offset = 0.0
        return Plane(normal, offset)


def _across(points: np.ndarray, normal: np.ndarray) -> list[Plane]:
    """Through the origin, the middle and the mean of the points."""
    heights = points @ normal
    middle = (heights.min() + heights.max()) / 2
    return [Plane(normal, float(offset)) for offset in (0.0, middle, heights.mean())]


def _candidates(points: np.ndarray) -> list[Plane]:
    """Planes through the centre: across the axes, across the principal ones, and those that
    reflect a far vertex to another that is as far."""
    centre = points.mean(axis=0)
    arms = points - centre
    normals = [*np.eye(points.shape[1]), *np.linalg.eigh(arms.T @ arms)[1].T]
    lengths = np.linalg.norm(arms, axis=1)
    for far in _farthest(arms):
        differs = np.abs(lengths - lengths[far])
        alike = np.flatnonzero(differs <= ALIKE * lengths[far])
        alike = alike[np.argsort(differs[alike], kind="stable")][:PARTNERS]
        across = arms[far] - arms[alike]
        width = np.linalg.norm(across, axis=1)
        normals += [*(across[width > 0] / width[width > 0, None])]
    return [Plane(_turned(normal), float(centre @ _turned(normal))) for normal in normals]


def _farthest(arms: np.ndarray) -> list[int]:
    """The point farthest from the centre, then that farthest from the line to it, and so on: not
    all of them lie on the mirror."""
    chosen: list[int] = []
    left = arms.copy()
    for _ in range(arms.shape[1]):
        lengths = np.linalg.norm(left, axis=1)
        far = int(lengths.argmax())
        if lengths[far] == 0:
            break
        chosen.append(far)
        along = left[far] / lengths[far]
        left = left - (left @ along)[:, None] * along
    return chosen


def _turned(normal: np.ndarray) -> np.ndarray:
    """Of the two directions that with its largest coordinate positive."""
    return normal if normal[np.abs(normal).argmax()] > 0 else -normal
