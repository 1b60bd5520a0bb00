"""Networks on mini-batches of different graphs: members are alone, scales stay as they are."""

from __future__ import annotations

from functools import partial
from typing import Any

import networkx as nx
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("torch_geometric", reason="optional: PyTorch Geometric")

import torch_geometric.nn as pyg
from chosen_nodes import EverySecond
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import ToSparseTensor

from multiscale_gcn import BiStride, FarthestPoints, as_graph, to_pyg
from multiscale_gcn.pyg import Coarsen, MultiScaleNet

SCHEDULES = ["u_net", "parallel"]
CONVOLUTIONS = [
    pyg.SAGEConv,
    pyg.GraphConv,
    partial(pyg.GATv2Conv, heads=2, concat=False, edge_dim=1),
    partial(pyg.ChebConv, K=3),
    lambda i, o: pyg.GINConv(nn.Linear(i, o)),
]
GRAPHS = [nx.path_graph(9), nx.star_graph(6), nx.grid_2d_graph(4, 4), nx.path_graph(1)]


def members(seed: int = 0, **options: Any) -> list[Data]:
    generator = torch.Generator().manual_seed(seed)
    found = []
    for graph in GRAPHS:
        data = to_pyg(as_graph(graph), dtype=torch.float64)
        data.x = torch.randn(data.num_nodes, 3, generator=generator, dtype=torch.float64)
        found.append(Coarsen(2, **options)(data))
    return found


def test_narrow_indices_give_the_same() -> None:
    torch.manual_seed(0)
    network = MultiScaleNet(3, 8, 2, levels=2).double()
    batch = Batch.from_data_list(members())
    expected = network(batch)
    for k in ("", "_1", "_2"):
        batch[f"edge_index{k}"] = batch[f"edge_index{k}"].to(torch.int32)
    assert torch.equal(network(batch), expected)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_members_of_a_batch_are_by_themselves(schedule: Any, convolution: Any) -> None:
    torch.manual_seed(0)
    network = MultiScaleNet(3, 8, 2, levels=2, convolution=convolution, schedule=schedule).double()
    alone = members()
    (batch,) = DataLoader(alone, batch_size=len(alone))
    whole = network(batch)
    assert whole.shape == (batch.num_nodes, 2)
    for k, data in enumerate(alone):
        torch.testing.assert_close(whole[batch.batch == k], network(data))
    others = Batch.from_data_list([alone[2], *members(seed=1)])
    torch.testing.assert_close(network(others)[:16], network(alone[2]))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_graph_many_times_and_gradients(schedule: Any) -> None:
    torch.manual_seed(0)
    network = MultiScaleNet(3, 8, 2, levels=2, schedule=schedule).double()
    (data, *_) = members()
    repeated = Batch.from_data_list([data] * 4)
    torch.testing.assert_close(
        network(repeated).unflatten(0, (4, 9)), network(data).expand(4, 9, 2)
    )
    upstream = torch.randn(9, 2, dtype=torch.float64)
    parameters = list(network.parameters())
    once = torch.autograd.grad((network(data) * upstream).sum(), parameters)
    four = torch.autograd.grad((network(repeated) * upstream.repeat(4, 1)).sum(), parameters)
    for one, other in zip(once, four, strict=True):
        torch.testing.assert_close(4 * one, other)
        assert one.abs().sum() > 0


def test_a_u_net_written_out() -> None:
    torch.manual_seed(0)
    network: Any = MultiScaleNet(
        3, 8, 2, levels=1, convolution=pyg.GraphConv, depth=1, pool="max"
    ).double()
    data = Coarsen(1)(members()[2].without_levels())

    def block(part: Any, x: Tensor, index: Tensor, weights: Tensor) -> Tensor:
        return part.norms[0](x + part.convolutions[0](x, index, weights).relu())

    fine = (data.edge_index, data.edge_weight.double())
    coarse = (data.edge_index_1, data.edge_weight_1.double())
    top = block(network.body.downs[0], network.encode(data.x), *fine)
    pooled = torch.stack(
        [top[data.parent_0 == c].max(0).values for c in range(data.num_nodes_of(1))]
    )
    below = block(network.body.downs[1], pooled, *coarse)
    both = torch.cat([top, below[data.parent_0]], dim=1)
    expected = network.decode(block(network.body.ups[0], network.body.joins[0](both), *fine))
    torch.testing.assert_close(network(data), expected)


def test_a_parallel_network_written_out() -> None:
    torch.manual_seed(0)
    network: Any = MultiScaleNet(
        3, 8, 2, levels=2, convolution=pyg.SAGEConv, depth=2, schedule="parallel"
    ).double()
    data = members()[2]

    def pooled(x: Tensor, k: int) -> Tensor:
        parent = data[f"parent_{k}"]
        return torch.stack([x[parent == c].mean(0) for c in range(data.num_nodes_of(k + 1))])

    def carried(x: Tensor, source: int, target: int) -> Tensor:
        for k in range(source, target):
            x = pooled(x, k)
        for k in reversed(range(target, source)):
            x = x[data[f"parent_{k}"]]
        return x

    x = network.encode(data.x)
    features = [carried(x, 0, k) for k in range(3)]
    edges = [data.edge_index, data.edge_index_1, data.edge_index_2]
    for stage, readers in enumerate((3, 1)):
        worked = []
        for k in range(3):
            part = network.body.blocks[stage][k]
            news = part.convolutions[0](features[k], edges[k]).relu()
            worked.append(part.norms[0](features[k] + news))
        features = []
        for k in range(readers):
            exchange = network.body.exchanges[stage][k]
            total = worked[k]
            for i in range(3):
                if i != k:
                    total = total + carried(exchange.maps[str(i)](worked[i]), i, k)
            features.append(exchange.norm(total))
    torch.testing.assert_close(network(data), network.decode(features[0]))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("depth", [1, 6])
