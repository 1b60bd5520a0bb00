"""Clusters for comparison: symmetric, of the sizes asked for, and what their names say."""

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import scipy.sparse as sp
from refusals import refused
from scipy.sparse.csgraph import connected_components
from test_smpl import model_arrays

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.coarse import CoarseGraphs, coarsen_body
from examples.hgn_pose.body.controls import Control, control_clusters
from examples.hgn_pose.body.smpl_files import load_smpl
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters

CONTROLS = get_args(Control)
SIZES = (48, 96)


@pytest.fixture(scope="module")
def body():
    return load_body()


@pytest.fixture(scope="module")
def made(body):
    return {control: control_clusters(body, control, 0, SIZES) for control in CONTROLS}


def areas(body):
    """A third of the area of every triangle around a vertex."""
    a, b, c = (body.rest_vertices[body.faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return np.bincount(body.faces.ravel(), np.repeat(area / 3, 3), len(body.rest_vertices))


def pieces(body, parent):
    """Into how many connected pieces the clusters fall, all together."""
    edges = np.concatenate([body.faces[:, [0, 1]], body.faces[:, [1, 2]], body.faces[:, [2, 0]]])
    inside = edges[parent[edges[:, 0]] == parent[edges[:, 1]]].T
    n = len(parent)
    matrix = sp.csr_array((np.ones(inside.shape[1]), tuple(inside)), shape=(n, n))
    return connected_components(matrix, directed=False)[0]


@pytest.mark.parametrize("control", CONTROLS)
def test_mirrored_people_have_mirrored_coarse_meshes(body, made, control):
    hierarchy = made[control]
    assert hierarchy.sizes == (13348, 96, 48)
    rest = body.rest_vertices + np.random.default_rng(0).normal(scale=0.1, size=(13348, 3))
    mirrored = rest[body.mirror] * [-1, 1, 1]
    for size in SIZES:
        level = hierarchy.level(size)
        mean = hierarchy.restriction(0, level.index, "mean")
        expected = (mean @ rest)[level.constraints.symmetry] * [-1, 1, 1]
        np.testing.assert_allclose(mean @ mirrored, expected, atol=1e-12)


@pytest.mark.parametrize("control", CONTROLS)
def test_the_graphs_are_contractions_of_the_bodys(body, made, control):
    for size in SIZES:
        parent = made[control].parent(0, made[control].level(size).index)
        matrix = np.zeros((size, size))
        edges = body.graph().to_scipy().tocoo()
        np.add.at(matrix, (parent[edges.row], parent[edges.col]), edges.data)
        np.testing.assert_array_equal(made[control].level(size).graph.to_scipy().toarray(), matrix)


def test_area_clusters_have_about_equal_areas_and_are_in_one_piece(body, made):
    weight = areas(body)

    def heaviest(hierarchy, size):
        parent = hierarchy.parent(0, hierarchy.level(size).index)
        area = np.bincount(parent, weight)
        return area.max() / area.mean()

    for size in SIZES:
        assert heaviest(made["area"], size) < 1.6
        assert heaviest(coarsen_body(body), size) > 3
        parent = made["area"].parent(0, made["area"].level(size).index)
        assert pieces(body, parent) == size


def test_points_far_apart_leave_nobody_far_from_its_cluster(body, made):
    def farthest(hierarchy, size):
        level = hierarchy.level(size)
        parent = hierarchy.parent(0, level.index)
        means = hierarchy.restriction(0, level.index, "mean") @ body.rest_vertices
        side = np.linalg.norm(body.rest_vertices - means[parent], axis=1)
        return side[level.constraints.symmetry[parent] != parent].max()

    for size in SIZES:
        assert farthest(made["farthest"], size) < 0.8 * farthest(made["random"], size)


def test_random_clusters_are_in_one_piece_and_of_their_seed(body, made):
    for size in SIZES:
        parent = made["random"].parent(0, made["random"].level(size).index)
        assert pieces(body, parent) == size
    again, other = (control_clusters(body, "random", seed, SIZES) for seed in (0, 1))
    assert again.fingerprint == made["random"].fingerprint != other.fingerprint


def test_scattered_clusters_are_even_and_in_many_pieces(body, made):
    parent = made["scattered"].parent(0, made["scattered"].level(48).index)
    assert np.bincount(parent).max() <= 1.1 * np.bincount(parent).min()
    assert pieces(body, parent) > 5000
    other = control_clusters(body, "scattered", 1, SIZES)
    assert other.fingerprint != made["scattered"].fingerprint


@pytest.mark.parametrize("control", CONTROLS)
def test_a_body_without_a_mirror_is_clustered_as_a_whole(body, control):
    hierarchy = control_clusters(replace(body, mirror=None), control, 0, SIZES)
    assert hierarchy.sizes == (13348, 96, 48)
    assert hierarchy[-1].constraints.symmetry is None


def ball(folder, half):
    """A body of few vertices, only three of them on its middle line."""
    path = folder / "SMPL.npz"
    np.savez(path, **model_arrays(half=half))
    return load_smpl(path)


@pytest.mark.parametrize("control", ["farthest", "scattered"])
@pytest.mark.parametrize("half", [120, 400])
def test_bodies_of_few_vertices_are_clustered(control, half, tmp_path):
    hierarchy = control_clusters(ball(tmp_path, half), control, 0, SIZES)
    assert hierarchy.sizes[1:] == (96, 48)


@pytest.mark.parametrize(
    ("control", "half"),
    [*((control, 60) for control in CONTROLS), ("area", 400), ("random", 400)],
)
def test_bodies_that_cannot_be_clustered_are_refused(control, half, tmp_path):
    message = f"clusters = {control} cannot be made of this body: the strip along the middle line"
    with pytest.raises(ValueError, match=message):
        control_clusters(ball(tmp_path, half), control, 0, SIZES)


def test_without_clusters_of_its_own_nothing_is_changed(body):
    usual = CoarseGraphs().of(body)
    assert usual.fingerprint == coarsen_body(body).fingerprint
    assert NetworkOptions().graphs == NetworkOptions("mlp").graphs == CoarseGraphs()
    assert NetworkOptions().as_json().keys().isdisjoint({"clusters", "clusters_seed", "padding"})


def test_no_body_graph_is_the_bottom_of_hgn(body):
    small = NetworkOptions(channels=8)
    whole = build_network(small, coarsen_body(body), 0)
    alone = build_network(replace(small, clusters="none"), None, 0)
    bottom = [
        name
        for name in whole.state_dict()
        if name.startswith(("inputs.0", "outputs.0"))
        or (name.startswith("blocks.") and name.split(".")[2] == "0")
    ]
    assert set(alone.state_dict()) == set(bottom)
    assert count_parameters(alone) < count_parameters(whole) / 2


def test_padding_stands_for_nothing(body):
    options = NetworkOptions(channels=8, padding="published")
    hierarchy = options.graphs.of(body)
    for padded, (size, real) in zip(options.padded(hierarchy), ((48, 45), (96, 83)), strict=True):
        matrix = padded.to_scipy().toarray()
        assert matrix.shape == (size, size)
        np.testing.assert_array_equal(
            matrix[:real, :real], hierarchy.level(real).graph.to_scipy().toarray()
        )
        assert not matrix[real:].any()
        assert not matrix[:, real:].any()
    usual = count_parameters(build_network(NetworkOptions(channels=8), coarsen_body(body), 0))
    # The maps between scales are of the padded sizes: only edges, a weight each, are fewer.
    assert count_parameters(build_network(options, hierarchy, 0)) == pytest.approx(usual, abs=800)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clusters": "voronoi"}, "clusters = 'voronoi'"),
        ({"network": "semgcn", "clusters": "area"}, "clusters = area .* and semgcn has none"),
        ({"clusters": "none", "without": "48"}, "without = 48 .* clusters = none has none"),
        ({"clusters": "none", "padding": "published"}, "padding = published"),
        ({"network": "mlp", "padding": "published"}, "padding = published .* mlp has none"),
        ({"clusters": "area", "padding": "published"}, "heavy edge matching"),
        ({"clusters": "area", "clusters_seed": 3}, "clusters_seed = 3"),
        ({"clusters": "random", "clusters_seed": -1}, "clusters_seed"),
    ],
)
def test_options_without_a_meaning_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NetworkOptions(**options)


