"""Areas, lengths and cotangents of meshes, compared with formulas of angles and side lengths."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import Delaunay
from torch_geometric.data import Data

from multiscale_gcn import Graph, as_graph, coarsen
from multiscale_gcn.convert.surfaces import LEAST_COTANGENT

meshio = pytest.importorskip("meshio", reason="optional: meshes of many formats")
trimesh = pytest.importorskip("trimesh", reason="optional: meshes of trimesh")

SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
HALVES = np.array([[0, 1, 2], [0, 2, 3]])


def mesh_of(vertices: Any, faces: Any) -> SimpleNamespace:
    return SimpleNamespace(vertices=np.asarray(vertices, dtype=float), faces=np.asarray(faces))


def bumpy() -> Any:
    ball = trimesh.creation.icosphere(subdivisions=2)
    shaken = np.random.default_rng(1).normal(scale=0.15, size=ball.vertices.shape)
    return trimesh.Trimesh(ball.vertices + shaken, ball.faces, process=False)


def heron(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Area of a triangle, by the lengths of its sides."""
    x, y, z = math.dist(a, b), math.dist(b, c), math.dist(c, a)
    s = (x + y + z) / 2
    return math.sqrt(max(s * (s - x) * (s - y) * (s - z), 0.0))


def angle(at: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """By the law of cosines."""
    x, y, z = math.dist(at, one), math.dist(at, other), math.dist(one, other)
    return math.acos((x * x + y * y - z * z) / (2 * x * y))


def literal_areas(mesh: Any) -> np.ndarray:
    areas = np.zeros(len(mesh.vertices))
    for a, b, c in mesh.faces:
        for corner in (a, b, c):
            areas[corner] += heron(*mesh.vertices[[a, b, c]]) / 3
    return areas


def literal_cotangents(mesh: Any) -> dict[tuple[int, int], float]:
    weights: dict[tuple[int, int], float] = defaultdict(float)
    for face in mesh.faces.tolist():
        for k in range(3):
            p, u, v = face[k], face[(k + 1) % 3], face[(k + 2) % 3]
            opposite = angle(mesh.vertices[p], mesh.vertices[u], mesh.vertices[v])
            weights[min(u, v), max(u, v)] += 1 / math.tan(opposite) / 2
    return weights


def by_edge(graph: Graph) -> dict[tuple[int, int], float]:
    u, v = graph.edge_index().tolist()
    return dict(zip(zip(u, v, strict=True), graph.weights.tolist(), strict=True))


def test_areas_are_thirds_of_triangles() -> None:
    mesh = bumpy()
    graph = as_graph(mesh, node_weights="area")
    np.testing.assert_allclose(graph.node_weights, literal_areas(mesh), rtol=1e-9)
    assert graph.node_weights.sum() == pytest.approx(mesh.area)
    assert np.array_equal(graph.weights, np.ones(graph.num_entries))


def test_inverse_lengths() -> None:
    mesh = bumpy()
    for (u, v), weight in by_edge(as_graph(mesh, weights="inverse_length")).items():
        assert weight == pytest.approx(1 / math.dist(mesh.vertices[u], mesh.vertices[v]))


def test_cotangents_are_those_of_the_angles_and_never_below_the_least() -> None:
    mesh = bumpy()
    expected, found = literal_cotangents(mesh), by_edge(as_graph(mesh, weights="cotangent"))
    least = LEAST_COTANGENT * np.median([w for w in expected.values() if w > 0])
    assert any(weight < 0 for weight in expected.values())
    assert len(found) == 2 * len(expected)
    for (u, v), weight in expected.items():
        assert found[u, v] == pytest.approx(max(weight, least), rel=1e-6)
        assert found[u, v] == found[v, u]


@given(st.integers(0, 2**32 - 1), st.integers(5, 40))
def test_linear_functions_are_harmonic_on_a_delaunay_mesh(seed: int, count: int) -> None:
    points = np.random.default_rng(seed).random((count, 2))
    cells = Delaunay(points)
    graph = as_graph(mesh_of(points, cells.simplices), weights="cotangent")
    inner = np.setdiff1d(np.arange(count), cells.convex_hull)
    matrix = graph.to_scipy()
    for x in points.T:
        residual = matrix @ x - matrix.sum(axis=1) * x
        assert np.abs(residual[inner]).max(initial=0) < 1e-4 * graph.weights.max()


def test_right_angles_keep_the_diagonal_with_the_least_weight() -> None:
    weights = by_edge(as_graph(mesh_of(SQUARE, HALVES), weights="cotangent"))
    assert weights[0, 1] == 0.5
    assert weights[0, 2] == 0.5 * LEAST_COTANGENT


@pytest.mark.parametrize(
    ("faces", "expected"),
    [
        ([[0, 1, 2, 3]], [1 / 3, 1 / 6, 1 / 3, 1 / 6]),
        ([[1, 2, 3, 0]], [1 / 6, 1 / 3, 1 / 6, 1 / 3]),
    ],
)
def test_quads_are_fans_around_their_first_corner(faces: Any, expected: list[float]) -> None:
    graph = as_graph(mesh_of(SQUARE, faces), node_weights="area", weights="cotangent")
    np.testing.assert_allclose(graph.node_weights, expected)
    assert by_edge(graph).keys() == {(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2), (0, 3), (3, 0)}
    np.testing.assert_allclose(graph.weights, 0.5)


def test_a_hexagon_is_a_fan() -> None:
    turns = np.arange(6) * np.pi / 3
    corners = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    graph = as_graph(mesh_of(corners, [np.arange(6)]), node_weights="area")
    fan = mesh_of(corners, [[0, k, k + 1] for k in range(1, 5)])
    np.testing.assert_allclose(graph.node_weights, literal_areas(fan))


OPTIONS: list[dict[str, Any]] = [
    {"node_weights": "area"},
    {"weights": "cotangent"},
    {"weights": "inverse_length", "node_weights": "area"},
]


def same(found: Graph, expected: Graph) -> None:
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-3)
    np.testing.assert_allclose(found.node_weights, expected.node_weights, rtol=1e-3)