@pytest.mark.parametrize("convolution", [pyg.SAGEConv, pyg.GraphConv, pyg.GATv2Conv])
def test_the_scale_at_the_start_is_that_of_any_depth(
    schedule: Any, levels: int, depth: int, convolution: Any
) -> None:
    torch.manual_seed(0)
    data = to_pyg(as_graph(nx.grid_2d_graph(12, 12)))
    data.x = torch.randn(144, 3)
    data = Coarsen(levels)(data)
    network = MultiScaleNet(
        3, 32, 16, levels, convolution=convolution, schedule=schedule, depth=depth
    )
    inside: list[float] = []
    for module in network.modules():
        if isinstance(module, nn.LayerNorm):
            module.register_forward_hook(lambda m, x, y: inside.append(y.std().item()))
    result = network(data)
    assert 0.2 < result.std() < 2
    assert len(inside) >= levels * depth
    assert all(0.9 < value < 1.1 for value in inside)
    result.square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_interpolating_levels() -> None:
    network = MultiScaleNet(3, 8, 2, levels=1, pool="sampled", unpool="interpolated").double()
    data = Coarsen(1, method=EverySecond())(members()[0].without_levels())
    assert network(data).shape == (9, 2)
    with pytest.raises(ValueError, match="has no sampled_0"):
        network(members()[0])


@pytest.mark.parametrize("method", [BiStride(), lambda data: FarthestPoints(data.pos)])
def test_methods_that_choose_nodes(method: Any) -> None:
    torch.manual_seed(0)
    network = MultiScaleNet(3, 8, 2, levels=2, pool="sampled", unpool="interpolated").double()
    found = []
    for data in members()[:3]:
        data = data.without_levels()
        data.pos = torch.randn(data.num_nodes, 3, dtype=torch.float64)
        found.append(Coarsen(2, method=method)(data))
    whole = network(Batch.from_data_list(found))
    torch.testing.assert_close(whole, torch.cat([network(data) for data in found]))


@pytest.mark.filterwarnings("ignore:Sparse")
def test_an_adjacency_in_place_of_edges() -> None:
    torch.manual_seed(0)
    network = MultiScaleNet(3, 8, 2, levels=2, convolution=pyg.GraphConv).double()
    data = members()[2]
    sparse = ToSparseTensor(attr="edge_weight")(data.clone())
    torch.testing.assert_close(network(sparse), network(data))


def test_features_may_come_from_elsewhere() -> None:
    network = MultiScaleNet(5, 8, 2, levels=2).double()
    data = members()[0]
    assert network(data, torch.randn(9, 5, dtype=torch.float64)).shape == (9, 2)


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda d: MultiScaleNet(3, 8, 2, 0), ValueError, "levels = 0 must be at least 1"),
        (
            lambda d: MultiScaleNet(3, 8, 2, 1, schedule="w_cycle"),  # type: ignore[arg-type]
            ValueError,
            "schedule = 'w_cycle' is neither 'u_net' nor 'parallel'",
        ),
        (
            lambda d: MultiScaleNet(3, 8, 2, 1, convolution=partial(pyg.GATv2Conv, heads=4)),
            ValueError,
            "heads=4, concat=False",
        ),
        (
            lambda d: MultiScaleNet(3, 8, 2, 1, convolution=pyg.GINConv),
            TypeError,
            r"GINConv is not made of \(in_channels, out_channels\)",
        ),
        (
            lambda d: MultiScaleNet(3, 8, 2, 1, convolution=7),
            TypeError,
            r"convolution = 7 is no function of \(in_channels, out_channels\)",
        ),
        (
            lambda d: MultiScaleNet(4, 8, 2, 2).double()(d),
            ValueError,
            r"x has shape \[9, 3\], expected \[9, 4\]",
        ),
        (
            lambda d: MultiScaleNet(3, 8, 2, 2)(d),
            ValueError,
            "weight of the layer is torch.float32 and x torch.float64",
        ),
        (
            lambda d: MultiScaleNet(3, 8, 2, 3)(d),
            ValueError,
            r"level = 3 is none of this Data, which has 2",
        ),
        (
            lambda d: MultiScaleNet(3, 8, 2, 2)(d.without_levels()),
            ValueError,
            r"Coarsen\(levels=2\) makes so many",
        ),
        (
            lambda d: MultiScaleNet(3, 8, 2, 2)(d, [[0.0] * 3] * 9),
            TypeError,
            "x is a list; give a torch.Tensor",
        ),
    ],
)
def test_bad_arguments_are_named(run: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(members()[0])