QUICK = ["--data", "builtin", "--test-every", "60", "--device", "cpu"]


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        (["--clusters", "area"], ["48", "96"]),
        (["--padding", "published"], ["45", "83"]),
        (["--clusters", "none"], []),
    ],
)
def test_a_network_is_trained_and_measured_on_its_own_graphs(options, sizes, tmp_path):
    small = ["--channels", "4", "--epochs", "1", "--train-every", "60"]
    main(["train", *QUICK, *small, *options, "--out", str(tmp_path)])
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert list(metrics["scores"]["mpvpe_mm"]) == sizes
    out, weights = tmp_path / "again.json", str(tmp_path / "weights.safetensors")
    main(["evaluate", weights, *QUICK, "--out", str(out)])
    assert json.loads(out.read_text())["scores"] == metrics["scores"]


def test_networks_on_different_graphs_are_compared_by_their_poses_alone(tmp_path):
    files = []
    for clusters in ("area", "heavy_edge"):
        small = ["--channels", "4", "--epochs", "1", "--train-every", "60"]
        main(["train", *QUICK, *small, "--clusters", clusters, "--out", str(tmp_path / clusters)])
        files.append(str(tmp_path / clusters / "weights.safetensors"))
    main(["robustness", *files, *QUICK, "--noise", "jitter", "--out", str(tmp_path)])
    with refused("nodes of area, heavy_edge clusters"):
        main(["figures", *files, *QUICK, "--out", str(tmp_path)])
