"""Pyramids of meshes: their levels, the maps between them, and their files."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surfaces import Mesh, ball, both, edge_counts, hull, meshes, sheet

from multiscale_gcn import CoarseningStalled, Hierarchy, MeshPyramid, coarsen, mesh_pyramid
from multiscale_gcn.nn import HierarchyTransfer
from multiscale_gcn.pyramids.making import MOST

trimesh = pytest.importorskip("trimesh", reason="optional: its nearest points and its solids")

BALL = ball(162, 0)
SIZES = [60, 25, 10]


@st.composite
def pyramids(draw: st.DrawFn, placements: tuple[str, ...] = ("subset", "optimal")) -> MeshPyramid:
    mesh = draw(meshes())
    placement: Any = draw(st.sampled_from(placements))
    sizes = draw(st.sets(st.integers(3, len(mesh.vertices)), min_size=1, max_size=3))
    try:
        pyramid: Hierarchy = mesh_pyramid(mesh, sizes, placement=placement)
    except CoarseningStalled as stalled:
        pyramid = stalled.hierarchy
    assert isinstance(pyramid, MeshPyramid)
    return pyramid


@given(meshes(), st.data(), st.sampled_from(["subset", "optimal"]))
def test_levels_have_the_sizes_that_were_asked_for(mesh: Mesh, data, placement: Any) -> None:
    n = len(mesh.vertices)
    sizes = data.draw(st.lists(st.integers(3, n), min_size=1, max_size=4))
    wanted = sorted({*sizes, n}, reverse=True)
    try:
        assert mesh_pyramid(mesh, sizes, placement=placement).sizes == tuple(wanted)
    except CoarseningStalled as stalled:
        reached = stalled.hierarchy.sizes
        assert list(reached) == wanted[: len(reached)]
        fewest = int(str(stalled).split(" vertices:")[0].rpartition(" ")[2])
        assert wanted[len(reached)] < fewest
        again = mesh_pyramid(mesh, [fewest], placement=placement)
        assert again.sizes[-1] == fewest


@given(pyramids())
def test_graphs_are_those_of_the_meshes(pyramid: MeshPyramid) -> None:
    for level, vertices, faces in zip(pyramid, pyramid.vertices, pyramid.faces, strict=True):
        assert len(vertices) == level.num_nodes
        ids = level.graph.edge_index()
        edges = {(int(a), int(b)) for a, b in ids.T if a < b}
        assert edges == set(edge_counts(faces))
        assert level.graph.num_entries == 2 * len(edges)
        assert (level.graph.weights == 1).all()
        members = np.bincount(pyramid.parent(0, level.index), minlength=level.num_nodes)
        np.testing.assert_array_equal(level.graph.node_weights, members)


@given(pyramids())
def test_faces_are_those_of_the_finest_mesh_after_all_merges(pyramid: MeshPyramid) -> None:
    for k, faces in enumerate(pyramid.faces):
        np.testing.assert_array_equal(faces, pyramid.coarse_faces(pyramid.faces[0], k))


@given(pyramids(("subset",)))
def test_a_subset_is_sampled(pyramid: MeshPyramid) -> None:
    finest = pyramid.vertices[0]
    for k, vertices in enumerate(pyramid.vertices):
        np.testing.assert_array_equal(pyramid.coarse_positions(finest, k, "sampled"), vertices)
        down = pyramid.restriction(0, k, "sampled")
        up = pyramid.prolongation(k, 0, "interpolated")
        np.testing.assert_array_equal((down @ up).toarray(), np.eye(len(vertices)))
        assert (np.diff(down.indices) > 0).all()  # vertices keep their order


@given(pyramids())
def test_rows_of_the_interpolation_are_barycentric_weights_of_the_nearest_point(pyramid) -> None:
    for level in pyramid.levels[:-1]:
        k = level.index
        up = level.interpolation
        assert up.data.min() > 0
        np.testing.assert_allclose(up.sum(axis=1), 1, atol=1e-12)
        faces = {frozenset(face) for face in pyramid.faces[k + 1].tolist()}
        rows = np.split(up.indices, up.indptr[1:-1])
        assert all(any(set(row.tolist()) <= face for face in faces) for row in rows)

        fine, coarse = pyramid.vertices[k], pyramid.vertices[k + 1]
        corners = coarse[pyramid.faces[k + 1]]
        n, m = len(fine), len(corners)
        repeated = np.repeat(fine, m, axis=0)
        nearest = trimesh.triangles.closest_point(np.tile(corners, (n, 1, 1)), repeated)
        away = np.linalg.norm(nearest - repeated, axis=1).reshape(n, m)
        away[_parts(pyramid, k)[:, None] != _parts(pyramid, k + 1)[pyramid.faces[k + 1][:, 0]]] = (
            np.inf
        )
        found = np.linalg.norm(up @ coarse - fine, axis=1)
        np.testing.assert_allclose(found, away.min(axis=1), atol=1e-7)


def _parts(pyramid: MeshPyramid, k: int) -> np.ndarray:
    """The smallest vertex of the finest mesh in the part of every vertex."""
    graph = nx.Graph(list(edge_counts(pyramid.faces[0])))
    of_finest = {v: min(part) for part in nx.connected_components(graph) for v in part}
    result = np.empty(pyramid.sizes[k], dtype=int)
    for vertex, coarse in enumerate(pyramid.parent(0, k)):
        result[coarse] = of_finest[vertex]
    return result


def test_watertight_in_watertight_out() -> None:
    """As trimesh sees it, with its orientation and volume."""
    cases: list[tuple[Any, float]] = [("subset", 0.7), ("optimal", 0.9)]
    for placement, least in cases:
        pyramid = mesh_pyramid(BALL, [60, 25], placement=placement)
        made = [
            trimesh.Trimesh(vertices, faces, process=False)
            for vertices, faces in zip(pyramid.vertices, pyramid.faces, strict=True)
        ]
        assert all(mesh.is_watertight and mesh.is_winding_consistent for mesh in made)
        assert least < made[1].volume / made[0].volume < 1.05


def test_optimal_places_come_nearer_than_a_subset() -> None:
    mesh = hull(300, 0)
    lost = []
    for pyramid in (mesh_pyramid(mesh, [75], placement="optimal"), mesh_pyramid(mesh, [75])):
        back = pyramid.prolongation(1, 0, "interpolated") @ pyramid.vertices[1]
        lost.append(np.linalg.norm(back - mesh.vertices, axis=1).mean())
    assert lost[0] < 0.8 * lost[1]


def test_parts_stay_apart_even_where_they_touch() -> None:
    inner = hull(40, 0)
    mesh = Mesh(np.concatenate([inner.vertices] * 2), both(inner, inner).faces)
    pyramid = mesh_pyramid(mesh, [20])
    first = np.arange(80) < 40
    crossing = pyramid.prolongation(1, 0, "interpolated")[first][:, ~first[pyramid[0].sampled]]
    assert crossing.nnz == 0
    assert pyramid[1].graph.num_nodes == 20


def test_it_goes_where_a_hierarchy_goes() -> None:
    pyramid = mesh_pyramid(BALL, SIZES)
    assert HierarchyTransfer(pyramid, [0, 1, 3]) is not None
    waves = np.sin(3 * BALL.vertices)
    best = pyramid.least_squares(waves, 0, 1, "interpolated")
    up = pyramid.prolongation(1, 0, "interpolated")
    sampled = pyramid.restrict(waves, 0, 1, "sampled")
    assert np.square(up @ best - waves).sum() < np.square(up @ sampled - waves).sum()
    assert type(MeshPyramid.from_parents(pyramid[3].graph, [np.zeros(10, int)])) is Hierarchy


def test_the_same_mesh_makes_the_same_pyramid() -> None:
    one, other = (mesh_pyramid(BALL, sizes) for sizes in (SIZES, reversed(SIZES)))
    assert one.fingerprint == other.fingerprint
    assert one.fingerprint != mesh_pyramid(BALL, SIZES, placement="optimal").fingerprint
    turned = BALL.faces.copy()
    turned[0] = turned[0, ::-1]
    assert mesh_pyramid((BALL.vertices, turned), [60]).fingerprint != (
        mesh_pyramid(BALL, [60]).fingerprint
    )


def test_meshes_in_the_plane_stay_there() -> None:
    pyramid = mesh_pyramid(sheet(8, 8, 3, dimensions=2), [30, 12])
    assert [vertices.shape for vertices in pyramid.vertices] == [(64, 2), (30, 2), (12, 2)]


@pytest.mark.parametrize("placement", ["subset", "optimal"])
def test_everything_comes_back_from_a_file(tmp_path: Path, placement: Any) -> None:
    pyramid = mesh_pyramid(BALL, SIZES, placement=placement)
    pyramid.save(tmp_path / "ball.npz")
    again = MeshPyramid.load(tmp_path / "ball.npz")
    assert repr(again) == repr(pyramid)
    assert again.fingerprint == pyramid.fingerprint
    for name in ("vertices", "faces"):
        for one, other in zip(getattr(again, name), getattr(pyramid, name), strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


def test_files_of_one_kind_are_not_read_as_the_other(tmp_path: Path) -> None:
    mesh_pyramid(BALL, SIZES).save(tmp_path / "pyramid.npz")
    coarsen(BALL.faces, levels=1).save(tmp_path / "hierarchy.npz")
    with pytest.raises(ValueError, match=r"pyramid.npz is not a hierarchy that Hierarchy.save"):
        Hierarchy.load(tmp_path / "pyramid.npz")
    with pytest.raises(ValueError, match=r"hierarchy.npz is not a hierarchy that MeshPyramid.save"):
        MeshPyramid.load(tmp_path / "hierarchy.npz")


@given(data=st.data())
def test_every_flipped_bit_of_a_file_is_noticed_or_harmless(data, tmp_path_factory) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped_pyramid.npz"
    pyramid = mesh_pyramid(hull(8, 0), [6])
    pyramid.save(path)
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    refusal, fingerprint = "", None
    try:
        fingerprint = MeshPyramid.load(path).fingerprint
    except ValueError as error:
        refusal = str(error)
    assert str(path) in refusal or fingerprint == pyramid.fingerprint


def test_a_file_whose_meshes_do_not_fit_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyramid = mesh_pyramid(hull(8, 0), [6])
    object.__setattr__(pyramid, "vertices", pyramid.vertices[:1] * 2)
    pyramid.save(tmp_path / "forged.npz")
    with pytest.raises(
        ValueError, match=r"forged.npz is damaged: vertices\[1\] has shape \(8, 3\)"
    ):
        MeshPyramid.load(tmp_path / "forged.npz")


def test_nobody_changes_the_meshes() -> None:
    pyramid = mesh_pyramid(BALL, SIZES)
    for one in (pyramid, copy.deepcopy(pyramid), pickle.loads(pickle.dumps(pyramid))):
        assert one.fingerprint == pyramid.fingerprint
        for array in (*one.vertices, *one.faces):
            assert not array.flags.writeable


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": []}, "sizes is empty; name at least one number of vertices"),
        ({"sizes": [2]}, "sizes has 2, and the mesh has 162 vertices"),
        ({"sizes": [60, 163]}, "sizes has 163, and the mesh has 162 vertices"),
        ({"sizes": ["a"]}, r"sizes\[0\] = 'a' must be an integer"),
        ({"sizes": 60}, r"sizes = 60 must be a list of them; say sizes=\[60\]"),
        ({"sizes": range(MOST + 1)}, f"sizes has more than {MOST} entries"),
        ({"sizes": [60], "placement": "mean"}, "placement = 'mean' is neither 'subset' nor"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mesh_pyramid(BALL, **options)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("vertices", lambda v: v[:1], "vertices has 1 entries, and there are 2 levels"),
        (
            "vertices",
            lambda v: (v[0], v[0]),
            r"vertices\[1\] has shape \(8, 3\), expected \(6, d\)",
        ),
        (
            "vertices",
            lambda v: (v[0] * np.nan, v[1]),
            r"vertices\[0\]\[0, 0\] = nan must be finite",
        ),
        ("faces", lambda f: (f[0], f[1] + 3), r"faces\[1\]\[\d+\] = .*: ids run from 0 to 5"),
        ("faces", lambda f: (f[0][:, :2], f[1]), r"faces\[0\] has shape \(12, 2\)"),
    ],
)
def test_meshes_that_do_not_fit_their_levels_are_refused(name: str, change, message: str) -> None:
    pyramid = mesh_pyramid(hull(8, 0), [6])
    meshes: dict[str, Any] = {"vertices": pyramid.vertices, "faces": pyramid.faces}
    meshes[name] = change(meshes[name])
    with pytest.raises(ValueError, match=message):
        MeshPyramid(pyramid.levels, **meshes)
