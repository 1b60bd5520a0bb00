"""Graphs of clips, against the Cartesian product of networkx and a loop over frames."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multiscale_gcn import Graph, as_graph
from multiscale_gcn.nn import GConv, SemGConv, spatio_temporal, spatio_temporal_ids
from multiscale_gcn.testing import graphs


def product(graph: Graph, frames: int, window: int) -> np.ndarray:
    """The dense matrix of weights, entry by entry."""
    n = graph.num_nodes
    space = graph.to_scipy().toarray()
    dense = np.zeros((frames, n, frames, n))
    for t in range(frames):
        dense[t, :, t, :] = space
        for s in range(frames):
            if 0 < abs(t - s) <= window:
                dense[t, range(n), s, range(n)] = 1.0
    return dense.reshape(frames * n, frames * n)


@settings(max_examples=40)
@given(graphs(min_nodes=0, max_nodes=8), st.integers(1, 5), st.integers(1, 6))
def test_it_is_the_product_entry_by_entry(graph: Graph, frames: int, window: int) -> None:
    clip = spatio_temporal(graph, frames, window=window)
    np.testing.assert_array_equal(clip.to_scipy().toarray(), product(graph, frames, window))
    np.testing.assert_array_equal(clip.node_weights, np.tile(graph.node_weights, frames))


def test_it_is_the_cartesian_product_with_a_path() -> None:
    skeleton = nx.balanced_tree(2, 3)
    ours = spatio_temporal(skeleton, 6)
    theirs = as_graph(nx.cartesian_product(nx.path_graph(6), skeleton))
    assert ours == theirs


def test_ids_are_frames_and_nodes() -> None:
    ids = spatio_temporal_ids(4, 3)
    assert [ids[t, v] for t in range(4) for v in range(3)] == [
        3 * t + v for t in range(4) for v in range(3)
    ]
    clip = spatio_temporal(nx.path_graph(3), 4).to_scipy().toarray() > 0
    assert clip[ids[:-1].ravel(), ids[1:].ravel()].all()
    assert clip[ids[:, 0], ids[:, 1]].all()
    assert not clip[ids[:, 0], ids[:, 2]].any()


def test_a_frame_alone_is_the_graph() -> None:
    graph = as_graph(nx.random_geometric_graph(9, 0.5, seed=0))
    assert spatio_temporal(graph, 1, window=3) == graph


@pytest.mark.parametrize("convolution", [GConv, SemGConv])
def test_a_node_hears_of_its_neighbours_and_of_itself_before_and_after(convolution) -> None:
    """What changes, where one joint of one frame is touched."""
    torch.manual_seed(0)
    layer = convolution(2, 3, spatio_temporal(nx.path_graph(5), 7))
    x = torch.randn(1, 7, 5, 2)
    touched = x.clone()
    touched[0, 3, 2] += 1.0
    changed = (layer(touched.flatten(1, 2)) != layer(x.flatten(1, 2))).any(-1).unflatten(1, (7, 5))
    assert changed.nonzero()[:, 1:].tolist() == [[2, 2], [3, 1], [3, 2], [3, 3], [4, 2]]


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (0, {}, "frames = 0 must be at least 1"),
        (2, {"window": 0}, "window = 0 must be at least 1"),
        (2**30, {}, "frames = 1073741824 of 3 nodes each are 3221225472, 2.31 or more"),
    ],
)
def test_bad_numbers_are_named(frames: int, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spatio_temporal(nx.path_graph(3), frames, **options)
