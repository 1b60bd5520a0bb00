"""MultiScaleGCN: schedules, inputs and outputs, precision, compilation, state."""

from __future__ import annotations

import copy
import io
import shutil

import pytest
import torch
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn.nn import (
    CrossScaleFusion,
    GConv,
    GraphConvBlock,
    GraphPattern,
    MultiScaleGCN,
    NonLocal,
    ResGConv,
    ScaleSum,
    SemGConv,
)

GRAPHS = [ring(5), ring(8, 2), ring(12, 3)]
HGN_STAGES = [(0, 1), (0, 1), (0, 1, 2), (0, 1, 2)]


def network(**options) -> MultiScaleGCN:
    torch.manual_seed(0)
    arguments = {"in_channels": 2, "channels": 8, "out_channels": 3, **options}
    return MultiScaleGCN(
        arguments.pop("graphs", GRAPHS), arguments.pop("stages", HGN_STAGES), **arguments
    )


def awake(net: nn.Module) -> nn.Module:
    """Give the non-local blocks, which start as identities, something to do."""
    for module in net.modules():
        if isinstance(module, NonLocal):
            nn.init.normal_(module.norm.weight)
    return net


@pytest.mark.parametrize("fusion_order", ["parallel", "sequential"])
def test_forward_is_the_figure(fusion_order):
    """HGN's figure 2 step by step, with the network's own parts."""
    net = network(fusion_order=fusion_order)
    awake(net)
    x = torch.randn(4, 5, 2)
    net.eval()
    features: list[Tensor] = [net.inputs["0"](x)]
    features.append(net.beginnings["1"](features))
    for stage in range(4):
        if stage == 2:
            features.append(net.beginnings["2"](features))
        blocks = [net.get_submodule(f"blocks.{stage}.{k}") for k in range(len(features))]
        worked = [block(x) for block, x in zip(blocks, features, strict=True)]
        features = net.fusions[stage](worked)
    for k, (result, feature) in enumerate(zip(net(x), features, strict=True)):
        torch.testing.assert_close(result, net.outputs[str(k)](feature))
        assert result.shape == (4, GRAPHS[k].num_nodes, 3)
        assert result.is_contiguous()


def test_any_schedule():
    """Down and up again; a resting scale keeps its features for its second turn."""
    net = network(stages=[(0,), (1,), (2,), (1,), (0, 2)])
    blocks = sorted(name for name, m in net.named_modules() if isinstance(m, ResGConv))
    assert blocks == [f"blocks.{place}" for place in ("0.0", "1.1", "2.2", "3.1", "4.0", "4.2")]
    sums = {name: m for name, m in net.beginnings.named_children() if isinstance(m, ScaleSum)}
    assert {name: len(m.maps) for name, m in sums.items()} == {"1": 1, "2": 2}
    outputs = net(torch.randn(3, 5, 2))
    assert [y.shape[1] for y in outputs] == [5, 8, 12]
    sum(y.square().mean() for y in outputs).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name


def test_the_order_within_a_stage_does_not_change_the_sizes():
    outputs = network(stages=[(1, 0), (2, 0, 1)])(torch.randn(3, 5, 2))
    assert [y.shape[1] for y in outputs] == [5, 8, 12]


def test_inputs_and_outputs_per_scale():
    net = network(in_channels=[2, 0, 4], out_channels=[0, 6, 1])
    fine, coarse = net(torch.randn(3, 5, 2), torch.randn(3, 12, 4))
    assert fine.shape == (3, 8, 6)
    assert coarse.shape == (3, 12, 1)
    with pytest.raises(ValueError, match="got 1 inputs, the network takes 2"):
        net(torch.randn(3, 5, 2))
    with pytest.raises(ValueError, match="the input of scale 2 has 11 nodes"):
        net(torch.randn(3, 5, 2), torch.randn(3, 11, 4))


