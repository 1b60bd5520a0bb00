"""Networks that one kernel takes, for tests on a device and without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import torch
from layer_graphs import ring
from torch import nn

from multiscale_gcn import Graph, coarsen
from multiscale_gcn.nn import (
    GConv,
    GraphConvBlock,
    HierarchyTransfer,
    MultiScaleGCN,
    NonLocal,
    ResGConv,
    Schedule,
    SemGConv,
    whole_network,
)
from multiscale_gcn.ops.whole_network import Program

RINGS = (ring(9, 2), ring(20, 3), ring(33, 2))


def _network(stages: Any, **options: Any) -> MultiScaleGCN:
    graphs = options.pop("graphs", RINGS)
    given: dict[str, Any] = {"in_channels": 2, "channels": 16, "out_channels": 3}
    return MultiScaleGCN(graphs, stages, **{**given, **options})


def _sparse() -> MultiScaleGCN:
    hierarchy = coarsen(nx.grid_2d_graph(6, 6), sizes=[18, 9])
    levels = [0, len(hierarchy) // 2, len(hierarchy) - 1]
    return _network(
        "u_net",
        graphs=[hierarchy[level].graph for level in levels],
        channels=[16, 24, 40],
        out_channels=[1, 0, 0],
        transfer=HierarchyTransfer(hierarchy, levels),
    )


NETWORKS: dict[str, Callable[[], MultiScaleGCN]] = {
    "as HGN": lambda: _network([(0, 1), (0, 1), (0, 1, 2), (0, 1, 2)], start="published"),
    "one scale": lambda: _network([(0,), (0,)], graphs=RINGS[:1]),
    "one scale of 96 nodes": lambda: _network([(0,)], graphs=[ring(96, 3)], channels=32),
    "odd widths": lambda: _network("v_cycle", channels=[7, 18, 33], out_channels=[5, 0, 2]),
    "in sequence": lambda: _network("parallel", fusion_order="sequential"),
    "V-cycle": lambda: _network("v_cycle", out_channels=[3, 0, 0]),
    "W-cycle, GConv": lambda: _network("w_cycle", convolution=GConv, out_channels=[3, 0, 0]),
    "U-net, sparse maps": _sparse,
    "skips side by side": lambda: _network(
        Schedule([(0,), (0, 1), (0,)], skips="concatenate"), graphs=RINGS[:2], out_channels=[3, 0]
    ),
    "two inputs": lambda: _network([(0, 1), (0, 1)], graphs=RINGS[:2], in_channels=[2, 5]),
    "without non-local": lambda: _network([(0, 1)], graphs=RINGS[:2], non_local=False),
}


LAYERS: dict[str, Callable[[Graph, int], nn.Module]] = {
    "nothing": lambda graph, c: nn.Identity(),
    "Linear": lambda graph, c: nn.Linear(c, c + 1),
    "GConv": lambda graph, c: GConv(c, 2 * c, graph),
    "GConv with a matrix of its own": lambda graph, c: GConv(c, c, graph, separate_self=True),
    "SemGConv": lambda graph, c: SemGConv(c, c, graph, bias=False),
    "GraphConvBlock": lambda graph, c: GraphConvBlock(c, c, graph),
    "NonLocal": lambda graph, c: NonLocal(c),
    "ResGConv": lambda graph, c: ResGConv(c, graph),
}
SIZES = ((1, 2), (9, 8), (17, 33), (48, 128), (100, 20))
"""Nodes and channels."""


def program_of_layer(layer: nn.Module, nodes: int, channels: int) -> Program:
    """One that reads its input, and writes what it makes."""
    program = Program()
    program.write(whole_network._layer(program, layer, program.read(nodes, channels)))
    return program


def inputs_of(network: MultiScaleGCN, batch: int) -> list[torch.Tensor]:
    """Random, on a CPU."""
    return [
        torch.randn(batch, nodes, width)
        for nodes, width in zip(network.sizes, network.in_channels, strict=True)
        if width
    ]
