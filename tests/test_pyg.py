"""The transform of PyTorch Geometric, alone and in mini-batches."""

from __future__ import annotations

import pickle

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch_geometric", reason="optional: PyTorch Geometric")

from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import Compose, ToUndirected
from torch_geometric.utils import scatter

from multiscale_gcn import Graph, VisitingOrderMatching, as_graph, coarsen, to_pyg
from multiscale_gcn.pyg import Coarsen, MultiScaleData
from multiscale_gcn.testing import graphs


def with_features(graph: Graph, seed: int = 0) -> Data:
    data = to_pyg(graph, dtype=torch.float64)
    data.x = torch.randn(graph.num_nodes, 3, generator=torch.Generator().manual_seed(seed))
    data.y = torch.tensor([seed])
    return data


def level_graph(data: Data, k: int) -> Graph:
    return as_graph(
        data[f"edge_index_{k}"],
        kind="edge_index",
        weights=data[f"edge_weight_{k}"],
        node_weights=data[f"node_weight_{k}"],
        num_nodes=len(data[f"node_weight_{k}"]),
    )


@given(graphs(min_nodes=1), st.integers(1, 4))
def test_levels_are_those_of_coarsen_and_the_last_repeats(graph: Graph, levels: int) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        data = Coarsen(levels)(with_features(graph))
    finally:
        torch.set_default_dtype(torch.float32)
    hierarchy = coarsen(graph, levels=levels)
    for k in range(1, levels + 1):
        level = hierarchy[min(k, len(hierarchy) - 1)]
        assert level_graph(data, k) == level.graph
        parent = hierarchy[k - 1].parent if k < len(hierarchy) else np.arange(level.num_nodes)
        assert data[f"parent_{k - 1}"].tolist() == np.asarray(parent).tolist()
        assert data.num_nodes_of(k) == level.num_nodes
    assert f"parent_{levels}" not in data
    assert data.num_nodes_of(0) == data.num_nodes == graph.num_nodes


def test_sizes_are_the_levels() -> None:
    graph = as_graph(nx.grid_2d_graph(10, 10))
    data = Coarsen(sizes=(7, 30))(to_pyg(graph))
    hierarchy = coarsen(graph, sizes=(7, 30))
    assert (data.num_nodes_of(1), data.num_nodes_of(2)) == (30, 7)
    assert "edge_index_3" not in data
    middle = hierarchy.level(30).index
    assert data.parent_0.tolist() == hierarchy.parent(0, middle).tolist()
    assert data.parent_1.tolist() == hierarchy.parent(middle, -1).tolist()


@settings(max_examples=25)
@given(st.lists(graphs(min_nodes=1, max_nodes=12), min_size=1, max_size=4), st.integers(1, 3))
def test_a_batch_is_its_members_one_after_another(members: list[Graph], levels: int) -> None:
    alone = [Coarsen(levels)(with_features(graph, i)) for i, graph in enumerate(members)]
    (batch,) = DataLoader(alone, batch_size=len(alone))
    for k in range(levels + 1):
        sizes = [data.num_nodes_of(k) for data in alone]
        starts = np.cumsum([0, *sizes])
        if k:
            expected = [
                data[f"edge_index_{k}"] + int(s) for data, s in zip(alone, starts, strict=False)
            ]
            assert batch[f"edge_index_{k}"].equal(torch.cat(expected, dim=1))
            assert batch[f"batch_{k}"].equal(
                torch.arange(len(alone)).repeat_interleave(torch.tensor(sizes))
            )
            for name in (f"edge_weight_{k}", f"node_weight_{k}"):
                assert batch[name].equal(torch.cat([data[name] for data in alone]))
        if k < levels:
            next_starts = np.cumsum([0, *(data.num_nodes_of(k + 1) for data in alone)])
            expected = [
                data[f"parent_{k}"] + int(s) for data, s in zip(alone, next_starts, strict=False)
            ]
            assert batch[f"parent_{k}"].equal(torch.cat(expected))
    for data, again in zip(alone, batch.to_data_list(), strict=True):
        assert type(again) is MultiScaleData
        assert set(again.keys()) == set(data.keys())
        for key, value in data.to_dict().items():
            assert torch.equal(torch.as_tensor(again[key]), torch.as_tensor(value)), key


