from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import trimesh
from browsing import shown

from multiscale_gcn import CentroidalClusters, coarsen, plot_hierarchy_3d
from multiscale_gcn.__main__ import main
from multiscale_gcn.plotting.parts import cluster_colours, crisp

plotly = pytest.importorskip("plotly", reason="optional: plot")

BALL = trimesh.creation.icosphere(subdivisions=3)
GRID = nx.grid_2d_graph(8, 8)
CORNERS = np.array(list(GRID.nodes), dtype=float)


def area(triangles: np.ndarray) -> np.ndarray:
    a, b, c = np.moveaxis(triangles, 1, 0)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def hexadecimal(colours: np.ndarray) -> list[str]:
    return ["#" + "".join(f"{round(255 * part):02x}" for part in colour) for colour in colours]


def on_level(figure, place: int) -> list:
    """The traces that a step of the slider shows."""
    (visible, _) = figure.layout.sliders[0].steps[place].args
    return [trace for trace, seen in zip(figure.data, visible["visible"], strict=True) if seen]


def test_a_mesh_is_cut_into_the_shares_of_its_corners() -> None:
    parent = np.arange(BALL.vertices.shape[0]) % 5
    polygons, cluster, face = crisp(BALL.faces, BALL.vertices, parent)
    halves = area(polygons[:, [0, 1, 2]]) + area(polygons[:, [0, 2, 3]])
    np.testing.assert_allclose(np.bincount(face, weights=halves), area(BALL.triangles))
    share = np.zeros(5)  # a third of a triangle for each of its corners
    np.add.at(share, parent[BALL.faces], np.repeat(area(BALL.triangles)[:, None] / 3, 3, axis=1))
    np.testing.assert_allclose(np.bincount(cluster, weights=halves), share)


@pytest.mark.parametrize("size", [2, 30])
def test_every_cluster_has_its_part_of_the_surface_in_its_colour(size: int) -> None:
    hierarchy = coarsen(BALL, sizes=[size], method=CentroidalClusters(positions=BALL.vertices))
    figure = plot_hierarchy_3d(hierarchy, BALL.vertices, BALL.faces, levels=[-1])
    mesh, lines, nodes = figure.data
    corners = np.stack([mesh.x, mesh.y, mesh.z], axis=1)
    shares = area(corners[np.stack([mesh.i, mesh.j, mesh.k], axis=1)])
    assert shares.sum() == pytest.approx(BALL.area, rel=1e-5)
    parent, colours = hierarchy.parent(0, -1), cluster_colours(hierarchy[-1].graph)
    own = hexadecimal(colours)
    assert list(nodes.marker.color) == own
    thirds = np.zeros(size)
    np.add.at(thirds, parent[BALL.faces], np.repeat(area(BALL.triangles)[:, None] / 3, 3, axis=1))
    for colour in set(own):
        painted = shares[np.asarray(mesh.facecolor) == colour].sum()
        assert painted == pytest.approx(sum(thirds[np.array(own) == colour]), rel=1e-4)
    means = [BALL.vertices[parent == c].mean(axis=0) for c in range(size)]
    np.testing.assert_allclose(np.stack([nodes.x, nodes.y, nodes.z], axis=1), means)
    u, v = hierarchy[-1].graph.edge_index()
    assert len(lines.x) == 3 * np.count_nonzero(u < v)


def test_the_slider_shows_one_level_and_says_which() -> None:
    hierarchy = coarsen(GRID, sizes=[30, 6])
    figure = plot_hierarchy_3d(hierarchy, CORNERS, levels=[1, 2, -1])
    steps = figure.layout.sliders[0].steps
    assert [step.label for step in steps] == [str(hierarchy[k].num_nodes) for k in (1, 2, -1)]
    shown_on = [step.args[0]["visible"] for step in steps]
    assert np.sum(shown_on, axis=0).tolist() == [1] * len(figure.data)
    assert [trace.visible for trace in figure.data] == list(shown_on[-1])
    for place, index in enumerate((1, 2, -1)):
        coarse = on_level(figure, place)[-1]
        assert len(coarse.x) == hierarchy[index].num_nodes
        assert steps[place].args[1]["title.text"] == f"{len(coarse.x)} of 64 nodes"


