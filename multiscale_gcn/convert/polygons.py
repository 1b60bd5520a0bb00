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


def fan_of_polygons(corners: np.ndarray, counts: np.ndarray) -> np.ndarray:  # [T, 3]
    """Triangles of such polygons, each with the first corner of its polygon."""
    counts = counts[counts > 0]
    ends = np.cumsum(counts)
    spokes = np.maximum(counts - 2, 0)
    first = np.repeat(ends - counts, spokes)
    within = np.arange(len(first)) - np.repeat(np.cumsum(spokes) - spokes, spokes)
    fan: np.ndarray = corners[np.stack([first, first + within + 1, first + within + 2], axis=1)]
    return fan


def fan_of_faces(faces: np.ndarray) -> np.ndarray:  # [F, K] -> [F * (K - 2), 3]
    fans = [faces[:, [0, k, k + 1]] for k in range(1, faces.shape[1] - 1)]
    return np.concatenate([np.empty((0, 3), dtype=np.int64), *fans])


def triangles_of_strip(corners: np.ndarray) -> np.ndarray:  # [T, 3]
    """Of triangle strips, as :func:`sides_of_strip` reads them."""
    three = np.stack([corners[:-2], corners[1:-1], corners[2:]], axis=1)
    whole: np.ndarray = three[(three != -1).all(axis=1)]
    return whole


def sides_of_strip(corners: np.ndarray) -> np.ndarray:  # [S, 2]
    """Of triangle strips, each a triangle for every three corners in a row; -1 begins another."""
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for strip in np.split(corners, np.flatnonzero(corners == -1)):
        strip = strip[strip != -1]
        if len(strip) >= 3:
            pairs += [np.stack([strip[:-k], strip[k:]], axis=1) for k in (1, 2)]
    return np.concatenate(pairs)
