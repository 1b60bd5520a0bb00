"""Mirrors of meshes whose mirror is known: exact, approximate, hidden by diagonals, and none."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components as components
from scipy.spatial import ConvexHull

from multiscale_gcn import Constraints, Mirror, as_graph, coarsen, find_mirror
from multiscale_gcn.mirrors import assignment
from multiscale_gcn.mirrors.pairing import FEW, NOBODY, paired
from multiscale_gcn.mirrors.plane import Plane

trimesh = pytest.importorskip("trimesh")


def turned(points: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The points somewhere else, and where their first axis points to there."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return points @ rotation.T + rng.normal(size=3) * 5, rotation[:, 0]


def creature(half: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A closed surface that is its own reflection in x = 0, and no other: points, faces, images.

    Its faces are those of a convex hull, so they have the mirror too; then it is bent.
    """
    rng = np.random.default_rng(seed)
    right = rng.normal(size=(half, 3))
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    right[:, 0] = np.abs(right[:, 0]) + 0.05
    middle = np.stack([np.zeros(9), np.cos(np.arange(9) * 0.7), np.sin(np.arange(9) * 0.7)], axis=1)
    points = np.concatenate([right, right * [-1, 1, 1], middle])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    faces = ConvexHull(points).simplices
    points = points * [1.0, 1.5, 2.2]
    points[:, 1] += 0.4 * points[:, 2] ** 2 + 0.2 * np.abs(points[:, 0]) * points[:, 2]
    image = np.r_[half : 2 * half, 0:half, 2 * half : 2 * half + 9]
    return points, faces, image


def assert_a_way_out(mirror: Mirror, mesh, sizes=(12,)) -> None:
    """The three lines of the documentation; what they make has the mirror on every level."""
    graph = mirror.symmetrized(mesh)
    for level in coarsen(graph, sizes=sizes, symmetry=mirror.image):
        level.constraints.check(level.graph)
        assert level.constraints.symmetry is not None


@pytest.mark.parametrize("seed", range(4))
def test_an_exact_mirror_is_found_wherever_it_stands(seed: int) -> None:
    points, faces, image = creature(150, seed)
    places, normal = turned(points, seed)
    mirror = find_mirror(faces, positions=places)
    assert abs(mirror.normal @ normal) == pytest.approx(1, abs=1e-12)
    assert np.allclose((places[-9:] @ mirror.normal), mirror.offset)
    assert mirror.image.tolist() == image.tolist()
    assert (mirror.num_exact, mirror.num_approximate, mirror.num_unmatched) == (309, 0, 0)
    assert mirror.distances.max() < 1e-12
    assert mirror.sufficient == mirror.tolerance


@pytest.mark.parametrize("seed", range(4))
def test_a_jittered_mirror_is_found_approximately(seed: int) -> None:
    points, faces, image = creature(150, seed)
    jitter = np.random.default_rng(seed).normal(size=points.shape) * 0.01
    places, normal = turned(points + jitter, seed)
    mirror = find_mirror(faces, positions=places)
    assert abs(mirror.normal @ normal) > 0.9999
    assert (mirror.num_exact, mirror.num_unmatched) == (0, 0)
    assert (mirror.image == image).mean() > 0.9
    assert_a_way_out(mirror, faces)


def test_what_is_reported_is_what_a_reflection_gives() -> None:
    points, faces, _ = creature(80)
    points += np.random.default_rng(1).normal(size=points.shape) * 0.02
    mirror = find_mirror(faces, positions=points)
    heights = points @ mirror.normal - mirror.offset
    reflected = points - 2 * heights[:, None] * mirror.normal
    assert np.linalg.norm(mirror.normal) == pytest.approx(1)
    apart = np.linalg.norm(reflected - points[mirror.image], axis=1)
    assert np.allclose(mirror.distances, apart)
    assert mirror.image[mirror.image].tolist() == list(range(len(points)))
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [0, 2]]])
    edges = set(map(tuple, np.sort(sides, axis=1).tolist()))
    missing = {(u, v) for u, v in edges if tuple(sorted(mirror.image[[u, v]])) not in edges}
    assert set(map(tuple, mirror.unmirrored_edges.tolist())) == missing
    lengths = [np.linalg.norm(points[u] - points[v]) for u, v in edges]
    assert mirror.tolerance == pytest.approx(np.median(lengths))
    assert f"edges: {len(edges) - len(missing)} mirrored, {len(missing)} not" in repr(mirror)


