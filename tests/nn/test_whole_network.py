"""A whole network in one kernel: the kernel itself on a processor, against PyTorch in float64."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from cuda_checks import drawn, error
from emulated_device import DEVICE, EmulatedDevice, forget, there
from kernels_on_host import needs_compiler
from layer_graphs import ring
from torch import Tensor, nn
from whole_network_kernels import emulate_whole_networks
from whole_networks import LAYERS, NETWORKS, RINGS, SIZES, inputs_of, program_of_layer

from multiscale_gcn.nn import ChebConv, GraphConvBlock, MultiScaleGCN, SemGConv, whole_network
from multiscale_gcn.nn.whole_network import program_or_reason
from multiscale_gcn.ops.whole_network import encoding, on_cuda, run_program
from multiscale_gcn.ops.whole_network.memory import places
from multiscale_gcn.ops.whole_network.phases import (
    Division,
    divisions,
    given_away,
    phases_of,
    pieces,
)
from multiscale_gcn.ops.whole_network.preparation import Matrix
from multiscale_gcn.ops.whole_network.program import Features, Make, Product, Write, read_by


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedDevice]:
    yield emulate_whole_networks(monkeypatch)
    forget()


@pytest.fixture
def tf32(request: pytest.FixtureRequest) -> Iterator[float]:
    """The error that is allowed."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = request.param
    yield 3e-3 if request.param else 2e-6
    torch.backends.cuda.matmul.allow_tf32 = before


both_precisions = pytest.mark.parametrize("tf32", [False, True], indirect=True)


def exact(network: nn.Module, inputs: list[Tensor]) -> Any:
    return copy.deepcopy(network).double()(*(x.double() for x in inputs))


def made(name: str) -> MultiScaleGCN:
    network = NETWORKS[name]()
    drawn(network)
    return network.eval()


@needs_compiler
@both_precisions
@pytest.mark.parametrize("sizes", SIZES[:3], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, sizes: tuple[int, int], tf32: float, device: EmulatedDevice) -> None:
    nodes, channels = sizes
    layer = drawn(LAYERS[name](ring(nodes, 3), channels)).eval()
    x = torch.randn(1, nodes, channels)
    with torch.no_grad():
        program = program_of_layer(layer, nodes, channels)
        (found,) = there(run_program, program, [x])
        assert error(found, copy.deepcopy(layer).double()(x.double())) < tf32


@needs_compiler
@both_precisions
@pytest.mark.parametrize("name", NETWORKS)
def test_answers(name: str, tf32: float, device: EmulatedDevice) -> None:
    network = made(name)
    for batch in (1, 2, 1):
        inputs = inputs_of(network, batch)
        device.launched.clear()
        with torch.no_grad():
            found, expected = there(network, *inputs), exact(network, inputs)
        assert device.launched == ["arrange_weights", "walk_network"]
        for one, other in zip(found, expected, strict=True):
            assert one.shape == other.shape
            assert one.is_contiguous()
            assert error(one, other) < tf32


@needs_compiler
def test_parameters_count_as_they_are(device: EmulatedDevice) -> None:
    network = made("V-cycle")
    inputs = inputs_of(network, 2)
    with torch.no_grad():
        there(network, *inputs)
        for seed in (1, 2):
            drawn(network, seed)
            assert error(there(network, *inputs)[0], exact(network, inputs)[0]) < 2e-6
        for module in network.modules():  # tensors that stand elsewhere
            for key, parameter in module._parameters.items():
                if parameter is not None:
                    module._parameters[key] = nn.Parameter(torch.randn_like(parameter) / 8)
        assert error(there(network, *inputs)[0], exact(network, inputs)[0]) < 2e-6
        first, last = (cast("nn.ModuleDict", network.blocks[k]) for k in (0, -1))
        first["0"] = last["0"]
        assert error(there(network, *inputs)[0], exact(network, inputs)[0]) < 2e-6
    assert set(device.launched) == {"arrange_weights", "walk_network"}


@needs_compiler
@both_precisions
def test_weights_of_any_size(tf32: float, device: EmulatedDevice) -> None:
    layer = nn.Linear(20, 40)
    sizes = 10.0 ** torch.linspace(-12, 12, 40)
    with torch.no_grad():
        layer.weight.mul_(sizes[:, None])
        layer.weight[3] = 0
        layer.weight[4, 1:] *= 1e-6
        layer.weight[5, 0] = torch.nan
        x = torch.randn(1, 5, 20)
        (found,) = there(run_program, program_of_layer(layer, 5, 20), [x])
        expected = copy.deepcopy(layer).double()(x.double())
        for channel in range(40):
            if channel == 5:
                assert found[..., channel].isnan().all()
            else:
                assert error(found[..., channel], expected[..., channel]) < tf32


def test_compiled_networks_are_traced_layer_by_layer() -> None:
    network = made("without non-local")
    inputs = inputs_of(network, 2)
    with torch.no_grad():
        found = torch.compile(network, fullgraph=True, backend="eager")(*inputs)
        torch.testing.assert_close(found, network(*inputs))


@needs_compiler
def test_inputs_of_any_strides(device: EmulatedDevice) -> None:
    network = made("two inputs")
    wide = [torch.randn(x.shape[2], 2 * x.shape[0], x.shape[1]) for x in inputs_of(network, 3)]
    inputs = [x[:, ::2].permute(1, 2, 0) for x in wide]
    with torch.no_grad():
        for _ in range(2):
            for one, other in zip(there(network, *inputs), exact(network, inputs), strict=True):
                assert error(one, other) < 2e-6


