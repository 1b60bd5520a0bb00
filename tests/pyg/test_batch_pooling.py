"""Pooling in mini-batches of different graphs, held to each hierarchy's own matrices."""

from __future__ import annotations

from typing import Any, get_args

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch_geometric", reason="optional: PyTorch Geometric")

from chosen_nodes import EverySecond
from torch_geometric.data import Batch, Data

from multiscale_gcn import Graph, as_graph, coarsen, to_pyg
from multiscale_gcn.pyg import Coarsen, Pool, Unpool
from multiscale_gcn.pyg.pooling import PoolKind
from multiscale_gcn.testing import graphs

TEXT: Any = ("min", "linear")
KINDS = [kind for kind in get_args(PoolKind) if kind != "sampled"]


def batch_of(members: list[Graph], levels: int, **options) -> Batch:
    transform = Coarsen(levels, **options)
    return Batch.from_data_list([transform(to_pyg(g, dtype=torch.float64)) for g in members])


@settings(max_examples=25)
@given(
    st.lists(graphs(min_nodes=1, max_nodes=12), min_size=1, max_size=4),
    st.sampled_from(KINDS),
    st.sampled_from([(), (2,), (2, 3)]),
)
def test_it_is_each_hierarchys_restriction(
    members: list[Graph], kind: PoolKind, trailing: tuple[int, ...]
) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        batch = batch_of(members, 2)
    finally:
        torch.set_default_dtype(torch.float32)
    x = torch.randn(batch.num_nodes, *trailing, dtype=torch.float64)
    once = Pool(0, kind)(x, batch)
    twice = Pool(1, kind)(once, batch)
    start = 0
    found = [twice[batch.batch_2 == k] for k in range(len(members))]
    for graph, ours in zip(members, found, strict=True):
        hierarchy = coarsen(graph, levels=2)
        own = x[start : start + graph.num_nodes].numpy()
        start += graph.num_nodes
        for k in range(len(hierarchy) - 1):
            own = hierarchy.restrict(own, k, k + 1, kind)
        np.testing.assert_allclose(ours, own, rtol=1e-9, atol=1e-12)
    lifted = Unpool(0)(once, batch)
    assert torch.equal(lifted, once[batch.parent_0])
    again = Pool(0, "max")(lifted, batch)
    torch.testing.assert_close(again, once)


def test_methods_that_choose_and_interpolate() -> None:
    members = [as_graph(nx.path_graph(n)) for n in (9, 2, 6)]
    batch = batch_of(members, 1, method=EverySecond())
    x = torch.arange(17.0)[:, None]
    chosen = Pool(0, "sampled")(x, batch)
    assert chosen.flatten().tolist() == [0, 2, 4, 6, 8, 9, 11, 13, 15]
    lifted = Unpool(0, "interpolated")(chosen, batch).flatten().tolist()
    assert lifted == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 11, 12, 13, 14, 15, 15]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: PoolKind) -> None:
    batch = batch_of([as_graph(nx.star_graph(4)), as_graph(nx.path_graph(5))], 1)
    x = torch.randn(10, 2, dtype=torch.float64, requires_grad=True)
    pool = Pool(0, kind)
    assert torch.autograd.gradcheck(lambda x: pool(x, batch), x)
    y = torch.randn(batch.num_nodes_of(1), 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: Unpool(0)(y, batch), y)


def test_node_weights_of_the_data_count() -> None:
    data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    x = torch.tensor([[1.0], [5.0]])
    assert Pool(0, "weighted_mean")(x, Coarsen(1)(data)).item() == 3.0
    data.node_weight = torch.tensor([3.0, 1.0])
    assert Pool(0, "weighted_mean")(x, Coarsen(1)(data)).item() == 2.0


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda data: Pool(0, kind=TEXT[0]), ValueError, "kind = 'min' is none of 'mean', 'sum'"),
        (lambda data: Pool(-1), ValueError, "level = -1 must be at least 0"),
        (lambda data: Unpool(0, kind=TEXT[1]), ValueError, "kind = 'linear' is neither 'constant'"),
        (
            lambda data: Pool(0)(torch.zeros(3, 2), data),
            ValueError,
            r"x has shape \[3, 2\], expected \[4, ...\]: one row for each node of level 0",
        ),
        (
            lambda data: Unpool(0)(torch.zeros(3, 2), data),
            ValueError,
            r"x has shape \[3, 2\], expected \[2, ...\]: one row for each node of level 1",
        ),
        (
            lambda data: Pool(1)(torch.zeros(2, 2), data),
            ValueError,
            r"level = 2 is none of this Data, which has 1 coarser ones; Coarsen\(levels=2\)",
        ),
        (
            lambda data: Pool(0)(torch.zeros(4, 2), Data(num_nodes=4)),
            TypeError,
            r"data is a Data; give Pool a MultiScaleData, which Coarsen\(levels=1\) makes",
        ),
        (
            lambda data: Pool(0, "sampled")(torch.zeros(4, 2), data),
            ValueError,
            "the data has no sampled_0; give Coarsen a method that chooses nodes",
        ),
        (
            lambda data: Unpool(0, "interpolated")(torch.zeros(2, 2), data),
            ValueError,
            "the data has no interpolation_index_0; give Coarsen a method that interpolates",
        ),
        (lambda data: Pool(0)([0.0] * 4, data), TypeError, "x is a list; give a torch.Tensor"),
    ],
)
def test_bad_arguments_are_named(run, error: type[Exception], message: str) -> None:
    data = Coarsen(1)(to_pyg(as_graph(nx.path_graph(4))))
    with pytest.raises(error, match=message):
        run(data)