def box() -> tuple[np.ndarray, np.ndarray]:
    """A grid of 6 x 4 quads, every one cut along the same diagonal."""
    ids = np.arange(35).reshape(5, 7)
    a, b, c, d = ids[:-1, :-1], ids[:-1, 1:], ids[1:, 1:], ids[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    return np.stack(np.divmod(np.arange(35), 7)[::-1], axis=1).astype(float), faces


def test_diagonals_that_differ_are_added_on_the_other_side() -> None:
    points, faces = box()
    mirror = find_mirror(faces, positions=points, normal="x")
    assert (mirror.offset, mirror.num_exact) == (3.0, 35)
    assert len(mirror.unmirrored_edges) == 24, "one diagonal a quad"
    with pytest.raises(ValueError, match=r"no automorphism.*find_mirror\(mesh\)\.symmetrized"):
        coarsen(faces, levels=1, symmetry=mirror.image)
    assert_a_way_out(mirror, faces)
    both = mirror.symmetrized(faces)
    assert both.num_edges == as_graph(faces).num_edges + 24
    assert (both.weights == 1).all()


def test_weights_of_images_become_the_larger_or_the_mean() -> None:
    graph = as_graph(
        np.array([[0, 1, 0], [1, 2, 2]]), kind="edge_index", weights=[1.0, 4.0, 3.0],
        node_weights=[1.0, 2.0, 5.0], symmetrize=True,
    )  # fmt: skip
    mirror = find_mirror(graph, positions=[[-1.0, 0.0], [1.0, 0.0], [0.0, 2.0]], normal="x")
    assert mirror.image.tolist() == [1, 0, 2]
    larger, mean = mirror.symmetrized(graph), mirror.symmetrized(graph, "mean")
    assert larger.to_scipy().toarray().tolist() == [[0, 1, 4], [1, 0, 4], [4, 4, 0]]
    assert mean.to_scipy().toarray().tolist() == [[0, 1, 3.5], [1, 0, 3.5], [3.5, 3.5, 0]]
    assert larger.node_weights.tolist() == [2, 2, 5]
    assert mean.node_weights.tolist() == [1.5, 1.5, 5]
    assert mean.total_weight == graph.total_weight


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.creation.uv_sphere(count=[12, 12]),
        trimesh.creation.box(extents=[1, 2, 3]).subdivide().subdivide(),
        trimesh.creation.torus(1, 0.3, major_sections=12, minor_sections=8),
        trimesh.creation.annulus(0.5, 1, 2),
    ],
    ids=["UV sphere", "box", "torus", "annulus"],
)
def test_solids_cut_into_triangles_by_one_rule(mesh) -> None:
    """Each has planes in which its vertices are mirrored, and its diagonals are not."""
    mirror = find_mirror(mesh)
    assert mirror.num_exact == len(mesh.vertices)
    assert len(mirror.unmirrored_edges) > 0
    with pytest.raises(ValueError, match="no automorphism"):
        coarsen(mesh, levels=1, symmetry=mirror.image)
    assert_a_way_out(mirror, mesh)


def test_every_plane_through_a_sphere_can_be_named() -> None:
    sphere = trimesh.creation.icosphere(3)
    for axis in range(3):
        mirror = find_mirror(sphere, normal="xyz"[axis])
        assert np.allclose(
            sphere.vertices[mirror.image] + 0, sphere.vertices * (1 - 2 * np.eye(3)[axis])
        )
        assert len(mirror.unmirrored_edges) == 0
    tilted = find_mirror(sphere, normal=[1, 2, 0], offset=0)
    assert np.allclose(tilted.normal, np.array([1, 2, 0]) / np.sqrt(5))


def test_the_body_of_the_example_has_the_mirror_that_came_with_it() -> None:
    from examples.hgn_pose.body.built_in import load_body

    body = load_body()
    for normal in (None, "x"):
        mirror = find_mirror(body.faces, positions=body.rest_vertices, normal=normal)
        assert mirror.image.tolist() == body.mirror.tolist()
        assert mirror.normal.tolist() == [1, 0, 0]
    assert mirror.symmetrized(body.faces) == body.graph()


def half_decimated() -> tuple[np.ndarray, np.ndarray]:
    """A surface whose two sides are triangulated apart, with vertices in different places."""
    points, _, _ = creature(200)
    rng = np.random.default_rng(3)
    gone = rng.random(len(points)) < np.where(points[:, 0] > 0, 0.35, 0.1)
    sphere = creature(200)[0][~gone]
    points = sphere + rng.normal(size=sphere.shape) * 0.01
    centred = sphere - sphere.mean(axis=0)
    directions = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return points, ConvexHull(directions).simplices


