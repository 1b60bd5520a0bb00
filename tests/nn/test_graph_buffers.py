"""What belongs to a graph stays, where a network is given memory that a checkpoint is to fill."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import networkx as nx
import pytest
import torch
import torch_geometric.nn as pyg
from torch import Tensor, nn

from multiscale_gcn import Graph, coarsen
from multiscale_gcn.nn import (
    GConv,
    GraphAttention,
    GraphPool,
    GraphUnpool,
    HierarchyTransfer,
    MultiScaleGCN,
    NonLocal,
    PreNormResidual,
    Reflection,
    convolutions,
)

HIERARCHY = coarsen(nx.grid_2d_graph(6, 6), sizes=[18, 9])
LEVELS = [0, *(HIERARCHY.level(size).index for size in (18, 9))]
GRAPHS = [HIERARCHY[level].graph for level in LEVELS]


def network(**options: Any) -> MultiScaleGCN:
    given = {"transfer": HierarchyTransfer(HIERARCHY, LEVELS)} | options
    return MultiScaleGCN(
        GRAPHS, "u_net", in_channels=2, channels=8, out_channels=[1, 0, 0], **given
    )


def block(channels: int, graph: Graph) -> nn.Module:
    return PreNormResidual(channels, [GraphAttention(channels, channels, graph, heads=2)])


LAYERS: dict[str, Callable[[], nn.Module]] = {
    **{
        name: partial(network, convolution=getattr(convolutions, name))
        for name in convolutions.__all__
    },
    "of PyTorch Geometric": partial(network, convolution=partial(pyg.GATv2Conv, edge_dim=1)),
    "dense": partial(network, transfer=None),
    "attention": partial(network, block=block),
    "linear": partial(
        network, transfer=HierarchyTransfer(HIERARCHY, LEVELS, kind="smoothed"), start="given"
    ),
    "pooling": lambda: nn.Sequential(
        GraphPool(HIERARCHY, 0, LEVELS[1], "max"), GraphUnpool(HIERARCHY, LEVELS[1], 0)
    ),
    "groups": lambda: NonLocal(2, groups=[range(0, 18), range(18, 36)]),
    "reflection": lambda: Reflection([1, 0], [1, -1]),
}


@pytest.fixture(autouse=True)
def memory_that_is_not_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a device hands it out; a place that nobody filled is no number."""
    empty_like = torch.empty_like

    def dirty(tensor: Tensor, **options: Any) -> Tensor:
        made = empty_like(tensor, **options)
        return made.fill_(float("nan") if made.is_floating_point() else 99)

    monkeypatch.setattr(torch, "empty_like", dirty)


@pytest.mark.parametrize("begun", ["meta", "cpu"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_network_of_empty_memory_is_completed_by_its_checkpoint(name: str, begun: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]().eval()
    with torch.device(begun):
        empty = LAYERS[name]().eval()
    empty.to_empty(device="cpu")
    empty.load_state_dict(layer.state_dict())
    buffers = dict(empty.named_buffers())
    for path, expected in layer.named_buffers():
        assert torch.equal(buffers[path], expected), path
    x = torch.randn(3, 2 if name == "reflection" else 36, 2)
    for one, other in zip(empty(x), layer(x), strict=True):
        torch.testing.assert_close(one, other)


def test_what_a_checkpoint_holds_is_left_empty() -> None:
    empty = network().to_empty(device="cpu")
    assert all(p.isnan().all() for p in empty.parameters())


def test_numbers_of_the_graph_follow_to_other_types() -> None:
    layer = GConv(2, 3, GRAPHS[0])
    moved = copy.deepcopy(layer).double().to(torch.bfloat16)
    assert torch.equal(moved.adjacency, layer.adjacency.bfloat16())
    assert torch.equal(moved.pattern.columns, layer.pattern.columns)
    assert {b.device.type for b in moved.to("meta").buffers()} == {"meta"}