@pytest.mark.parametrize("options", OPTIONS)
def test_every_source_with_positions_says_the_same(options: dict[str, Any], tmp_path: Path) -> None:
    mesh = bumpy()
    expected = as_graph(mesh, **options)
    vertices, faces = np.array(mesh.vertices), np.array(mesh.faces)
    data = Data(face=torch.tensor(faces.T), pos=torch.tensor(vertices))
    sources: dict[str, Any] = {
        "meshio": meshio.Mesh(vertices, [("triangle", faces[:100]), ("triangle", faces[100:])]),
        "scene": trimesh.Scene(mesh),
        "data": data,
    }
    for suffix in ("ply", "off", "obj", "glb"):
        sources[suffix] = tmp_path / f"bumpy.{suffix}"
        digits: dict[str, Any] = {"digits": 15} if suffix in ("off", "obj") else {}
        mesh.export(sources[suffix], **digits)
    meshio.write_points_cells(tmp_path / "bumpy.vtu", vertices, [("triangle", faces)])
    sources["vtu"] = tmp_path / "bumpy.vtu"
    for name, source in sources.items():
        try:
            same(as_graph(source, **options), expected)
        except AssertionError as error:
            raise AssertionError(name) from error


def test_stl_and_welded_corners(tmp_path: Path) -> None:
    mesh = bumpy()
    mesh.export(tmp_path / "bumpy.stl")
    options: dict[str, Any] = {"weights": "cotangent", "node_weights": "area"}
    found = as_graph(tmp_path / "bumpy.stl", **options)
    corners = mesh_of(mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(960).reshape(-1, 3))
    welded = as_graph(corners, weld=0, **options)
    same(found, welded)
    areas = np.sort(literal_areas(mesh))
    np.testing.assert_allclose(np.sort(found.node_weights), areas, rtol=1e-3)


def test_triangles_that_welding_closes_up_are_none() -> None:
    apart = np.concatenate([SQUARE, [[1.0, 1.0, 1e-4]]])
    faces = [*HALVES.tolist(), [2, 4, 3]]
    graph = as_graph(mesh_of(apart, faces), weld=1e-2, node_weights="area", weights="cotangent")
    same(graph, as_graph(mesh_of(SQUARE, HALVES), node_weights="area", weights="cotangent"))


