"""The mesh of the channel: its triangles fill it, and none is a sliver."""

import numpy as np
import pytest

from examples.mesh_flow.channel import (
    CYLINDER,
    CYLINDERS,
    HEIGHT,
    INLET,
    INNER,
    LENGTH,
    OUTLET,
    WALL,
    channel,
)
from multiscale_gcn import as_graph

MESH = channel(spacing=0.05)


def corners():
    return MESH.positions[MESH.triangles]


def areas():
    a, b, c = np.moveaxis(corners(), 1, 0)
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    return np.abs(ux * vy - uy * vx) / 2


def test_triangles_fill_the_channel_around_the_cylinders():
    free = LENGTH * HEIGHT
    for _, _, radius in CYLINDERS:  # as a polygon
        count = max(8, round(2 * np.pi * radius / 0.05))
        free -= count / 2 * radius**2 * np.sin(2 * np.pi / count)
    assert areas().sum() == pytest.approx(free, rel=1e-12)
    assert areas().min() > 0


def test_no_triangle_is_a_sliver():
    edges = np.linalg.norm(corners() - np.roll(corners(), 1, axis=1), axis=2)
    assert (edges.max(axis=1) / edges.min(axis=1)).max() < 3
    assert edges.min() > 0.02


def test_nodes_know_what_they_are():
    x, y = MESH.positions.T
    assert np.array_equal(MESH.kind == INLET, x == 0)
    assert np.array_equal(MESH.kind == OUTLET, x == LENGTH)
    walls = ((y == 0) | (y == HEIGHT)) & (x > 0) & (x < LENGTH)
    assert np.array_equal(MESH.kind == WALL, walls)
    for number, (cx, cy, radius) in enumerate(CYLINDERS):
        on = np.isclose(np.hypot(x - cx, y - cy), radius, rtol=1e-9)
        assert np.array_equal(MESH.kind == CYLINDER + number, on)
    assert (MESH.kind == INNER).sum() > len(x) / 2


def test_the_mesh_is_one_piece_and_the_same_again():
    import scipy.sparse.csgraph as csgraph

    graph = as_graph(MESH.triangles, kind="faces")
    assert csgraph.connected_components(graph.to_scipy(), directed=False)[0] == 1
    again = channel(spacing=0.05)
    assert np.array_equal(again.positions, MESH.positions)
    assert np.array_equal(again.triangles, MESH.triangles)
