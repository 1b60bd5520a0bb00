"""Nearest triangles, against trimesh's nearest point of every triangle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surfaces import Mesh, both, hull, meshes, sheet

from multiscale_gcn.pyramids import closest
from multiscale_gcn.pyramids.closest import closest_on_triangles

trimesh = pytest.importorskip("trimesh", reason="optional: its nearest points")


def distances(points: np.ndarray, mesh: Mesh) -> np.ndarray:  # [n, F]
    """Of every point from every triangle."""
    n, m = len(points), len(mesh.faces)
    triangles = np.tile(mesh.vertices[mesh.faces], (n, 1, 1))
    repeated = np.repeat(points, m, axis=0)
    nearest = trimesh.triangles.closest_point(triangles, repeated)
    away: np.ndarray = np.linalg.norm(nearest - repeated, axis=1).reshape(n, m)
    return away


def search(points: np.ndarray, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    zero = np.zeros(len(points)), np.zeros(len(mesh.vertices))
    return closest_on_triangles(points, zero[0], mesh.vertices, mesh.faces, zero[1])


@given(meshes(), st.sampled_from(["around", "near", "vertices", "far"]), st.integers(0, 2**16))
def test_no_triangle_is_nearer(mesh: Mesh, where: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vertices = mesh.vertices[rng.integers(0, len(mesh.vertices), 12)]
    noise = rng.normal(size=(12, 3))
    scale = {"around": 1.0, "near": 0.05, "vertices": 0.0, "far": 100.0}[where]
    points = vertices + scale * noise
    triangle, weights = search(points, mesh)
    found = np.einsum("nk,nkd->nd", weights, mesh.vertices[mesh.faces[triangle]])
    expected = distances(points, mesh)
    np.testing.assert_allclose(
        np.linalg.norm(found - points, axis=1), expected.min(axis=1), atol=1e-7 * (1 + scale)
    )
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)


def test_triangles_of_very_different_sizes_are_all_found() -> None:
    """A large one beside a thousand small ones, whose middles are all nearer."""
    small = sheet(24, 24)
    places = np.concatenate(
        [small.vertices * 1e-3, [[-50, -40, 0.2], [50, -40, 0.2], [0, 60, 0.2]]]
    )
    mesh = Mesh(places, np.concatenate([small.faces, [[576, 577, 578]]]))
    points = np.array([[0.01, 0.01, 0.19], [0.01, 0.01, 0.01], [30.0, -30, 0]])
    triangle, _ = search(points, mesh)
    large = len(small.faces)
    assert [int(found) == large for found in triangle] == [True, False, True]


def test_only_triangles_of_the_same_part_count() -> None:
    one, other = hull(20, 0), hull(20, 1)
    mesh = Mesh(np.concatenate([one.vertices, other.vertices]), both(one, other).faces)
    part = np.repeat([0, 1], 20)
    triangle, _ = closest_on_triangles(mesh.vertices, 1 - part, mesh.vertices, mesh.faces, part)
    of_first = triangle < len(one.faces)
    np.testing.assert_array_equal(of_first, part == 1)


@pytest.mark.parametrize(
    ("corners", "point", "weights"),
    [
        ([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [0.5, 1, 0], [0.5, 0.5, 0.0]),
        ([[0, 0, 0], [0, 0, 0], [2, 0, 0]], [0.5, 1, 0], [0.75, 0, 0.25]),
        ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], [0, 0, 0], [1, 0, 0]),
    ],
)
def test_triangles_without_area_have_a_nearest_point(
    corners: list[list[int]], point: list[float], weights: list[float]
) -> None:
    mesh = Mesh(np.array(corners, float), np.array([[0, 1, 2]]))
    _, found = search(np.array([point]), mesh)
    np.testing.assert_allclose(found[0] @ mesh.vertices, np.array(weights) @ mesh.vertices)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh, points = hull(40, 0), hull(30, 1).vertices
    whole = search(points, mesh)
    monkeypatch.setattr(closest, "BLOCK", 7)
    for part, expected in zip(search(points, mesh), whole, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_the_plane_is_enough() -> None:
    mesh = sheet(3, 3, dimensions=2)
    triangle, weights = search(np.array([[0.5, 0.25], [9.0, 9.0]]), mesh)
    places = np.einsum("nk,nkd->nd", weights, mesh.vertices[mesh.faces[triangle]])
    np.testing.assert_allclose(places, np.array([[0.5, 0.25], [2, 2]]))
