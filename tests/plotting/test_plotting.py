import subprocess
import sys
from pathlib import Path

import matplotlib.figure
import networkx as nx
import numpy as np
import pytest
import trimesh
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.patches import Rectangle

from multiscale_gcn import (
    DefferrardMatching,
    HeavyEdgeMatching,
    Hierarchy,
    MetisPartition,
    coarsen,
    compare,
    plot_comparison,
    plot_hierarchy,
)
from multiscale_gcn.plotting.parts import cluster_colours
from multiscale_gcn.plotting.side_by_side import _camera

GRID = nx.grid_2d_graph(8, 8)
CORNERS = np.array(list(GRID.nodes), dtype=float)


def dots(axes) -> PathCollection:
    (found,) = (c for c in axes.collections if isinstance(c, PathCollection))
    return found


def pixels(figure: matplotlib.figure.Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


def test_nodes_have_the_colour_of_their_cluster_in_both_rows() -> None:
    hierarchy = coarsen(GRID, sizes=[20, 6])
    figure = plot_hierarchy(hierarchy, CORNERS, levels=[2, -1])
    assert len(figure.axes) == 4
    for column, index in enumerate((2, -1)):
        parent = hierarchy.parent(0, index)
        fine, coarse = dots(figure.axes[column]), dots(figure.axes[2 + column])
        np.testing.assert_array_equal(fine.get_offsets(), CORNERS)
        by_fine, by_coarse = (np.asarray(c.get_facecolor()) for c in (fine, coarse))
        np.testing.assert_allclose(by_fine, by_coarse[parent])
        means = [CORNERS[parent == c].mean(axis=0) for c in range(len(by_coarse))]
        np.testing.assert_allclose(np.asarray(coarse.get_offsets()), means)
        weights = hierarchy[index].graph.node_weights
        np.testing.assert_allclose(coarse.get_sizes() / coarse.get_sizes()[0], weights / weights[0])


@pytest.mark.parametrize("size", [60, 24, 7])
def test_neighbouring_clusters_have_different_colours(size: int) -> None:
    graph = coarsen(trimesh.creation.icosphere(subdivisions=3), sizes=[size]).level(size).graph
    colours = cluster_colours(graph)
    u, v = graph.edge_index()
    different = (colours[u] != colours[v]).any(axis=1)
    assert different[u != v].all()
    if size <= 24:
        assert len(np.unique(colours, axis=0)) == size


def test_lines_inside_a_cluster_are_coloured_and_those_between_are_grey() -> None:
    figure = plot_hierarchy(Hierarchy.from_parents(nx.path_graph(4), [[0, 0, 1, 1]]))
    between, inside, ties = (c for c in figure.axes[0].collections if isinstance(c, LineCollection))
    assert len(between.get_segments()) == 1
    assert len(set(np.asarray(between.get_colors())[0, :3])) == 1, "grey"
    assert len(inside.get_segments()) == 2
    assert len(ties.get_segments()) == 0


def test_pairs_without_an_edge_are_tied_together() -> None:
    figure = plot_hierarchy(Hierarchy.from_parents(nx.star_graph(3), [[0, 0, 1, 1]]))
    ties = [c for c in figure.axes[0].collections if isinstance(c, LineCollection)][2]
    assert len(ties.get_segments()) == 2


def test_names_stand_beside_a_few_nodes() -> None:
    named = plot_hierarchy(coarsen(nx.Graph([("Kiel", "Ulm"), ("Ulm", "Rom")]), levels=1))
    assert [text.get_text() for text in named.axes[0].texts] == ["Kiel", "Ulm", "Rom"]
    many = plot_hierarchy(coarsen(nx.grid_2d_graph(7, 7), levels=1))
    assert len(many.axes[0].texts) == 0


def test_a_mesh_is_drawn_from_back_to_front() -> None:
    mesh = trimesh.creation.icosphere(subdivisions=2)
    hierarchy = coarsen(mesh, sizes=[20])
    figure = plot_hierarchy(hierarchy, mesh.vertices, mesh.faces, levels=[-1], elevation=0)
    (fine,) = (c for c in figure.axes[0].collections if isinstance(c, PolyCollection))
    of_faces = hierarchy.parent(0, -1)[mesh.faces]
    pure = (of_faces == of_faces[:, :1]).all(axis=1).sum()
    assert 0 < pure < len(mesh.faces)
    assert len(fine.get_paths()) == pure + 3 * (len(mesh.faces) - pure), "clusters end at borders"
    shown = np.unique(np.asarray(fine.get_edgecolor())[:, :3].round(9), axis=0)
    assert len(shown) > 20, "shaded"
    last = np.asarray(fine.get_paths()[-1].vertices).mean(axis=0)
    assert np.abs(last).max() < 0.3, "the triangle in front stands in the middle"
    coarse = [c for c in figure.axes[1].collections if isinstance(c, PolyCollection)]
    assert len(coarse[0].get_paths()) == len(hierarchy.coarse_faces(mesh.faces, -1))


def test_the_camera_looks_from_where_it_is_told() -> None:
    for azimuth, elevation in ((-90, 0), (0, 0), (30, 40), (10, 90)):
        camera = _camera(azimuth, elevation)
        np.testing.assert_allclose(camera.T @ camera, np.eye(3), atol=1e-12)
        assert np.linalg.det(camera) == pytest.approx(1)
    np.testing.assert_allclose(_camera(-90, 0), [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(_camera(0, 90)[:, 2], [0, 0, 1], atol=1e-12)


@pytest.mark.parametrize(
    "graph", [nx.path_graph(1), nx.empty_graph(3), nx.star_graph(5), nx.karate_club_graph()]
)
def test_every_graph_can_be_drawn(graph, tmp_path: Path) -> None:
    hierarchy = coarsen(graph, min_nodes=1)
    image = pixels(plot_hierarchy(hierarchy))
    assert image.std() > 1, "something is on it"
    again = pixels(plot_hierarchy(hierarchy))
    np.testing.assert_array_equal(again, image)
    plot_hierarchy(hierarchy, seed=3).savefig(tmp_path / "levels.svg")
    assert (tmp_path / "levels.svg").stat().st_size > 1000


def test_at_most_four_levels_are_shown_unless_named() -> None:
    hierarchy = coarsen(nx.path_graph(64), min_nodes=1)
    assert len(hierarchy) == 7
    assert [axes.get_title() for axes in plot_hierarchy(hierarchy).axes[:4]] == [
        f"{n} of 64 nodes" for n in (32, 8, 4, 1)
    ]
    assert len(plot_hierarchy(hierarchy, levels=[0, 1, 2, 3, 4, 5]).axes) == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": np.zeros((3, 2))}, r"positions has shape \(3, 2\), expected \(64, 2\) or"),
        ({"positions": np.full((64, 2), np.nan)}, r"positions\[0\] = \[nan, nan\] must be finite"),
        ({"positions": CORNERS, "faces": [[0, 1]]}, "faces must be integers of shape"),
        ({"positions": CORNERS, "faces": [[0, 1, 64]]}, r"faces\[0\] = \[0, 1, 64\]: ids run"),
        ({"levels": []}, "levels is empty"),
    ],
)
def test_bad_arguments_are_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        plot_hierarchy(coarsen(GRID, sizes=[6]), **options)


def test_large_graphs_need_positions() -> None:
    hierarchy = coarsen(nx.path_graph(1001), levels=1)
    with pytest.raises(ValueError, match="the graph has 1001 nodes, and a layout is computed for"):
        plot_hierarchy(hierarchy)
    with pytest.raises(ValueError, match="nothing to draw"):
        plot_hierarchy(coarsen(nx.empty_graph(0), levels=1))


def test_a_comparison_has_a_bar_for_each_figure() -> None:
    methods = {"a": HeavyEdgeMatching(), "b": DefferrardMatching(), "c": MetisPartition()}
    table = compare(GRID, methods, sizes=[60, 8])
    figure = plot_comparison(table)
    assert table.plot().axes[0].get_title() == figure.axes[0].get_title()
    reached = [row for row in table.rows if not row["note"]]
    assert 0 < len(reached) < len(table.rows)
    for axes, name in zip(
        figure.axes, ("cut", "balance", "eigenvalue_error", "epsilon"), strict=True
    ):
        widths = sorted(bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle))
        assert widths == pytest.approx(sorted(row[name] for row in reached))
        said = [text.get_text().strip() for text in axes.texts]
        assert said.count("not reached") == len(table.rows) - len(reached)
    assert pixels(figure).std() > 1


def test_matplotlib_is_imported_when_something_is_drawn() -> None:
    code = (
        "import sys; from multiscale_gcn import plot_hierarchy, compare;"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
