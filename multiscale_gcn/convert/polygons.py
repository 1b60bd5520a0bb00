"""Polygons and strips to pairs of corners."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Sides = Sequence[tuple[int, int]]


def polygon_sides(corners: int) -> Sides:
    return [(i, (i + 1) % corners) for i in range(corners)]


def sides_of_polygons(corners: np.ndarray, counts: np.ndarray) -> np.ndarray:  # [S, 2]
    """Of polygons with ``counts[i]`` corners each, one behind the other."""
    counts = counts[counts > 0]
    following = np.arange(1, len(corners) + 1)
    ends = np.cumsum(counts)
    following[ends - 1] = ends - counts
    return np.stack([corners, corners[following]], axis=1)


def sides_of_faces(faces: np.ndarray) -> np.ndarray:  # [F, K] -> [F * K, 2]
    return np.concatenate([faces[:, list(side)] for side in polygon_sides(faces.shape[1])])


def sides_of_strip(corners: np.ndarray) -> np.ndarray:  # [S, 2]
    """Of triangle strips, each a triangle for every three corners in a row; -1 begins another."""
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for strip in np.split(corners, np.flatnonzero(corners == -1)):
        strip = strip[strip != -1]
        if len(strip) >= 3:
            pairs += [np.stack([strip[:-k], strip[k:]], axis=1) for k in (1, 2)]
    return np.concatenate(pairs)