def test_a_graph_in_a_plane_has_its_coarse_graph_above_it() -> None:
    hierarchy = coarsen(GRID, sizes=[6])
    between, within, fine, edges, coarse = on_level(
        plot_hierarchy_3d(hierarchy, CORNERS, levels=[-1]), 0
    )
    parent = hierarchy.parent(0, -1)
    assert set(fine.z) == {0.0}
    assert min(coarse.z) > 0.5
    np.testing.assert_array_equal(np.stack([fine.x, fine.y], axis=1), CORNERS)
    assert list(fine.marker.color) == [coarse.marker.color[c] for c in parent]
    u, v = np.array([(8 * a[0] + a[1], 8 * b[0] + b[1]) for a, b in GRID.edges]).T
    inside = parent[u] == parent[v]
    assert len(within.x) == 3 * inside.sum()
    assert len(between.x) == 3 * (~inside).sum()
    assert set(within.line.color) == set(coarse.marker.color)
    c, d = hierarchy[-1].graph.edge_index()
    assert len(edges.x) == 3 * np.count_nonzero(c < d)


def test_names_are_told_and_are_no_html() -> None:
    graph = nx.Graph([("<b>Kiel", "Ulm"), ("Ulm", "Rom")])
    figure = plot_hierarchy_3d(coarsen(graph, levels=1))
    (nodes,) = (trace for trace in figure.data if trace.name == "nodes")
    assert list(nodes.text) == ["node &lt;b&gt;Kiel", "node Ulm", "node Rom"]


@pytest.mark.parametrize(
    "graph", [nx.path_graph(1), nx.empty_graph(3), nx.star_graph(5), nx.karate_club_graph()]
)
def test_every_graph_can_be_drawn(graph) -> None:
    hierarchy = coarsen(graph, min_nodes=1)
    figure = plot_hierarchy_3d(hierarchy)
    assert len(figure.layout.sliders[0].steps) == min(8, max(1, len(hierarchy) - 1))
    assert plot_hierarchy_3d(hierarchy) == figure
    assert len(figure.to_html(include_plotlyjs=False)) > 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": np.zeros((3, 2))}, r"positions has shape \(3, 2\), expected \(64, 2\) or"),
        ({"positions": CORNERS, "faces": [[0, 1, 64]]}, r"faces\[0\] = \[0, 1, 64\]: ids run"),
        ({"levels": []}, "levels is empty"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_arguments_are_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        plot_hierarchy_3d(coarsen(GRID, sizes=[6]), **options)


def test_plotly_is_imported_when_something_is_drawn() -> None:
    code = (
        "import sys; from multiscale_gcn import plot_hierarchy_3d;"
        "assert 'plotly' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_the_page_of_the_command_line_turns_and_needs_no_network(tmp_path: Path) -> None:
    source, page = tmp_path / "<ball>.ply", tmp_path / "ball.html"
    BALL.export(source)
    main(["coarsen", str(source), "--sizes", "60", "12", "--picture", str(page)])
    assert "<title>&lt;ball&gt;.ply</title>" in page.read_text()
    with shown(page, 390, 800) as (tab, events):
        says = "told => document.querySelector('.gtitle')?.textContent === told"
        tab.wait_for_selector(".slider-container", state="attached")
        tab.wait_for_function(says, arg="12 of 642 nodes")
        assert tab.evaluate("document.documentElement.scrollWidth") == 390
        # What a click on the slider does, whose animation a slow machine drops.
        tab.evaluate(
            """() => {
                const plot = document.querySelector('.js-plotly-plot');
                return Plotly.update(plot, ...plot.layout.sliders[0].steps[0].args);
            }"""
        )
        tab.wait_for_function(says, arg="358 of 642 nodes")
        tab.get_by_text("solid", exact=True).click(force=True)
        tab.wait_for_function("document.querySelector('.js-plotly-plot').data[0].opacity === 1")
        assert events == [("request", page.as_uri())]
