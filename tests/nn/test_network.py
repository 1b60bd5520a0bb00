"""MultiScaleGCN: schedules, inputs and outputs, precision, compilation, state."""

from __future__ import annotations

import copy
import io
import shutil
from typing import Any

import networkx as nx
import pytest
import torch
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn import coarsen
from multiscale_gcn.nn import (
    CrossScaleFusion,
    GConv,
    GraphConvBlock,
    GraphPattern,
    HierarchyTransfer,
    MultiScaleGCN,
    NonLocal,
    ResGConv,
    ScaleSum,
    SemGConv,
)
from multiscale_gcn.nn.schedules import u_net

GRAPHS = [ring(5), ring(8, 2), ring(12, 3)]
HGN_STAGES = [(0, 1), (0, 1), (0, 1, 2), (0, 1, 2)]


def network(**options) -> MultiScaleGCN:
    torch.manual_seed(0)
    arguments = {"in_channels": 2, "channels": 8, "out_channels": 3, **options}
    return MultiScaleGCN(
        arguments.pop("graphs", GRAPHS), arguments.pop("stages", HGN_STAGES), **arguments
    )


def awake(net: nn.Module) -> nn.Module:
    """Give non-local blocks and fusions, which start as identities, something to do."""
    for module in net.modules():
        if isinstance(module, NonLocal):
            nn.init.normal_(module.norm.weight)
        if isinstance(module, CrossScaleFusion):
            for parameter in module.parameters():
                nn.init.normal_(parameter, std=0.3)
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


def test_a_v_cycle_step_by_step():
    """Down by what the finer scale made, up by a correction to what the scale had."""
    net = awake(network(stages="v_cycle", out_channels=[3, 0, 0])).eval()
    x = torch.randn(4, 5, 2)

    def part(name: str) -> nn.Module:
        return net.get_submodule(name)

    fine = part("blocks.0.0")(part("inputs.0")(x))
    middle = part("blocks.1.1")(part("beginnings.1")([fine]))
    coarse = part("blocks.2.2")(part("beginnings.2")([middle]))
    _, middle = part("fusions.2")([coarse, middle])
    middle = part("blocks.3.1")(middle)
    _, fine = part("fusions.3")([middle, fine])
    expected = part("outputs.0")(part("blocks.4.0")(fine))
    (result,) = net(x)
    torch.testing.assert_close(result, expected)
    for parameter in net.get_submodule("fusions.3").parameters():
        nn.init.zeros_(parameter)
    assert not torch.allclose(net(x)[0], result), "the answer hears of the coarser scales"


def test_a_u_net_step_by_step():
    """On the way up a linear map of the channels reads what the scale had and what comes."""
    net = network(stages=u_net(2, depth=1), graphs=GRAPHS[:2], out_channels=[3, 0]).double()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.5)
    net.eval()
    x = torch.randn(4, 5, 2, dtype=torch.float64)
    fine = net.get_submodule("blocks.0.0")(net.get_submodule("inputs.0")(x))
    down: Any = net.get_submodule("beginnings.1.maps.0")
    coarse = down.weight @ fine + down.bias[:, None]
    coarse = net.get_submodule("blocks.1.1")(coarse)
    up: Any = net.get_submodule("fusions.1.sums.1.maps.0")
    both = torch.cat([fine, up.weight @ coarse + up.bias[:, None]], dim=2)
    joined = net.get_submodule("fusions.1.joins.1")(both)
    expected = net.get_submodule("outputs.0")(net.get_submodule("blocks.2.0")(joined))
    torch.testing.assert_close(net(x)[0], expected)


