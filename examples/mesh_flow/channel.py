"""A channel with cylinders in it, as a mesh of triangles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import Delaunay, cKDTree

LENGTH, HEIGHT = 2.0, 1.0
"""Of the channel, without units."""
CYLINDERS = ((0.45, 0.35, 0.12), (0.80, 0.68, 0.10), (1.20, 0.32, 0.14), (1.55, 0.70, 0.09))
"""Centre and radius of each."""
INNER, INLET, OUTLET, WALL, CYLINDER = range(5)
"""What a node is; the first cylinder's nodes are CYLINDER, the next one's CYLINDER + 1, ..."""


@dataclass(frozen=True, eq=False)
class Channel:
    """The mesh.

    Attributes
    ----------
    positions : array of float64, shape (n, 2)
    triangles : array of int64, shape (F, 3)
    kind : array of int64, shape (n,)
        What each node is.
    """

    positions: np.ndarray
    triangles: np.ndarray
    kind: np.ndarray


def channel(spacing: float, seed: int = 0) -> Channel:
    """Nodes about ``spacing`` apart: on all edges evenly, and inside relaxed at random.

    Parameters
    ----------
    spacing : float
    seed : int
        Of the first places of the nodes inside.

    Examples
    --------
    >>> mesh = channel(spacing=0.1)
    >>> len(mesh.positions), len(mesh.triangles)
    (259, 431)
    """
    edge, kind = _edges(spacing)
    area = LENGTH * HEIGHT - sum(np.pi * radius**2 for _, _, radius in CYLINDERS)
    count = round(area / (np.sqrt(3) / 2 * spacing**2)) - len(edge) // 2
    rng = np.random.default_rng(seed)
    inner = np.empty((0, 2))
    while len(inner) < count:
        drawn = rng.uniform((0, 0), (LENGTH, HEIGHT), (4 * count, 2))
        inner = np.concatenate([inner, drawn[_is_inside(drawn, spacing / 2)]])
    inner = _relaxed(inner[:count], edge, spacing)
    positions = np.concatenate([edge, inner])
    triangles = Delaunay(positions).simplices.astype(np.int64)
    triangles = triangles[_is_inside(positions[triangles].mean(axis=1), 0.0)]
    used = np.unique(triangles)
    new = np.zeros(len(positions), dtype=np.int64)
    new[used] = np.arange(len(used))
    kind = np.concatenate([kind, np.full(len(inner), INNER)])
    return Channel(positions[used], new[triangles], kind[used])


def _edges(spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes on the rectangle and the cylinders, and what they are."""
    across = np.linspace(0, HEIGHT, round(HEIGHT / spacing) + 1)
    along = np.linspace(0, LENGTH, round(LENGTH / spacing) + 1)[1:-1]
    parts = [
        (np.stack([np.zeros_like(across), across], axis=1), INLET),
        (np.stack([np.full_like(across, LENGTH), across], axis=1), OUTLET),
        (np.stack([along, np.zeros_like(along)], axis=1), WALL),
        (np.stack([along, np.full_like(along, HEIGHT)], axis=1), WALL),
    ]
    for number, (x, y, radius) in enumerate(CYLINDERS):
        count = max(8, round(2 * np.pi * radius / spacing))
        angle = 2 * np.pi * np.arange(count) / count
        circle = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)
        parts.append((circle, CYLINDER + number))
    positions = np.concatenate([part for part, _ in parts])
    kind = np.concatenate([np.full(len(part), what) for part, what in parts])
    return positions, kind


def _is_inside(points: np.ndarray, margin: float) -> np.ndarray:
    """Whether each point is in the channel and in no cylinder, so far from both at least."""
    far = np.array([LENGTH, HEIGHT]) - margin
    inside: np.ndarray = np.all((points > margin) & (points < far), axis=1)
    for x, y, radius in CYLINDERS:
        inside &= np.hypot(points[:, 0] - x, points[:, 1] - y) > radius + margin
    return inside


def _relaxed(inner: np.ndarray, edge: np.ndarray, spacing: float) -> np.ndarray:
    """Neighbours push each other apart, until they stand about ``spacing`` from each other."""
    for _ in range(60):
        points = np.concatenate([edge, inner])
        distance, neighbour = cKDTree(points).query(inner, k=7)
        distance = np.maximum(distance[:, 1:, None], 1e-9)
        away = (inner[:, None] - points[neighbour[:, 1:]]) / distance
        push = np.maximum(1.2 * spacing - distance, 0)
        moved = inner + 0.2 * (away * push).sum(axis=1)
        inner = np.where(_is_inside(moved, 0.4 * spacing)[:, None], moved, inner)
    return inner
