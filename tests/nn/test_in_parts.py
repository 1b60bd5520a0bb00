from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from processes_together import run_together
from random_schedules import Case, cases, dependencies
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler
from torch_geometric.nn import SAGEConv

from multiscale_gcn import Graph, Hierarchy, ReceptiveField, as_graph, coarsen
from multiscale_gcn.nn import (
    GConv,
    GraphMLP,
    HierarchyTransfer,
    InParts,
    KHopConv,
    MultiScaleGCN,
    PartDataset,
    PreNormResidual,
    SemGConv,
    SparseMap,
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
                "encoder": [linear if width else None for width in inputs],
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
    for name, gradient in whole_gradients(network, whole).items():
        torch.testing.assert_close(gradients[name], gradient, msg=name)


def whole_gradients(network: InParts, whole: MultiScaleGCN) -> dict[str, Tensor]:
    """The gradients of the whole network, in the order in which those of nodes are kept."""
    found = {}
    graphs = [network.hierarchy[level].graph for level in network.levels]
    for name, parameter in network.named_parameters():
        path = name.partition(".")[2].replace("/", ".")
        given = whole.get_parameter(path).grad
        assert given is not None
        owner = whole.get_submodule(path.rpartition(".")[0])
        kept = torch.zeros(parameter.shape)
        if isinstance(owner, SparseMap) and path.endswith("weight"):
            finer_is_source = owner.in_features > owner.out_features
            ends = owner.pattern.columns if finer_is_source else owner.pattern.rows
            kept[ends] = given
        elif isinstance(owner, SemGConv) and path.endswith("logits"):
            loops = owner.pattern.rows == owner.pattern.columns
            n = int(loops.sum())
            graph = next(graph for graph in graphs if graph.num_nodes == n)
            apart = torch.from_numpy(graph.rows() != graph.indices)
            kept[..., :n] = given[..., loops]
            kept[..., n:][..., apart] = given[..., ~loops]
        else:
            kept = given
        found[name] = kept
    return found


def strip() -> Graph:
    return as_graph(nx.grid_2d_graph(3, 250))


@pytest.mark.parametrize(
    ("stages", "convolution"),
    [
        ("v_cycle", GConv),
        ("u_net", partial(SemGConv, per_channel=True)),
        ("parallel", SemGConv),
        ("parallel", partial(GConv, weighted=True)),
    ],
)
def test_parts_compute_what_the_whole_does(stages: str, convolution: Any) -> None:
    hierarchy = coarsen(strip(), levels=3)
    levels = [0, 1, 3]
    torch.manual_seed(0)
    build = builder(levels, stages, convolution=convolution)
    network = stirred(InParts(build, hierarchy, levels, k=3))
    assert any(len(part.nodes[0]) < 500 for part in network.parts)
    assert_exact(network, (1, 0, 0))


@given(st.data())
@settings(max_examples=25, deadline=None)
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


def test_a_hop_less_is_not_exact() -> None:
    """The halo is as small as can be, and the ring beyond it has to be there."""
    hierarchy = coarsen(strip(), levels=1)
    torch.manual_seed(0)
    network = stirred(InParts(builder([0], [(0,)]), hierarchy, [0], k=3))
    assert network.parts.field == ReceptiveField.of_hops(3)
    assert_exact(network, (1,))
    network.parts = network.parts.with_halo(2)
    with pytest.raises(AssertionError):
        assert_exact(network, (1,))


def test_a_network_starts_as_the_whole_one_does() -> None:
    hierarchy, levels = coarsen(strip(), levels=3), [0, 1, 3]
    build = builder(levels, "parallel", convolution=SemGConv)
    torch.manual_seed(0)
    whole = build(hierarchy)
    torch.manual_seed(0)
    network = InParts(build, hierarchy, levels, k=3)
    before = torch.random.get_rng_state()
    (x,) = features(hierarchy, levels, (1, 0, 0))
    part = network.parts[1]
    (expected,), (found,) = whole(x), network(part, x[:, part.nodes[0].copy()])
    torch.testing.assert_close(found, expected[:, part.core_nodes().copy()])
    assert torch.equal(torch.random.get_rng_state(), before)


def steps_of_training(network: nn.Module, batches: Any) -> list[float]:
    """Three steps, each on all batches; what every batch adds to the loss is added up."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        total = 0.0
        for inputs, target in batches:
            (y,) = network(*inputs)
            value = (y[0] - target).square().sum() / 750
            value.backward()
            total += value.item()
        optimizer.step()
        losses.append(total)
    return losses


@pytest.mark.parametrize("workers", [0, 1])
def test_training_on_parts_is_training_on_the_whole(workers: int) -> None:
    hierarchy, levels = coarsen(strip(), levels=3), [0, 1, 3]
    x = np.random.default_rng(0).normal(size=(1, 750, 2))
    y = (np.arange(2250.0) % 7).reshape(750, 3)
    torch.manual_seed(0)
    whole = builder(levels)(hierarchy)
    torch.manual_seed(0)
    network = InParts(builder(levels), hierarchy, levels, k=3)
    data = PartDataset(network.parts, x[0], y)
    loader = DataLoader(data, batch_size=None, shuffle=True, num_workers=workers)
    in_parts = (
        ((part, own[None]), target[part.core[0].copy()]) for part, own, target in list(loader)
    )
    found = steps_of_training(network, list(in_parts))
    expected = steps_of_training(whole, [((torch.from_numpy(x),), torch.from_numpy(y))])
    assert expected[-1] < 0.99 * expected[0]
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_the_network_of_one_part_is_the_whole_one_with_what_was_learned() -> None:
    hierarchy, levels = coarsen(strip(), levels=3), [0, 1, 3]
    network = stirred(InParts(builder(levels), hierarchy, levels, k=3))
    (everything,) = hierarchy.parts(1)
    whole = builder(levels)(hierarchy)
    whole.load_state_dict(network.on(everything).state_dict())
    (x,) = features(hierarchy, levels, (1, 0, 0))
    torch.testing.assert_close(whole(x), network(everything, x))


def usual(hierarchy: Hierarchy, **options: Any) -> MultiScaleGCN:
    usually: dict[str, Any] = {
        "in_channels": 2,
        "channels": 4,
        "out_channels": [3, 0],
        "transfer": HierarchyTransfer(hierarchy),
        "non_local": False,
    }
    return MultiScaleGCN([level.graph for level in hierarchy], "v_cycle", **usually | options)


def test_norms_with_known_statistics_are_exact() -> None:
    hierarchy = coarsen(strip(), levels=1)
    network = InParts(lambda part: usual(part).eval(), hierarchy, [0, 1], k=3)
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.copy_(1.0 + torch.rand(buffer.shape))
    assert_exact(network, (1, 0))


def test_dropout_follows_the_mode() -> None:
    hierarchy = coarsen(strip(), levels=1)

    def build(part: Hierarchy) -> MultiScaleGCN:
        made = usual(part, dropout=0.5).eval()
        for module in made.modules():
            module.train(isinstance(module, nn.Dropout))
        return made

    network = InParts(build, hierarchy, [0, 1], k=3)
    part, x = PartDataset(network.parts, torch.randn(750, 2))[0]
    assert not torch.equal(network(part, x[None])[0], network(part, x[None])[0])
    network.eval()
    assert torch.equal(network(part, x[None])[0], network(part, x[None])[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"inputs\.0\.norm takes its statistics from all nodes"),
        ({"non_local": True}, r"blocks\.0\.0\.non_local is a NonLocal, which reads all nodes"),
        ({"transfer": None}, r"beginnings\.1\.maps\.0 is a DenseMap, which reads all nodes"),
        ({"convolution": KHopConv}, r"is a KHopConv, of which it is not known how far it reads"),
        ({"convolution": SAGEConv}, r"hops=\{SAGEConv: 1\}"),
    ],
)
def test_what_no_part_can_compute_is_refused(options: dict[str, Any], message: str) -> None:
    hierarchy = coarsen(nx.path_graph(12), levels=1)

    def build(part: Hierarchy) -> MultiScaleGCN:
        return usual(part, **options) if not options else usual(part, **options).eval()

    with pytest.raises(ValueError, match=message):
        InParts(build, hierarchy, [0, 1], k=3)


def test_layers_of_others_are_taken_with_their_hops() -> None:
    hierarchy = coarsen(strip(), levels=1)
    build = partial(usual, convolution=SAGEConv)
    network = InParts(lambda part: build(part).eval(), hierarchy, [0, 1], 3, hops={SAGEConv: 1})
    assert_exact(network, (1, 0))


class Centred(nn.Module):
    """Reads all nodes, and nothing in it shows that."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x - x.mean(1, keepdim=True))
        return y


class Gated(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.linear(x).sigmoid()


class Named(nn.Sequential):
    """Does what a row of layers does."""


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (Centred, "Centred"),
        (lambda c: nn.Sequential(nn.Linear(c, c), Gated(c)), "blocks.0.0.1 is a Gated"),
        (lambda c: nn.TransformerEncoderLayer(c, 2, batch_first=True), "TransformerEncoderLayer"),
        (lambda c: nn.GRU(c, c, batch_first=True), "GRU"),
        (lambda c: nn.InstanceNorm1d(c), "InstanceNorm1d"),
        (lambda c: nn.Softmax(1), "Softmax"),
    ],
)
def test_modules_that_may_read_all_nodes_are_refused(make: Any, told: str) -> None:
    hierarchy = coarsen(nx.path_graph(12), levels=1)

    def build(part: Hierarchy) -> MultiScaleGCN:
        return usual(part, block=lambda channels, graph: make(channels)).eval()

    with pytest.raises(ValueError, match=rf"{told}.*, and 0 in place of 1 if it reads no other"):
        InParts(build, hierarchy, [0, 1], k=3)


