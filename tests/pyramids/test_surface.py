"""What is read as a surface, and what is refused as none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from surfaces import Mesh, edge_counts, hull, is_surface, meshes, sheet
from torch_geometric.data import Data

from multiscale_gcn.pyramids.surface import Surface

meshio = pytest.importorskip("meshio", reason="optional: meshes of many formats")
trimesh = pytest.importorskip("trimesh", reason="optional: its meshes")

SQUARE = sheet(2, 2)


@given(meshes())
def test_edges_and_boundary_are_those_of_the_faces(mesh: Mesh) -> None:
    surface = Surface.of(mesh)
    counts = edge_counts(mesh.faces)
    assert list(map(tuple, surface.edges.tolist())) == sorted(counts)
    rim = {(min(a, b), max(a, b)): c for a, b, c in surface.boundary.tolist()}
    assert set(rim) == {edge for edge, count in counts.items() if count == 1}
    faces = {frozenset(face) for face in mesh.faces.tolist()}
    assert all(frozenset((*edge, third)) in faces for edge, third in rim.items())


@pytest.mark.parametrize(
    "mesh",
    [
        (SQUARE.vertices, SQUARE.faces),
        [SQUARE.vertices.tolist(), SQUARE.faces.tolist()],
        trimesh.Trimesh(*SQUARE, process=False),
        meshio.Mesh(SQUARE.vertices, [("vertex", [[0]]), ("triangle", SQUARE.faces)]),
        Data(pos=torch.tensor(SQUARE.vertices), face=torch.tensor(SQUARE.faces.T)),
        SimpleNamespace(
            vertices=torch.tensor(SQUARE.vertices), faces=SQUARE.faces.astype(np.uint8)
        ),
    ],
    ids=lambda mesh: type(mesh).__name__,
)
def test_meshes_of_all_sorts_are_read(mesh: Any) -> None:
    surface = Surface.of(mesh)
    np.testing.assert_array_equal(surface.vertices, SQUARE.vertices)
    np.testing.assert_array_equal(surface.triangles, SQUARE.faces)


def test_polygons_become_fans() -> None:
    places = np.array([[0, 0], [2, 0], [2, 1], [1, 2], [0, 1]])
    fan = [[0, 1, 2], [0, 2, 3], [0, 3, 4]]
    np.testing.assert_array_equal(Surface.of((places, [[0, 1, 2, 3, 4]])).triangles, fan)
    mixed = meshio.Mesh(places, [("quad", [[0, 1, 2, 3]]), ("polygon", [[0, 3, 4]])])
    np.testing.assert_array_equal(Surface.of(mixed).triangles, fan)


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".off", ".glb"])
def test_files_of_meshes_are_read(tmp_path: Path, suffix: str) -> None:
    mesh = hull(12, 0)
    path = tmp_path / f"mesh{suffix}"
    trimesh.Trimesh(*mesh, process=False).export(path)
    surface = Surface.of(path)
    np.testing.assert_allclose(surface.vertices, mesh.vertices, atol=1e-6)
    np.testing.assert_array_equal(surface.triangles, mesh.faces)
    path.with_suffix(".edges").write_text("0 1\n1 2\n")
    with pytest.raises(TypeError, match="as a mesh; give"):
        Surface.of(path.with_suffix(".edges"))


TRIANGLE = [[0, 1, 2]]
HULL = hull(8, 0)


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        ((SQUARE.vertices, [[0, 1, 1]]), r"the face \[0, 1, 1\] has a corner twice"),
        ((SQUARE.vertices, [[0, 1, 2], [2, 0, 1]]), r"the face \[0, 1, 2\] stands 2 times"),
        ((SQUARE.vertices, TRIANGLE), "vertex 3 stands in no face; leave it out, as trimesh's"),
        ((SQUARE.vertices, [[0, 1, 4]]), r"faces\[0, 2\] = 4 is not a node"),
        ((SQUARE.vertices, [[0, 1, -1]]), r"faces\[0, 2\] = -1 is not a node"),
        ((SQUARE.vertices, np.empty((0, 3), int)), "the mesh has no faces"),
        ((SQUARE.vertices, [[0, 1]]), r"faces must have shape \(F, 3\)"),
        ((SQUARE.vertices, [[0.0, 1.0, 2.0]]), "faces must hold integer node ids"),
        ((np.ones((3, 4)), TRIANGLE), r"vertices must have shape \(V, 2\) or \(V, 3\)"),
        ((np.ones(3), TRIANGLE), r"vertices must have shape \(V, 3\)"),
        (([[0, 0], [1, np.nan], [2, 2]], TRIANGLE), r"vertices\[1\] = \[1.0, nan\]"),
        (
            (np.eye(5)[:, :3], [[0, 1, 2], [1, 0, 3], [0, 1, 4]]),
            r"the edge \(0, 1\) stands in 3 faces, and an edge of a surface in one or two",
        ),
        (
            (np.eye(5)[:, :3], [[0, 1, 2], [0, 3, 4]]),
            "at vertex 0 2 parts of the mesh touch that have no edge in common",
        ),
    ],
)
def test_what_is_no_surface_is_refused_with_the_place(mesh: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Surface.of(mesh)


TETRAHEDRA = meshio.Mesh(np.eye(4)[:, :3], [("tetra", [[0, 1, 2, 3]])])
GRAPH = Data(edge_index=torch.tensor([[0, 1], [1, 0]]))


@pytest.mark.parametrize("mesh", [None, 3, [1, 2, 3], SQUARE.faces, object(), TETRAHEDRA, GRAPH])
def test_what_is_no_mesh_is_refused_with_a_remedy(mesh: Any) -> None:
    with pytest.raises(TypeError, match=r"cannot read a \w+ as a mesh; give \(vertices, faces\)"):
        Surface.of(mesh)


@given(meshes(), meshes())
def test_it_is_refused_just_where_a_link_is_no_circle_and_no_path(one: Mesh, other: Mesh) -> None:
    """Two meshes that were put together at a vertex or more."""
    shared = min(len(one.vertices), len(other.vertices)) // 2
    faces = np.concatenate([one.faces, other.faces + len(one.vertices) - shared])
    n = int(faces.max()) + 1
    distinct = len(np.unique(np.sort(faces, axis=1), axis=0)) == len(faces)
    try:
        Surface.of((np.ones((n, 3)), faces))
    except ValueError:
        assert not (distinct and is_surface(faces))
    else:
        assert distinct
        assert is_surface(faces)
