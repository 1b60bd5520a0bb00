from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_schedules import Case, cases, dependencies
from torch import Tensor, nn

from multiscale_gcn import Graph, Hierarchy, as_graph, coarsen
from multiscale_gcn.nn import (
    GConv,
    GraphMLP,
    HierarchyTransfer,
    InParts,
    MultiScaleGCN,
    PreNormResidual,
    SemGConv,
)
from multiscale_gcn.nn.plan import plan
from multiscale_gcn.testing import graphs

CHANNELS = 4


@pytest.fixture(autouse=True)
def in_doubles() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def block(channels: int, graph: Graph, convolution: Any = GConv) -> nn.Module:
    layers = [GraphMLP(channels, graph, convolution=convolution) for _ in range(2)]
    return PreNormResidual(channels, layers)


def builder(
    levels: list[int],
    stages: Any = "v_cycle",
    inputs: tuple[int, ...] | None = None,
    outputs: tuple[int, ...] | None = None,
    convolution: Any = GConv,
    **options: Any,
) -> Callable[[Hierarchy], MultiScaleGCN]:
    inputs = inputs or (1,) + (0,) * (len(levels) - 1)
    outputs = outputs or inputs
    plain = [nn.Linear if width else None for width in inputs]

    def linear(in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        return nn.Linear(in_channels, out_channels)

    def build(hierarchy: Hierarchy) -> MultiScaleGCN:
        return MultiScaleGCN(
            [hierarchy[level].graph for level in levels],
            stages,
            **{
                "in_channels": [2 * width for width in inputs],
                "channels": CHANNELS,
                "out_channels": [3 * width for width in outputs],
                "convolution": convolution,
                "encoder": [linear if given else None for given in plain],
                "block": partial(block, convolution=convolution),
                "transfer": HierarchyTransfer(hierarchy, levels),
                "non_local": False,
            }
            | options,
        )

    return build


def stirred(network: InParts) -> InParts:
    """With other parameters than those that networks begin with, of nodes too."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.3 * noise)
    return network


def features(hierarchy: Hierarchy, levels: list[int], widths: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [
        torch.randn(2, hierarchy[level].num_nodes, 2, generator=generator)
        for level, width in zip(levels, widths, strict=True)
        if width
    ]


def loss(outputs: tuple[Tensor, ...]) -> Tensor:
    return torch.stack([(y.sin() * y).sum() for y in outputs]).sum()


def assert_exact(network: InParts, inputs: tuple[int, ...]) -> None:
    """Outputs and gradients of the parts against those of the whole."""
    hierarchy, levels = network.hierarchy, list(network.levels)
    (everything,) = hierarchy.parts(1)
    whole = network.on(everything)
    x = features(hierarchy, levels, inputs)
    expected = whole(*x)
    loss(expected).backward()
    found = [torch.full_like(y, torch.nan) for y in expected]
    scales = [k for k, width in enumerate(whole.out_channels) if width]
    read = [k for k, width in enumerate(whole.in_channels) if width]
    for part in network.parts:
        own = [value[:, part.nodes[levels[k]].copy()] for k, value in zip(read, x, strict=True)]
        answers = network(part, *own)
        loss(answers).backward()
        for y, answer, k in zip(found, answers, scales, strict=True):
            y[:, part.core_nodes(levels[k]).copy()] = answer.detach()
    for y, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(y, wanted.detach())
    gradients = {name: p.grad for name, p in network.named_parameters()}
    network.zero_grad()
    loss(network(everything, *x)).backward()
    for name, p in network.named_parameters():
        torch.testing.assert_close(gradients[name], p.grad, msg=name)
        if name.startswith("shared."):
            of_whole = whole.get_parameter(name.removeprefix("shared.").replace("/", "."))
            torch.testing.assert_close(gradients[name], of_whole.grad)


def strip() -> Graph:
    return as_graph(nx.grid_2d_graph(3, 250))


@pytest.mark.parametrize("convolution", [GConv, SemGConv, partial(SemGConv, per_channel=True)])
@pytest.mark.parametrize("stages", ["v_cycle", "u_net", "parallel"])
def test_parts_compute_what_the_whole_does(stages: str, convolution: Any) -> None:
    hierarchy = coarsen(strip(), levels=3)
    levels = [0, 1, 3]
    torch.manual_seed(0)
    build = builder(levels, stages, convolution=convolution)
    network = stirred(InParts(build, hierarchy, levels, k=3))
    assert any(len(part.nodes[0]) < 500 for part in network.parts)
    assert_exact(network, (1, 0, 0))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_schedule_on_any_graph(data: st.DataObject) -> None:
    torch.set_default_dtype(torch.float64)
    case: Case = data.draw(cases(most_scales=3, most_stages=4))
    order = data.draw(st.sampled_from(["parallel", "sequential"]))
    try:
        plan(case.schedule, case.inputs, case.outputs, order == "sequential")
        dependencies(case, order == "sequential")
    except (LookupError, ValueError):
        return
    graph = data.draw(graphs(min_nodes=1, max_nodes=40))
    hierarchy = coarsen(graph, min_nodes=1)
    most = len(hierarchy) - 1
    count = len(case.inputs)
    levels = sorted(data.draw(st.lists(st.integers(0, most), min_size=count, max_size=count)))
    k = data.draw(st.integers(1, graph.num_nodes + 1))
    torch.manual_seed(0)
    build = builder(levels, case.schedule, case.inputs, case.outputs, fusion_order=order)
    assert_exact(stirred(InParts(build, hierarchy, levels, k)), case.inputs)