def test_strips_fans_and_polygons_of_files(tmp_path: Path) -> None:
    (tmp_path / "mixed.obj").write_text(
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 2 0 0\nf 1 2 3 4\nf 2 5 3\nl 1 5\n"
    )
    (tmp_path / "mixed.off").write_text(
        "OFF\n5 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n2 0 0\n4 0 1 2 3\n3 1 4 2\n"
    )
    (tmp_path / "strip.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nproperty float y\n"
        "property float z\nelement face 2\nproperty list uchar int vertex_indices\nend_header\n"
        "0 0 0\n1 0 0\n1 1 0\n0 1 0\n2 0 0\n4 0 1 2 3\n3 1 4 2\n"
    )
    expected = np.array([1 / 3, 1 / 6 + 1 / 6, 1 / 3 + 1 / 6, 1 / 6, 1 / 6])
    for name in ("mixed.obj", "mixed.off", "strip.ply"):
        graph = as_graph(tmp_path / name, node_weights="area")
        np.testing.assert_allclose(graph.node_weights, expected, err_msg=name)


def test_cells_that_are_no_surface_have_lengths_only() -> None:
    tetra = meshio.Mesh(np.vstack([np.zeros(3), np.eye(3)]), [("tetra", [[0, 1, 2, 3]])])
    lengths = by_edge(as_graph(tetra, weights="inverse_length"))
    assert lengths[0, 1] == 1.0
    assert lengths[1, 2] == pytest.approx(1 / math.sqrt(2))
    for options in OPTIONS[:2]:
        with pytest.raises(ValueError, match="is of a surface, and cells are no triangles"):
            as_graph(tetra, **options)


def test_lines_of_a_surface_have_no_area() -> None:
    cells = [("line", [[0, 1]]), ("vertex", [[0]]), ("quad", [[0, 1, 2, 3]])]
    graph = as_graph(meshio.Mesh(SQUARE, cells), node_weights="area", weights="cotangent")
    assert graph.node_weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("options", OPTIONS)
def test_faces_without_positions_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs the positions of the vertices, and faces alone"):
        as_graph(HALVES, kind="faces", **options)


@pytest.mark.parametrize(
    ("vertices", "faces", "options", "message"),
    [
        (SQUARE, HALVES, {"weights": "length"}, "'length' is neither 'cotangent' nor 'inverse_l"),
        (SQUARE, HALVES, {"node_weights": "mass"}, "'mass' must be 'area', or an array"),
        (SQUARE, HALVES, {"weights": [1.0]}, "weights does not go with this kind of source"),
        (
            [*SQUARE, [5, 5, 5]], HALVES, {"node_weights": "area"},
            r"vertex 4 has the area 0\.0.* take such vertices out",
        ),
        (
            [*SQUARE, [1, 1, 0]], [*HALVES, [2, 4, 3]], {"weights": "inverse_length"},
            "vertices 2 and 4 share an edge, and one over its length is inf; weld=0",
        ),
        (
            [*SQUARE, [2, 2, 0]], [*HALVES, [0, 2, 4]], {"weights": "cotangent"},
            r"triangle of vertices \[0, 2, 4\] has the area 0\.0, and no angles; take such",
        ),
        (
            [*SQUARE[:3], [0, np.nan, 0]], HALVES, {"node_weights": "area"},
            r"the positions\[3\] = .* is no position",
        ),
    ],
)  # fmt: skip
def test_meshes_without_such_weights_are_refused(
    vertices: Any, faces: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        as_graph(mesh_of(vertices, faces), **options)


def test_num_nodes_beyond_the_positions_is_refused() -> None:
    with pytest.raises(ValueError, match="num_nodes = 9 does not go with node_weights = 'area'"):
        as_graph(mesh_of(SQUARE, HALVES), node_weights="area", num_nodes=9)


def test_a_scale_of_the_mesh_scales_weights_and_changes_no_cluster() -> None:
    mesh = bumpy()
    large = trimesh.Trimesh(mesh.vertices * 8.0, mesh.faces, process=False)
    for weights in ("cotangent", "inverse_length"):
        small_graph = as_graph(mesh, node_weights="area", weights=weights)
        large_graph = as_graph(large, node_weights="area", weights=weights)
        np.testing.assert_array_equal(
            coarsen(small_graph, sizes=[20]).parent(0, -1),
            coarsen(large_graph, sizes=[20]).parent(0, -1),
        )