@needs_compiler
def test_more_parameters_than_a_launch_can_name(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (encoding, on_cuda):
        monkeypatch.setattr(module, "POINTERS", 20)
    network = made("as HGN")
    inputs = inputs_of(network, 2)
    with torch.no_grad():
        found = there(network, *inputs)
        assert device.launched[-1] == "walk_network"
        assert len(device.launched) > 3
        for one, other in zip(found, exact(network, inputs), strict=True):
            assert error(one, other) < 2e-6


@needs_compiler
@both_precisions
def test_features_that_are_not_numbers_stay_in_their_member(
    tf32: float, device: EmulatedDevice
) -> None:
    network = made("as HGN")
    inputs = inputs_of(network, 2)
    ones = torch.tensor(2**31 - 1, dtype=torch.int32).view(torch.float32)
    for value in (torch.nan, ones, torch.inf):
        inputs[0][1] = value
        with torch.no_grad():
            for answer in there(network, *inputs):
                assert answer[0].isfinite().all()
                assert not answer[1].isfinite().any()


def chosen(network: MultiScaleGCN, inputs: list[Tensor]) -> Any:
    return there(program_or_reason, network, inputs)


def test_reasons(device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = RINGS[:2]
    sizes: dict[str, Any] = {"in_channels": 2, "channels": 16, "out_channels": 3}
    per_channel = MultiScaleGCN(
        graphs,
        [(0, 1)],
        convolution=lambda a, b, graph: SemGConv(a, b, graph, per_channel=True),
        **sizes,
    ).eval()
    x = inputs_of(per_channel, 2)
    assert "a matrix for each channel" in chosen(per_channel, x)
    chebyshev = MultiScaleGCN(graphs, [(0, 1)], convolution=ChebConv, **sizes).eval()
    assert "no instructions for ChebConv" in chosen(chebyshev, x)
    usual = MultiScaleGCN(graphs, [(0, 1)], **sizes)
    assert "statistics from the batch" in chosen(usual, x)
    usual.eval()
    assert not isinstance(chosen(usual, x), str)
    assert "float32" in chosen(usual, [x[0].double()])
    assert "the shapes" in chosen(usual, [x[0][:, :4]])
    assert "the shapes" in chosen(usual, [])
    assert "a parameter is torch.float64" in chosen(usual.double(), x)
    usual.float()
    large = MultiScaleGCN([ring(100_000)], [(0,)], **sizes).eval()
    assert "bytes of shared memory" in chosen(large, inputs_of(large, 1))
    for room in (2048, 6144):
        monkeypatch.setattr(on_cuda, "shared_memory_per_block", lambda index, room=room: room)
        assert "bytes of shared memory" in chosen(usual, x)
    monkeypatch.setattr(on_cuda, "MOST_INSTRUCTIONS", 10)
    assert "instructions" in chosen(usual, x)


@pytest.mark.parametrize("division", divisions(8)[::7], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_no_features_are_overwritten_before_they_are_read(name: str, division: Division) -> None:
    program = whole_network.program_of(made(name))
    phases = phases_of(program.instructions, division)
    assert sorted(map(id, program.instructions)) == sorted(id(i) for p in phases for i in p)
    found = places(phases)
    holds: dict[int, Any] = {}
    for phase in phases:
        for features in {f: None for instruction in phase for f in read_by(instruction)}:
            place = found[features]
            assert all(holds[at] is features for at in range(place.begin, place.end))
        written: set[int] = set()
        for instruction in phase:
            if isinstance(instruction, Write):
                continue
            place = found[instruction.target]
            own = set(range(place.begin, place.end))
            assert not own & written
            written |= own
            for other in phase:
                kept = read_by(other)
                if other is instruction and isinstance(other, Make):
                    kept = other.multiplied()
                for features in kept:
                    assert not own & set(range(found[features].begin, found[features].end))
            holds.update(dict.fromkeys(own, instruction.target))


def test_what_runs_at_once() -> None:
    program = whole_network.program_of(made("as HGN"))
    counts = [len(phases_of(program.instructions, Division(8, 4, most))) for most in (99, 8, 0)]
    assert counts == sorted(counts)
    assert counts[0] < counts[2] / 2


def test_less_memory_is_taken_where_less_is_there(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = made("as HGN")
    program = whole_network.program_of(network)
    usual = there(on_cuda.walk_of, program, DEVICE).memory
    monkeypatch.setattr(on_cuda, "_room", lambda device: 4 * usual - 4)
    assert there(on_cuda.walk_of, program, DEVICE).memory < usual


def test_warps_share_the_work_of_an_instruction() -> None:
    for nodes, channels in itertools.product((1, 16, 17, 48, 96, 200), (3, 80, 128)):
        target = Features(nodes, channels)
        make = Make(target, Product(Features(nodes, 128), Matrix(0, 128, channels)))
        for division in divisions(8):
            work = pieces(make, division)
            given = given_away([make], division)
            assert sum(map(len, given)) == len(work)
            parts = sorted(
                (r, c)
                for p in work
                for r in range(p.row, min(p.row + 16 * p.tiles, nodes))
                for c in range(p.column, min(p.column + 32, channels))
            )
            assert parts == list(itertools.product(range(nodes), range(channels)))


def test_a_block_with_a_forward_of_its_own_is_not_taken() -> None:
    class Doubled(GraphConvBlock):
        def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
            return 2 * super().forward(x, add)

    network = made("one scale")
    block = Doubled(16, 16, RINGS[0])
    cast("nn.ModuleDict", network.blocks[0])["0"].first = block.eval()
    with pytest.raises(whole_network.Unknown, match="Doubled"):
        whole_network.program_of(network)