def test_modules_of_nodes_are_taken() -> None:
    hierarchy = coarsen(strip(), levels=1)

    def block(channels: int, graph: Graph) -> nn.Module:
        linear = nn.utils.parametrizations.weight_norm(nn.Linear(channels, channels))
        return Named(linear, nn.LayerNorm(channels), nn.GELU(), Gated(channels), nn.PReLU())

    def build(part: Hierarchy) -> MultiScaleGCN:
        return usual(part, block=block).eval()

    assert_exact(InParts(build, hierarchy, [0, 1], 3, hops={Gated: 0}), (1, 0))


def test_maps_of_several_weights_a_node_are_refused() -> None:
    hierarchy = coarsen(nx.grid_2d_graph(5, 5), levels=1)

    def build(part: Hierarchy) -> MultiScaleGCN:
        return usual(part, transfer=HierarchyTransfer(part, kind="smoothed")).eval()

    with pytest.raises(ValueError, match="has several weights for a node of level 0"):
        InParts(build, hierarchy, [0, 1], k=2)


def test_other_scales_than_levels_says_are_refused() -> None:
    hierarchy = coarsen(nx.path_graph(12), levels=1)
    with pytest.raises(ValueError, match="name the level of each scale in levels"):
        InParts(lambda part: usual(part).eval(), hierarchy, [1, 0], k=3)