def test_sides_of_different_numbers_leave_vertices_over_which_join_their_neighbours() -> None:
    points, faces = half_decimated()
    mirror = find_mirror(faces, positions=points, normal="x")
    left = np.flatnonzero(mirror.image == NOBODY)
    assert 20 < mirror.num_unmatched == len(left) < 120
    first = rf"{len(left)} of {len(points)} vertices have no image .* the first is {left[0]},"
    with pytest.raises(ValueError, match=first):
        mirror.symmetrized(faces)
    graph, smaller, parent = mirror.matched(faces)
    assert graph.num_nodes == len(points) - len(left)
    assert parent[mirror.image != NOBODY].tolist() == list(range(graph.num_nodes))
    within = as_graph(faces).to_scipy().toarray() * (parent[:, None] == parent)
    assert components(within, directed=False)[0] == graph.num_nodes, "each joined a neighbour"
    assert smaller.num_unmatched == 0
    assert_a_way_out(smaller, graph)


def test_the_tolerance_that_is_said_to_do_does() -> None:
    points, faces = half_decimated()
    mirror = find_mirror(faces, positions=points, normal="x")
    with pytest.raises(ValueError, match="tolerance = ") as refused:
        mirror.symmetrized(faces)
    said = float(str(refused.value).split("; tolerance = ")[1].split()[0])
    enough = find_mirror(faces, positions=points, normal="x", offset=mirror.offset, tolerance=said)
    assert enough.num_unmatched == 0


def test_a_mesh_without_a_mirror_says_so() -> None:
    """A sphere with a bump of its own wherever one looks."""
    sphere = trimesh.creation.icosphere(3)
    directions = np.random.default_rng(1).normal(size=(6, 3))
    bumps = np.sin(2 * sphere.vertices @ directions.T + np.arange(6)).sum(axis=1)
    sphere.vertices *= 1 + 0.15 * bumps[:, None]
    mirror = find_mirror(sphere, tolerance=0.02)
    assert mirror.num_exact == 0
    assert mirror.num_unmatched > 300
    assert f"{mirror.num_unmatched} without an image" in repr(mirror)


def test_parts_without_any_image_cannot_join() -> None:
    two = as_graph(np.array([[0, 1, 2, 3]]).reshape(2, 2).T, kind="edge_index", symmetrize=True)
    places = np.array([[-1.0, 0], [1, 0], [5, 0], [6, 0]])
    mirror = find_mirror(two, positions=places, normal="x", offset=0, tolerance=0.1)
    assert mirror.image.tolist() == [1, 0, -1, -1]
    with pytest.raises(ValueError, match="connected with 2 has an image"):
        mirror.matched(two)


def test_a_flat_mesh_is_not_mirrored_in_its_own_plane() -> None:
    points, faces = box()
    flat = np.column_stack([points, np.zeros(len(points))])
    mirror = find_mirror(faces, positions=flat)
    assert abs(mirror.normal[2]) < 1e-6
    assert mirror.num_exact == 35


points_in_space = st.lists(st.tuples(*[st.integers(-4, 4)] * 3), min_size=1, max_size=25).map(
    lambda rows: np.array(rows, float) + 0.0
)


@settings(max_examples=60)
@given(points_in_space, st.floats(0.1, 3))
def test_pairs_are_those_of_all_sorted_by_distance(points: np.ndarray, tolerance: float) -> None:
    """Against a loop over all pairs; among distances that are equal any may come first."""
    plane = Plane(np.array([1.0, 0.0, 0.0]), 0.25)
    image = paired(points, plane, tolerance)
    matched = image != NOBODY
    assert image[image[matched]].tolist() == np.flatnonzero(matched).tolist()
    apart = np.linalg.norm(plane.reflected(points)[:, None] - points, axis=2)
    own = np.where(matched, apart[np.arange(len(points)), image], np.inf)
    assert (own[matched] <= tolerance).all()
    # No two are nearer to each other than both are to their images.
    for u, v in np.argwhere(apart <= tolerance):
        assert min(own[u], own[v]) <= apart[u, v] + 1e-12


def test_many_points_are_paired_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).random((700, 3))
    plane = Plane(np.array([1.0, 0.0, 0.0]), 0.5)
    at_once = paired(points, plane, 0.1)
    assert len(points) < FEW
    monkeypatch.setattr("multiscale_gcn.mirrors.pairing.FEW", 10)
    assert paired(points, plane, 0.1).tolist() == at_once.tolist()