def test_scales_of_different_widths():
    net = awake(network(channels=[4, 8, 6], stages="w_cycle"))
    widths = {
        name: module.first.convolution.out_channels
        for name, module in net.named_modules()
        if isinstance(module, ResGConv)
    }
    assert set(widths.values()) == {4, 6, 8}
    assert all(width == [4, 8, 6][int(name[-1])] for name, width in widths.items())
    outputs = net(torch.randn(3, 5, 2))
    assert [y.shape for y in outputs] == [(3, n, 3) for n in (5, 8, 12)]
    sum(y.square().mean() for y in outputs).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_a_scale_that_nobody_names_needs_no_width():
    net = network(channels=[4, 8, 0], stages=[(0, 1)], out_channels=[1, 1, 0])
    assert len(net(torch.randn(3, 5, 2))) == 2
    with pytest.raises(ValueError, match=r"channels\[2\] = 0 must be at least 1"):
        network(channels=[4, 8, 0], stages=[(0, 1, 2)])


class Shifted(nn.Module):
    """Somebody's own encoder or decoder: a linear map at every node."""

    def __init__(self, in_channels: int, out_channels: int, graph: object) -> None:
        super().__init__()
        self.map = nn.Linear(in_channels, out_channels)
        self.graph = graph

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x) + 1


def test_encoders_and_decoders_of_a_users_own():
    net = network(encoder=Shifted, decoder=Shifted, in_channels=[2, 0, 4])
    assert [type(m) for m in [*net.inputs.values(), *net.outputs.values()]] == [Shifted] * 5
    made: list[Any] = list(net.outputs.values())
    assert [m.map.out_features for m in made] == [3, 3, 3]
    seen: list[Tensor] = []
    net.get_submodule("outputs.1").register_forward_hook(lambda _, x, y: seen.extend([*x, y]))
    x = torch.randn(3, 5, 2), torch.randn(3, 12, 4)
    outputs = net(*x)
    assert torch.equal(seen[0] @ net.get_parameter("outputs.1.map.weight").T
                       + net.get_parameter("outputs.1.map.bias") + 1, seen[1])  # fmt: skip
    assert torch.equal(outputs[1], seen[1])


def test_one_encoder_or_decoder_for_each_scale():
    ready = Shifted(2, 8, None)
    net = network(encoder=[ready, None, None], decoder=[None, Shifted, None])
    assert net.inputs["0"] is ready
    assert [type(m) for m in net.outputs.values()] == [SemGConv, Shifted, SemGConv]
    with pytest.raises(ValueError, match="encoder has 1 entries for 3 graphs"):
        network(encoder=[ready])
    with pytest.raises(TypeError, match=r"encoder = Shifted\(.*one module for all scales"):
        network(encoder=ready)
    with pytest.raises(TypeError, match=r"decoder\[1\] = 3 is no function of"):
        network(decoder=[None, 3, None])
    with pytest.raises(TypeError, match=r"decoder\[1\] = .* made a int; make a Module"):
        network(decoder=[None, lambda a, b, graph: 3, None])
    with pytest.raises(ValueError, match=r"encoder\[1\] is there, but in_channels\[1\] is 0"):
        network(encoder=[ready, Shifted, None])
    wrong = network(encoder=[Shifted(2, 7, None), None, None])
    with pytest.raises(ValueError, match="what the encoder of scale 0 made has 7 channels"):
        wrong(torch.randn(3, 5, 2))


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
        ({"start": "mean"}, "start = 'mean' is none of 'zero', 'given', 'published'"),
        ({"stages": "hgn"}, "stages = 'hgn' is none of 'parallel', 'u_net'"),
        ({"channels": [1, 2]}, "channels has 2 entries for 3 graphs"),
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


