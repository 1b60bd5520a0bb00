"""Meshes for the tests of pyramids, and what is looked up in them by definition."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import NamedTuple

import networkx as nx
import numpy as np
from hypothesis import strategies as st
from scipy.spatial import ConvexHull


class Mesh(NamedTuple):
    vertices: np.ndarray
    faces: np.ndarray


def hull(n: int, seed: int) -> Mesh:
    """Closed, all vertices used, and its faces turned this way and that."""
    points = np.random.default_rng(seed).normal(size=(n, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return Mesh(points, ConvexHull(points).simplices.astype(np.int64))


def ball(n: int, seed: int) -> Mesh:
    """Closed, shaken, and all faces turned outwards."""
    points, faces = hull(n, seed)
    inwards = np.linalg.det(points[faces]) < 0
    faces[inwards] = faces[inwards][:, ::-1]
    shake = np.random.default_rng(seed).normal(scale=0.03, size=points.shape)
    return Mesh(points * [1, 0.6, 1.7] + shake, faces)


def sheet(rows: int, columns: int, seed: int | None = None, dimensions: int = 3) -> Mesh:
    """A grid with a boundary; without a seed flat and on whole numbers."""
    ids = np.arange(rows * columns).reshape(rows, columns)
    lower = np.stack([ids[:-1, :-1], ids[1:, :-1], ids[1:, 1:]], axis=-1).reshape(-1, 3)
    upper = np.stack([ids[:-1, :-1], ids[1:, 1:], ids[:-1, 1:]], axis=-1).reshape(-1, 3)
    places = np.zeros((rows * columns, dimensions))
    places[:, :2] = np.stack(np.divmod(np.arange(rows * columns), columns), axis=1)
    if seed is not None:
        places += np.random.default_rng(seed).normal(scale=0.15, size=places.shape)
    return Mesh(places, np.concatenate([lower, upper]))


def wound(rows: int, columns: int, seed: int, *, twist: bool, closed: bool) -> Mesh:
    """A band of which the ends meet, with a half twist a Moebius band; or a torus."""
    sheet_places, faces = sheet(rows, columns, seed)
    around = sheet_places[:, 1] * 2 * np.pi / columns
    across = sheet_places[:, 0] * (2 * np.pi / rows if closed else 1 / rows)
    if closed:
        radius, height = 3 + np.cos(across), np.sin(across)
    else:
        lean = around / 2 if twist else np.zeros_like(around)
        width = across - 0.5 + 0.5 / rows
        radius = 3 + width * np.cos(lean)
        height = width * np.sin(lean) + sheet_places[:, 2]
    places = np.stack([radius * np.cos(around), radius * np.sin(around), height], axis=1)
    ids = np.arange(rows * columns).reshape(rows, columns)
    last, first = ids[:, -1], ids[::-1, 0] if twist else ids[:, 0]
    seams = [faces, _strip(last, first)]
    if closed:
        ring = np.append(np.arange(columns), 0)
        seams.append(_strip(ids[-1][ring], ids[0][ring])[:, ::-1])
    return Mesh(places, np.concatenate(seams))


def _strip(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    lower = np.stack([left[:-1], left[1:], right[1:]], axis=1)
    upper = np.stack([left[:-1], right[1:], right[:-1]], axis=1)
    return np.concatenate([lower, upper])


def both(one: Mesh, other: Mesh) -> Mesh:
    """Two parts that share nothing."""
    places = np.concatenate([one.vertices, other.vertices + np.array([5, 0, 0])])
    return Mesh(places, np.concatenate([one.faces, other.faces + len(one.vertices)]))


def meshes() -> st.SearchStrategy[Mesh]:
    seeds = st.integers(0, 2**16)
    few = st.integers(3, 6)
    hulls = st.builds(hull, st.integers(6, 40), seeds)
    sheets = st.builds(sheet, few, few, seeds)
    return st.one_of(
        hulls,
        st.builds(ball, st.just(40), seeds),
        sheets,
        st.builds(wound, few, few, seeds, twist=st.just(False), closed=st.just(True)),
        st.builds(wound, few, few, seeds, twist=st.booleans(), closed=st.just(False)),
        st.builds(both, hulls, sheets),
    )


def edge_counts(faces: np.ndarray) -> Counter[tuple[int, int]]:
    """In how many faces each edge stands."""
    return Counter(pair for face in faces.tolist() for pair in combinations(sorted(face), 2))


def is_surface(faces: np.ndarray) -> bool:
    """Whether the link of every vertex is one circle or one path."""
    links: dict[int, nx.MultiGraph] = {}
    for face in faces.tolist():
        for k in range(3):
            link = links.setdefault(face[k], nx.MultiGraph())
            link.add_edge(face[k - 2], face[k - 1])
    return all(
        nx.is_connected(link)
        and max(dict(link.degree()).values()) <= 2
        and not any(link.number_of_edges(a, b) > 1 for a, b in link.edges())
        for link in links.values()
    )


def topology(faces: np.ndarray) -> tuple[int, int, int]:
    """Euler's characteristic, the number of parts, and that of boundary curves."""
    edges = edge_counts(faces)
    vertices = {vertex for edge in edges for vertex in edge}
    rim = nx.Graph([edge for edge, count in edges.items() if count == 1])
    parts = nx.number_connected_components(nx.Graph(list(edges)))
    return (
        len(vertices) - len(edges) + len(faces),
        parts,
        nx.number_connected_components(rim),
    )
