"""Levels that belong to another graph are refused; those of steps that interpolate are batched."""

from __future__ import annotations

import copy

import networkx as nx
import pytest
import torch

pytest.importorskip("torch_geometric", reason="optional: PyTorch Geometric")

import torch_geometric.transforms as T
from chosen_nodes import EverySecond
from torch_geometric.data import Batch, Data

from multiscale_gcn import as_graph, coarsen, to_pyg
from multiscale_gcn.pyg import Coarsen, MultiScaleData, Pool


def path(n: int) -> Data:
    data = to_pyg(as_graph(nx.path_graph(n)))
    data.x = torch.randn(n, 2)
    return data


def test_parts_are_refused_while_there_are_levels() -> None:
    data = Coarsen(2)(path(40))
    message = r"subgraph would leave the 2 levels .* data.without_levels\(\).subgraph\("
    with pytest.raises(ValueError, match=message):
        data.subgraph(torch.arange(10))
    with pytest.raises(ValueError, match=r"without_levels\(\).edge_subgraph\("):
        data.edge_subgraph(torch.arange(10))
    with pytest.raises(ValueError, match=message):
        Batch.from_data_list([data, data]).subgraph(torch.arange(10))
    with pytest.raises(ValueError, match=message):
        T.LargestConnectedComponents()(Coarsen(2)(Data(edge_index=torch.empty(2, 0), num_nodes=3)))
    half = data.without_levels().subgraph(torch.arange(10))
    assert isinstance(half, MultiScaleData)
    again, expected = Coarsen(2)(half), Coarsen(2)(path(10))
    for name in ("parent_0", "edge_index_1", "node_weight_2", "level_sizes"):
        assert torch.equal(again[name], expected[name])


def test_levels_of_a_graph_that_lost_nodes_are_refused_where_they_are_used() -> None:
    data = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=5, x=torch.randn(5, 2))
    stale = T.RemoveIsolatedNodes()(Coarsen(1)(data))
    message = "made of a graph of 5 nodes, and this Data has 2 now; put Coarsen behind"
    with pytest.raises(ValueError, match=message):
        stale.num_nodes_of(1)
    with pytest.raises(ValueError, match=message):
        Batch.from_data_list([stale, stale])
    with pytest.raises(ValueError, match=message):
        Pool()(stale.x, stale)
    assert Coarsen(1)(stale).level_sizes.tolist() == [[2, 1]]


def test_levels_that_a_transform_took_for_something_else_are_refused() -> None:
    data = Coarsen(2)(path(9))
    data.parent_1 = torch.cat([data.parent_1, data.parent_1])
    with pytest.raises(ValueError, match="parent_1 was made for 5 nodes and is not as it was"):
        Batch.from_data_list([data])
    data = Coarsen(2)(path(9))
    del data["node_weight_1"]
    with pytest.raises(ValueError, match="node_weight_1 was made for 5 nodes"):
        data.num_nodes_of(2)


def test_other_operations_keep_the_levels() -> None:
    data = Coarsen(2)(path(9))
    for same in (data.clone(), copy.copy(data), data.to("cpu"), data.contiguous()):
        assert same.num_nodes_of(2) == 3
    batch = Batch.from_data_list([data, Coarsen(2)(path(4)), Coarsen(2)(path(6))])
    assert batch.level_sizes.tolist() == [[9, 5, 3], [4, 2, 1], [6, 3, 2]]
    assert batch.num_levels == 2
    assert batch[1].parent_0.tolist() == [0, 0, 1, 1]
    assert [member.num_nodes_of(1) for member in batch.index_select([2, 0])] == [3, 5]


def test_no_levels_and_unknown_ones() -> None:
    assert MultiScaleData(num_nodes=3).num_levels == 0
    assert MultiScaleData(num_nodes=3).num_nodes_of(0) == 3
    with pytest.raises(ValueError, match=r"level = 2 is none .* Coarsen\(levels=2\) makes"):
        Coarsen(1)(path(4)).num_nodes_of(2)


@pytest.mark.parametrize("levels", [1, 3])
def test_interpolations_of_a_batch_are_those_of_its_members(levels: int) -> None:
    lengths = (9, 2, 6)
    members = [Coarsen(levels, method=EverySecond())(path(n)) for n in lengths]
    batch = Batch.from_data_list(members)
    for k in range(levels):
        matrices, samples = [], []
        for n in lengths:
            hierarchy = coarsen(nx.path_graph(n), levels=levels, method=EverySecond())
            fine, coarse = (min(j, len(hierarchy) - 1) for j in (k, k + 1))
            dense = hierarchy.prolongation(coarse, fine, "interpolated").toarray()
            matrices.append(torch.from_numpy(dense).float())
            samples.append(
                torch.from_numpy(hierarchy.restriction(fine, coarse, "sampled").toarray())
            )
        index, weights = batch[f"interpolation_index_{k}"], batch[f"interpolation_weight_{k}"]
        expected = torch.block_diag(*matrices)
        found = torch.zeros_like(expected).index_put(tuple(index), weights)
        torch.testing.assert_close(found, expected)
        columns = torch.block_diag(*samples).argmax(1)
        assert torch.equal(batch[f"sampled_{k}"], columns)
    for one, other in zip(batch.to_data_list(), members, strict=True):
        for name, value in other.to_dict().items():
            assert torch.equal(torch.as_tensor(one[name]), torch.as_tensor(value)), name