def test_one_graph():
    (y,) = network(graphs=[ring(5)], stages=[(0,)] * 2, convolution=GConv)(torch.randn(3, 5, 2))
    assert y.shape == (3, 5, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"graphs": []}, "graphs is empty"),
        ({"stages": []}, "stages is empty"),
        ({"stages": [(0,), ()]}, r"stages\[1\] names no scale"),
        ({"stages": [(0, 3)]}, r"stages\[0\] names scale 3; scales run from 0 to 2"),
        ({"stages": [(0, -1)]}, "names scale -1"),
        ({"stages": [(0, 1, 1)]}, "names a scale twice"),
        ({"stages": [(0, 1)]}, r"scale 2 has an output but no stage names it"),
        ({"channels": 0}, "channels = 0"),
        ({"in_channels": 0}, "in_channels = 0"),
        ({"in_channels": [1, 2]}, "in_channels has 2 entries for 3 graphs"),
        ({"out_channels": [0, 0, 0]}, r"out_channels = \[0, 0, 0\]"),
        ({"out_channels": [1, -1, 0]}, r"out_channels = \[1, -1, 0\]"),
        ({"fusion_order": "backwards"}, "fusion_order = 'backwards'"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        network(**options)


def test_layers_of_one_graph_share_its_pattern():
    net = network()
    patterns = {id(m) for m in net.modules() if isinstance(m, GraphPattern)}
    assert len(patterns) == 3
    clone = copy.deepcopy(net)
    assert len({id(m) for m in clone.modules() if isinstance(m, GraphPattern)}) == 3
    assert not patterns & {id(m) for m in clone.modules()}


def test_state_round_trips_and_holds_no_graph():
    net = network()
    net(torch.randn(3, 5, 2))
    assert not any("pattern" in name or "adjacency" in name for name in net.state_dict())
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other = network(channels=8)
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    other.load_state_dict(torch.load(file, weights_only=True))
    x = torch.randn(3, 5, 2)
    for ours, theirs in zip(net.eval()(x), other.eval()(x), strict=True):
        assert torch.equal(ours, theirs)
    for ours, theirs in zip(net(x), copy.deepcopy(net)(x), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("convolution", [GConv, SemGConv])
def test_moves_between_devices_and_types(convolution):
    net = network(convolution=convolution)
    x = torch.randn(3, 5, 2)
    single = net.eval()(x)
    for ours, theirs in zip(net.double()(x.double()), single, strict=True):
        assert ours.dtype == torch.float64
        torch.testing.assert_close(ours.float(), theirs, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(net.bfloat16()(x.bfloat16()), single, strict=True):
        assert ours.dtype == torch.bfloat16
        torch.testing.assert_close(ours.float(), theirs, rtol=0.2, atol=0.2)
    meta = network(convolution=convolution).to("meta")
    assert [y.device.type for y in meta(torch.randn(3, 5, 2, device="meta"))] == ["meta"] * 3


def test_gradcheck():
    net = awake(network(channels=4).double()).eval()
    x = torch.randn(2, 5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net, (x,), fast_mode=True)


@pytest.mark.parametrize("convolution", [GConv, SemGConv])
def test_automatic_mixed_precision_trains(convolution):
    net = awake(network(convolution=convolution))
    x = torch.randn(32, 5, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = net(x)
    for half, single in zip(mixed, net(x), strict=True):
        assert half.dtype == torch.bfloat16
        error = (half.float() - single).square().mean().sqrt()
        assert error < 0.05 * single.std()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    targets = [torch.randn(1, size, 3) for size in net.sizes]  # type: ignore[union-attr]
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = net(x)
        loss = sum((y.float() - t).square().mean() for y, t in zip(outputs, targets, strict=True))
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def per_channel(in_channels, out_channels, graph):
    return SemGConv(in_channels, out_channels, graph, per_channel=True)


COMPILED = {
    "GConv": lambda: GConv(4, 6, ring(5), separate_self=True),
    "SemGConv": lambda: SemGConv(4, 6, ring(5)),
    "SemGConv per channel": lambda: per_channel(4, 6, ring(5)),
    "NonLocal": lambda: awake(NonLocal(4)),
    "GraphConvBlock": lambda: GraphConvBlock(4, 6, ring(5)),
    "ResGConv": lambda: awake(ResGConv(4, ring(5))),
    "GConv, large": lambda: GConv(4, 6, ring(600)),
    "SemGConv, large": lambda: SemGConv(4, 6, ring(600)),
    "SemGConv per channel, large": lambda: per_channel(4, 6, ring(600)),
    "ResGConv, large": lambda: awake(ResGConv(4, ring(600))),
    "SemGConv, complete graph": lambda: SemGConv(4, 6, ring(5, 2)),
}


def assert_compiles(net: nn.Module, inputs: tuple, backend: str) -> None:
    """In one graph, with the results and the gradients of the plain module."""
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend=backend)
    results = []
    for run in (net, compiled):
        net.zero_grad()
        outputs = run(*inputs)
        outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        sum(y.square().sum() for y in outputs).backward()
        gradients = [p.grad.clone() for p in net.parameters() if p.grad is not None]
        results.append([*(y.detach() for y in outputs), *gradients])
    for plain, ours in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("default")  # of the compiler itself
@pytest.mark.parametrize("name", COMPILED)
def test_layers_compile_as_one_graph(name):
    torch.manual_seed(0)
    net = COMPILED[name]()
    assert_compiles(net, (torch.randn(2, 600 if "large" in name else 5, 4),), "aot_eager")


@pytest.mark.filterwarnings("default")
def test_networks_compile_as_one_graph():
    net = awake(network(graphs=GRAPHS[:2], stages=[(0,), (0, 1)]))
    assert_compiles(net, (torch.randn(3, 5, 2),), "aot_eager")


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("fusion_order", ["parallel", "sequential"])
def test_fusion_compiles_as_one_graph(fusion_order):
    fusion = CrossScaleFusion([2, 3], fusion_order)
    assert_compiles(fusion, ([torch.randn(2, 2, 4), torch.randn(2, 3, 4)],), "aot_eager")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
def test_a_residual_block_compiles_to_machine_code():
    torch.manual_seed(0)
    assert_compiles(awake(ResGConv(4, ring(5))), (torch.randn(2, 5, 4),), "inductor")


@pytest.mark.parametrize("convolution", [GConv, SemGConv])
def test_a_network_without_memory_is_filled_by_a_checkpoint(convolution):
    """The graphs are real from the start: no checkpoint holds them."""
    trained = network(convolution=convolution).eval()
    with torch.device("meta"):
        net = network(convolution=convolution).eval()
    assert {p.device.type for p in net.parameters()} == {"meta"}
    net.load_state_dict(trained.state_dict(), assign=True)
    x = torch.randn(3, 5, 2)
    for ours, theirs in zip(net(x), trained(x), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("convolution", [GConv, SemGConv])
def test_a_network_is_built_on_the_default_device(convolution):
    with torch.device("cuda"):
        net = network(convolution=convolution)
        outputs = net(torch.randn(3, 5, 2))
    assert {y.device.type for y in outputs} == {"cuda"}
    assert {t.device.type for t in [*net.buffers(), *net.parameters()]} == {"cuda"}