@pytest.mark.parametrize(
    "options",
    [{"channels": 4}, {"channels": [4, 3, 2], "stages": "u_net"}, {"stages": "v_cycle"}],
)
def test_gradcheck(options):
    net = awake(network(**options).double()).eval()
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
@pytest.mark.parametrize("stages", ["u_net", "v_cycle"])
def test_cycles_compile_as_one_graph(stages):
    net = awake(network(graphs=GRAPHS[:2], stages=stages, channels=[8, 6]))
    assert_compiles(net, (torch.randn(3, 5, 2),), "aot_eager")


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("fusion_order", ["parallel", "sequential"])
def test_fusion_compiles_as_one_graph(fusion_order):
    fusion = awake(CrossScaleFusion([2, 3], fusion_order))
    assert_compiles(fusion, ([torch.randn(2, 2, 4), torch.randn(2, 3, 4)],), "aot_eager")


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_add_up(compiled):
    """Each lies in memory of its own: where two shared some, each would be added to both."""
    net = awake(network(graphs=[*GRAPHS, ring(6)], stages=[(0, 1, 2, 3)], convolution=GConv)).eval()
    torch._dynamo.reset()
    run = torch.compile(net, backend="aot_eager") if compiled else net
    x = torch.randn(4, 5, 2)
    found = []
    for _ in range(2):
        sum(y.square().sum() for y in run(x)).backward()
        found.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    assert found[0]
    for once, twice in zip(*found, strict=True):
        torch.testing.assert_close(twice, 2 * once)


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


class Scaled(nn.Module):
    """A block that has its size for a factor."""

    def __init__(self, channels: int, graph: Any) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.nodes = graph.num_nodes

    def forward(self, x: Tensor) -> Tensor:
        return x + self.nodes * self.norm(x)


def test_blocks_may_be_others():
    """One for each scale and stage; None is the network's own."""
    stages = [(0, 1), (0, 1)]
    net = network(graphs=GRAPHS[:2], stages=stages, channels=[8, 6], block=[Scaled, None])
    awake(net)
    x = torch.randn(4, 5, 2)
    net.eval()
    features = [net.inputs["0"](x)]
    features.append(net.beginnings["1"](features))
    for place, fusion in enumerate(net.fusions):
        blocks = net.blocks[place]
        assert isinstance(blocks, nn.ModuleDict)
        first, second = blocks["0"], blocks["1"]
        assert isinstance(first, Scaled)
        assert type(second) is ResGConv
        normalised = nn.functional.layer_norm(features[0], (8,), first.norm.weight, first.norm.bias)
        features = fusion([features[0] + 5 * normalised, second(features[1])])
    for k, result in enumerate(net(x)):
        torch.testing.assert_close(result, net.outputs[str(k)](features[k]))
    assert len({id(m) for m in network(block=Scaled).modules() if isinstance(m, Scaled)}) == 10


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (nn.Identity(), "block = .* is one module for all scales and stages"),
        ([nn.Identity(), None, None], r"block\[0\] = .* is one module for all stages"),
        ([None, None], "block has 2 entries for 3 graphs"),
        (lambda channels, graph: None, "made a NoneType; make a Module"),
        (3, "block = 3 is no sequence"),
        ([None, 3, None], r"block\[1\] = 3 is no function of \(channels, graph\)"),
    ],
)
def test_blocks_that_cannot_be_made_are_refused(block, message):
    with pytest.raises((TypeError, ValueError), match=message):
        network(block=block)


def test_blocks_that_change_the_width_are_refused():
    net = network(block=lambda channels, graph: nn.Linear(channels, channels + 1))
    with pytest.raises(ValueError, match="what a block of scale 0 made has 9 channels on axis 2"):
        net(torch.randn(1, 5, 2))


def test_the_levels_of_a_hierarchy_are_its_graphs():
    hierarchy = coarsen(nx.grid_2d_graph(4, 4), levels=2)
    widths: dict[str, Any] = {"in_channels": 2, "channels": 4, "out_channels": [1, 0, 0]}
    transfer = HierarchyTransfer(hierarchy)
    networks = []
    for graphs in (hierarchy, list(hierarchy), [level.graph for level in hierarchy]):
        torch.manual_seed(0)
        networks.append(MultiScaleGCN(graphs, "v_cycle", transfer=transfer, **widths))
    x = torch.randn(3, 16, 2)
    for net in networks[1:]:
        assert torch.equal(net(x)[0], networks[0](x)[0])