def test_those_left_over_get_an_image_if_others_change_theirs() -> None:
    # On a line: 1.0 and -1.2 are nearest to each other's reflections, which leaves 1.4 and -0.8.
    points = np.array([[1.0], [1.4], [-1.15], [-0.75]])
    plane = Plane(np.array([1.0]), 0.0)
    greedy = paired(points, plane, 0.3)
    assert (greedy == NOBODY).sum() == 2
    assert assignment.reassigned(points, plane, greedy, 0.3).tolist() == [3, 2, 1, 0]


@settings(max_examples=60)
@given(points_in_space, st.floats(0.1, 3))
def test_the_assignment_leaves_no_more_over(points: np.ndarray, tolerance: float) -> None:
    """As few as the largest matching, found by networkx, leaves."""
    import networkx as nx

    plane = Plane(np.array([1.0, 0.0, 0.0]), 0.25)
    greedy = paired(points, plane, tolerance)
    image = assignment.reassigned(points, plane, greedy, tolerance)
    matched = image != NOBODY
    assert image[image[matched]].tolist() == np.flatnonzero(matched).tolist()
    apart = np.linalg.norm(plane.reflected(points) - points[image], axis=1)
    assert (apart[matched] <= tolerance + 1e-12).all()
    assert matched.sum() >= (greedy != NOBODY).sum()
    if len(points) < 6:  # then all of them may change
        heights = plane.heights(points)
        graph = nx.Graph()
        for u in range(len(points)):
            if 2 * abs(heights[u]) <= tolerance:
                graph.add_edge(u, ("itself", u), weight=1)
            for v in range(len(points)):
                near = np.linalg.norm(plane.reflected(points)[u] - points[v]) <= tolerance
                if heights[u] > 0 >= heights[v] and near:
                    graph.add_edge(u, v, weight=2)
        best = nx.max_weight_matching(graph)
        assert sum(graph.edges[pair]["weight"] for pair in best) <= matched.sum()


def test_meshes_bring_their_own_positions(tmp_path: Path) -> None:
    sphere = trimesh.creation.icosphere(1)
    expected = find_mirror(sphere.faces, positions=sphere.vertices)
    sphere.export(tmp_path / "sphere.off")
    assert find_mirror(sphere).image.tolist() == expected.image.tolist()
    assert find_mirror(tmp_path / "sphere.off").image.tolist() == expected.image.tolist()


def test_copies_and_pickles_are_equal_and_nothing_can_be_written() -> None:
    points, faces = box()
    mirror = find_mirror(faces, positions=points)
    for other in (copy.deepcopy(mirror), pickle.loads(pickle.dumps(mirror))):
        assert other.image.tolist() == mirror.image.tolist()
        assert repr(other) == repr(mirror)
    with pytest.raises(ValueError, match="read-only"):
        mirror.image[0] = 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": None}, "have no positions; say positions"),
        ({"positions": np.ones((3, 2))}, "positions has 3 rows, and the graph has 35 nodes"),
        ({"positions": np.full((35, 2), 1e200)}, "must be finite and within"),
        ({"positions": np.zeros((35, 0))}, "positions has no coordinates"),
        ({"normal": "z"}, "normal = 'z' is no axis of 2 coordinates; name one of 'x', 'y'"),
        ({"normal": [0, 0]}, "has no direction"),
        ({"normal": [1, 0, 0]}, r"normal has shape \(3,\), expected \(2,\)"),
        ({"offset": 1.0}, "say normal too"),
        ({"tolerance": 0}, "tolerance = 0 must be positive"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict, message: str) -> None:
    points, faces = box()
    with pytest.raises(ValueError, match=message):
        find_mirror(faces, **{"positions": points} | options)


def test_without_edges_a_tolerance_must_be_said() -> None:
    nowhere = as_graph(np.zeros((2, 2)), kind="dense")
    with pytest.raises(ValueError, match="median length of an edge, and the mesh has none"):
        find_mirror(nowhere, positions=[[0.0], [1.0]])
    assert find_mirror(nowhere, positions=[[0.0], [1.0]], tolerance=1).image.tolist() == [1, 0]
    with pytest.raises(ValueError, match="no vertices"):
        find_mirror(as_graph(np.zeros((0, 0))), positions=np.zeros((0, 3)), tolerance=1)
    with pytest.raises(ValueError, match="graph has 3 nodes, and the mirror is of 2"):
        find_mirror(nowhere, positions=[[0.0], [1.0]], tolerance=1).symmetrized(np.ones((3, 3)))


def test_the_error_for_node_weights_names_the_way_out_too() -> None:
    graph = as_graph(np.array([[0.0, 1], [1, 0]]), kind="dense", node_weights=[1, 2])
    with pytest.raises(ValueError, match=r"node weights.*find_mirror\(mesh\)\.symmetrized"):
        Constraints.of(graph, symmetry=[1, 0])
