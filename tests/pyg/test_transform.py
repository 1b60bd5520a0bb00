"""Coarsening as a transform of PyTorch Geometric, alone and in mini-batches."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch_geometric", reason="optional: PyTorch Geometric")

from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.datasets import FakeDataset
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import Compose, ToSparseTensor, ToUndirected
from torch_geometric.utils import scatter

from multiscale_gcn import (
    Graph,
    HeavyEdgeMatching,
    VisitingOrderMatching,
    as_graph,
    coarsen,
    to_networkx,
    to_pyg,
)
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


def assert_equal(one: Batch, other: Batch) -> None:
    names = set(one.keys())
    assert names == set(other.keys())
    for name in names:
        assert torch.equal(torch.as_tensor(one[name]), torch.as_tensor(other[name])), name


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
    with pytest.raises(ValueError, match="give either levels, ratio or both, or sizes"):
        Coarsen()
    with pytest.raises(ValueError, match="give either levels, ratio or both, or sizes"):
        Coarsen(2, sizes=[3])
    with pytest.raises(ValueError, match="min_nodes is no option of Coarsen"):
        Coarsen(2, min_nodes=3)
    one = to_pyg(as_graph(nx.path_graph(3)))
    with pytest.raises(TypeError, match="a Data or a batch of them, got HeteroData"):
        Coarsen(2)(HeteroData())
    with pytest.raises(ValueError, match="neither edge_index nor adj_t"):
        Coarsen(2)(Data(x=torch.ones(3, 1)))
    with pytest.raises(ValueError, match=r"ratio = 1\.5 must be below 1"):
        Coarsen(ratio=1.5)
    with pytest.raises(ValueError, match=r"ratio\[1\] = 0 must be positive"):
        Coarsen(ratio=[0.5, 0])
    with pytest.raises(ValueError, match="ratio has 2 entries and levels = 3"):
        Coarsen(3, ratio=[0.5, 0.5])
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


@settings(max_examples=30)
@given(
    graphs(min_nodes=0, max_nodes=25),
    st.lists(st.sampled_from(["0.1", "0.25", "0.5", "0.9"]), min_size=1, max_size=3),
)
def test_ratios_are_shares_of_the_level_before(graph: Graph, ratios: list[str]) -> None:
    """Never fewer nodes than the share, and as many if the graph holds together."""
    data = Coarsen(ratio=[float(ratio) for ratio in ratios])(with_features(graph))
    sizes = data.level_sizes[0].tolist()
    assert sizes == [data.num_nodes_of(k) for k in range(len(ratios) + 1)]
    whole = graph.num_nodes and nx.is_connected(to_networkx(graph))
    wanted = graph.num_nodes
    for size, ratio in zip(sizes[1:], ratios, strict=True):
        wanted = math.ceil(Fraction(ratio) * wanted)
        assert size >= wanted
        assert size == wanted or not whole
    assert sizes == sorted(sizes, reverse=True)


def test_one_ratio_is_that_of_all_levels() -> None:
    graph = as_graph(nx.path_graph(30))
    assert Coarsen(ratio=0.1)(to_pyg(graph)).level_sizes.tolist() == [[30, 3]]
    assert Coarsen(3, ratio=0.5)(to_pyg(graph)).level_sizes.tolist() == [[30, 15, 8, 4]]
    assert repr(Coarsen(2, ratio=0.5)) == "Coarsen(ratio=[0.5, 0.5])"


def test_ratios_stop_where_constraints_of_the_method_do() -> None:
    light = HeavyEdgeMatching(max_node_weight=2)
    data = Coarsen(3, ratio=0.25, method=light)(to_pyg(as_graph(nx.path_graph(8))))
    assert data.level_sizes.tolist() == [[8, 4, 4, 4]]


def test_a_batch_is_coarsened_member_by_member() -> None:
    members = [with_features(as_graph(nx.path_graph(n)), n) for n in (9, 4, 1)]
    batch = Coarsen(2)(Batch.from_data_list(members))
    expected = Batch.from_data_list([Coarsen(2)(data) for data in members])
    assert_equal(batch, expected)


@pytest.mark.filterwarnings("ignore:Sparse")
def test_an_adjacency_in_place_of_edges() -> None:
    data = with_features(as_graph(nx.random_geometric_graph(12, 0.5, seed=0)))
    sparse = ToSparseTensor(attr="edge_weight")(data.clone())
    assert sparse.edge_index is None
    ours, expected = Coarsen(2)(sparse), Coarsen(2)(data)
    for name in ("parent_0", "edge_index_1", "edge_weight_2", "batch_1", "level_sizes"):
        assert torch.equal(ours[name], expected[name])
    assert ours.adj_t is sparse.adj_t
    batch = Batch.from_data_list([ours, ours])
    assert batch.parent_0.max() + 1 == 2 * ours.num_nodes_of(1)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
def test_a_graph_without_edges(dtype: torch.dtype) -> None:
    empty = Data(edge_index=torch.empty(2, 0, dtype=dtype), num_nodes=5)
    alone = HeavyEdgeMatching(isolated="keep")
    data = Coarsen(2, method=alone)(empty)
    assert data.level_sizes.tolist() == [[5, 5, 5]]
    assert data.parent_0.tolist() == [0, 1, 2, 3, 4]
    assert Coarsen(ratio=0.5)(Data(edge_index=empty.edge_index, num_nodes=0)).num_nodes_of(1) == 0


def test_levels_have_the_type_of_the_edges() -> None:
    wide = with_features(as_graph(nx.grid_2d_graph(4, 4)))
    narrow = wide.clone()
    narrow.edge_index = wide.edge_index.to(torch.int32)
    one, other = Coarsen(2)(wide), Coarsen(2)(narrow)
    indices = ["edge_index", "edge_index_1", "edge_index_2"]
    assert {one[name].dtype for name in indices} == {torch.int64}
    assert {other[name].dtype for name in indices} == {torch.int32}
    assert other.parent_0.dtype == torch.int64
    assert_equal(one, other)
    batch = Batch.from_data_list([other, other])
    assert {batch[name].dtype for name in indices} == {torch.int32}
    assert_equal(batch, Batch.from_data_list([one, one]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float32])
def test_edges_of_other_types_are_refused(dtype: torch.dtype) -> None:
    data = with_features(as_graph(nx.path_graph(3)))
    data.edge_index = data.edge_index.to(dtype)
    with pytest.raises(ValueError, match=f"edge_index is {dtype}; .* data.edge_index.long"):
        Coarsen(1)(data)


def test_batches_from_workers_are_those_of_one_process() -> None:
    dataset = FakeDataset(num_graphs=6, avg_num_nodes=15, transform=Coarsen(ratio=[0.5, 0.5]))
    alone = list(DataLoader(dataset, batch_size=3))
    from_workers = list(DataLoader(dataset, batch_size=3, num_workers=2))
    for one, other in zip(alone, from_workers, strict=True):
        assert_equal(one, other)


def test_a_method_made_of_the_data() -> None:
    seen = []

    def method(data: Data) -> VisitingOrderMatching:
        seen.append(data.num_nodes)
        return VisitingOrderMatching(seed=data.num_nodes)

    data = to_pyg(as_graph(nx.random_geometric_graph(40, 0.4, seed=1)))
    expected = Coarsen(2, method=VisitingOrderMatching(seed=40))(data)
    assert torch.equal(Coarsen(2, method=method)(data).parent_0, expected.parent_0)
    assert seen == [40]
