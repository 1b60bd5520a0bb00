"""The bar of a hierarchy that takes a while."""

from __future__ import annotations

import networkx as nx
import pytest

from multiscale_gcn import coarsen
from multiscale_gcn.coarsening import progress_bar
from multiscale_gcn.coarsening.how_far import HowFar


@pytest.mark.parametrize("how_far", [{"sizes": [20]}, {"levels": 3}, {"min_nodes": 20}])
def test_it_ends_where_the_hierarchy_does(how_far, monkeypatch, capsys) -> None:
    pytest.importorskip("tqdm", reason="optional: bars")
    monkeypatch.setattr(progress_bar, "PATIENCE", 0.0)
    grid = nx.grid_2d_graph(16, 16)
    hierarchy = coarsen(grid, progress=True, **how_far)
    shown = capsys.readouterr().err
    assert "compiled first" in shown.split("\r")[1]
    last = shown.strip().split("\r")[-1]
    assert f"{hierarchy.sizes[-1]} nodes" in last
    done = int(last.split("%")[0].split()[-1])
    assert done == 100 if "sizes" in how_far else done > 60
    assert hierarchy.fingerprint == coarsen(grid, **how_far).fingerprint


def test_what_is_done_within_a_second_shows_none(capsys) -> None:
    coarsen(nx.path_graph(9), levels=2, progress=True)
    assert capsys.readouterr().err == ""


def test_the_goal_is_about_where_it_ends() -> None:
    assert HowFar.by_steps(3, None).goal(800) == 100
    assert HowFar.by_steps(None, 50).goal(800) == 50
    assert HowFar.by_steps(90, None).goal(800) == 1