def test_pooling_in_a_batch_is_pooling_alone() -> None:
    members = [as_graph(g) for g in (nx.path_graph(9), nx.star_graph(6), nx.grid_2d_graph(4, 4))]
    transform = Coarsen(2)
    alone = [transform(with_features(graph, i)) for i, graph in enumerate(members)]
    (batch,) = DataLoader(alone, batch_size=3)

    def pooled(data: Data) -> torch.Tensor:
        once = scatter(data.x, data.parent_0, reduce="max")
        return scatter(once, data.parent_1, reduce="max")

    assert pooled(batch).equal(torch.cat([pooled(data) for data in alone]))
    for i, (graph, data) in enumerate(zip(members, alone, strict=True)):
        ours = coarsen(graph, levels=2).restrict(data.x.numpy(), 0, 2, "max")
        np.testing.assert_array_equal(pooled(batch)[batch.batch_2 == i], ours)


def test_other_attributes_stay_and_the_input_is_left_alone() -> None:
    data = Data(
        x=torch.ones(5, 2), edge_index=torch.tensor([[0, 1, 2], [1, 2, 3]]), pos=torch.zeros(5, 3)
    )
    data.edge_attr = torch.tensor([[1.0], [9.0], [1.0]])
    data.name = "five"
    with pytest.raises(ValueError, match="not symmetric"):
        Coarsen(1)(data)
    keys = set(data.keys())
    result = Compose([ToUndirected(), Coarsen(1, weights="edge_attr")])(data)
    assert set(data.keys()) == keys
    assert {*keys, "parent_0", "edge_index_1"} <= set(result.keys())
    assert result.name == "five"
    assert result.num_nodes == 5, "the last node is isolated"
    parent = result.parent_0.tolist()
    assert parent[1] == parent[2], "the heavy edge merges"


def test_options_reach_the_coarsening_and_the_transform_is_picklable() -> None:
    data = to_pyg(as_graph(nx.random_geometric_graph(60, 0.3, seed=0)))
    method = VisitingOrderMatching(seed=3)
    transform = pickle.loads(pickle.dumps(Coarsen(2, method=method, backend="python")))
    expected = coarsen(as_graph(data), levels=2, method=method)
    assert transform(data).parent_0.tolist() == np.asarray(expected[0].parent).tolist()
    assert repr(transform) == "Coarsen(levels=2)"
    assert repr(Coarsen(sizes=[3, 9])) == "Coarsen(sizes=[9, 3])"


def test_a_data_of_ones_own() -> None:
    class Paired(Data):
        def __inc__(self, key, value, *args, **kwargs):
            return 100 if key == "partner" else super().__inc__(key, value, *args, **kwargs)

    class MultiScalePaired(MultiScaleData, Paired):
        pass

    ids = torch.tensor([[0, 1], [1, 0]])
    with pytest.raises(TypeError, match="Paired has its own __inc__, which would be lost"):
        Coarsen(1)(Paired(edge_index=ids, num_nodes=2))
    result = Coarsen(1)(MultiScalePaired(edge_index=ids, num_nodes=2, partner=torch.tensor([1, 0])))
    assert type(result) is MultiScalePaired
    assert Batch.from_data_list([result, result]).partner.tolist() == [1, 0, 101, 100]
    assert Batch.from_data_list([result, result]).parent_0.tolist() == [0, 0, 1, 1]


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="either levels or sizes"):
        Coarsen()
    with pytest.raises(ValueError, match="either levels or sizes"):
        Coarsen(2, sizes=[3])
    with pytest.raises(ValueError, match="min_nodes is no option of Coarsen"):
        Coarsen(2, min_nodes=3)
    one = to_pyg(as_graph(nx.path_graph(3)))
    with pytest.raises(TypeError, match="a Data of one graph, got DataBatch"):
        Coarsen(2)(Batch.from_data_list([one, one]))
    with pytest.raises(TypeError, match="a Data of one graph, got HeteroData"):
        Coarsen(2)(HeteroData())
    with pytest.raises(ValueError, match="sizes has 9, and the graph has 3 nodes"):
        Coarsen(sizes=[9])(one)
    with pytest.raises(ValueError, match=r"levels = 2\.5 must be an integer"):
        Coarsen(2.5)  # type: ignore[arg-type]


def test_new_levels_replace_all_old_ones() -> None:
    data = to_pyg(as_graph(nx.path_graph(9)))
    again = Coarsen(1, method=VisitingOrderMatching(seed=3))(Coarsen(3)(data))
    afresh = Coarsen(1, method=VisitingOrderMatching(seed=3))(data)
    assert again.keys() == afresh.keys()
    assert torch.equal(again.parent_0, afresh.parent_0)