def together(folder: str) -> dict[str, Any]:
    torch.set_default_dtype(torch.float64)
    dist.init_process_group("gloo")
    rank, count = dist.get_rank(), dist.get_world_size()
    hierarchy, levels = coarsen(strip(), levels=3), [0, 1, 3]
    torch.manual_seed(0)
    network = stirred(InParts(builder(levels), hierarchy, levels, k=4))
    model = DistributedDataParallel(network)
    (x,) = features(hierarchy, levels, (1, 0, 0))
    data = PartDataset(network.parts, x[0])
    sampler: DistributedSampler[PartDataset] = DistributedSampler(data, count, rank, seed=3)
    mine = list(DataLoader(data, batch_size=None, sampler=sampler))
    for place, (part, own) in enumerate(mine):
        last = place == len(mine) - 1
        with contextlib.nullcontext() if last else model.no_sync():
            (count * loss(model(part, own[None]))).backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    del model  # or its end waits for a group that is gone
    dist.barrier()
    dist.destroy_process_group()
    return {"parts": [part.index for part, _ in mine], "gradients": gradients}


def test_gradients_of_two_processes_are_those_of_the_whole(tmp_path: Path) -> None:
    found = run_together("test_in_parts", "together", tmp_path)
    assert sorted(found[0]["parts"] + found[1]["parts"]) == [0, 1, 2, 3]
    hierarchy, levels = coarsen(strip(), levels=3), [0, 1, 3]
    torch.manual_seed(0)
    network = stirred(InParts(builder(levels), hierarchy, levels, k=4))
    (everything,) = hierarchy.parts(1)
    (x,) = features(hierarchy, levels, (1, 0, 0))
    loss(network(everything, x[:1])).backward()
    for one in found:
        for name, p in network.named_parameters():
            torch.testing.assert_close(one["gradients"][name], p.grad, msg=name)
