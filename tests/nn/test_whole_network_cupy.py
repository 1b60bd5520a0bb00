"""A whole network in one kernel, on a CUDA device, against the network in float64 on the CPU."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from cuda_checks import drawn, error, needs_kernels
from layer_graphs import ring
from torch import Tensor, nn
from whole_networks import LAYERS, NETWORKS, SIZES, inputs_of, program_of_layer

from multiscale_gcn.nn import MultiScaleGCN, Recorded, whole_network
from multiscale_gcn.ops.whole_network import hindrance, on_cuda, run_program

pytestmark = needs_kernels

MANY_LAYERS = 20
"""So many times the error of a layer is allowed for a network."""
RUNS: list[int] = []
"""Batches that went through the kernel."""


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(program: Any, inputs: Any) -> Any:
        RUNS.append(inputs[0].shape[0])
        return on_cuda.run_program(program, inputs)

    RUNS.clear()
    monkeypatch.setattr(whole_network, "run_program", run)


@pytest.fixture(params=[False, True], ids=["float32", "tf32"])
def tolerance(request: pytest.FixtureRequest) -> Iterator[float]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = request.param
    yield 3e-3 if request.param else 3e-6
    torch.backends.cuda.matmul.allow_tf32 = before


def exact(network: nn.Module, inputs: list[Tensor]) -> Any:
    return copy.deepcopy(network).cpu().double()(*(x.double() for x in inputs))


def on_device(inputs: list[Tensor]) -> list[Tensor]:
    return [x.cuda() for x in inputs]


def hgn(channels: int) -> MultiScaleGCN:
    return MultiScaleGCN(
        [ring(17), ring(48, 3), ring(96, 3)],
        [(0, 1), (0, 1), (0, 1, 2), (0, 1, 2)],
        in_channels=2,
        channels=channels,
        out_channels=3,
        start="published",
    )


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, sizes: tuple[int, int], tolerance: float) -> None:
    nodes, channels = sizes
    layer = drawn(LAYERS[name](ring(nodes, 3), channels)).eval()
    x = torch.randn(3, nodes, channels)
    with torch.no_grad():
        expected = copy.deepcopy(layer).double()(x.double())
        program = program_of_layer(layer.cuda(), nodes, channels)
        reason = hindrance(program, torch.device("cuda", 0))
        if reason is not None:
            pytest.skip(reason)
        (found,) = run_program(program, [x.cuda()])
        assert error(found, expected) < tolerance


@pytest.mark.parametrize("name", NETWORKS)
def test_answers(name: str, tolerance: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_network, "loss", lambda *_: None)
    network = NETWORKS[name]()
    drawn(network).eval()
    inputs = inputs_of(network, 300)
    expected = exact(network, inputs)
    network.cuda()
    for batch in (1, 2, 63, 133, 300):
        given = on_device([x[:batch] for x in inputs])
        with torch.no_grad():
            first, second = network(*given), network(*given)
        for one, two, other in zip(first, second, expected, strict=True):
            assert torch.equal(one, two)
            assert error(one, other[:batch]) < MANY_LAYERS * tolerance
    assert RUNS == [1, 2, 63, 133, 300]


@pytest.mark.parametrize("channels", [32, 128])
def test_hgn(channels: int, tolerance: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_network, "loss", lambda *_: None)
    network = hgn(channels)
    drawn(network).eval()
    inputs = inputs_of(network, 140)
    expected = exact(network, inputs)
    network.cuda()
    found = whole_network.program_or_reason(network, on_device(inputs))
    if isinstance(found, str):
        pytest.skip(found)
    with torch.no_grad():
        for _ in range(2):
            for one, other in zip(network(*on_device(inputs)), expected, strict=True):
                assert error(one, other) < MANY_LAYERS * tolerance
    assert RUNS == [140]


def test_recorded() -> None:
    network = hgn(64)
    drawn(network).cuda().eval()
    recorded = Recorded(network).eval()
    with torch.no_grad():
        for seed in range(3):
            drawn(network, seed)
            inputs = on_device(inputs_of(network, 8))
            found, plain = recorded(*inputs), network(*inputs)
            assert recorded.reason is None
            for one, other in zip(found, plain, strict=True):
                assert torch.equal(one, other)
    assert RUNS


def test_with_gradients_layers_run_by_themselves() -> None:
    network = hgn(64)
    drawn(network).cuda().eval()
    inputs = on_device(inputs_of(network, 2))
    answers = network(*inputs)
    assert not RUNS
    assert all(answer.requires_grad for answer in answers)


@pytest.mark.skipif(
    torch.cuda.is_available() and torch.cuda.get_device_capability() not in on_cuda.MEASURED,
    reason="it is not chosen on this device",
)
def test_captured_after_a_call_with_other_members() -> None:
    network = hgn(64)
    drawn(network).cuda().eval()
    graph = torch.cuda.CUDAGraph()
    x = torch.randn(3, 17, 2, device="cuda")
    with torch.no_grad():
        network(x[:2])
        with torch.cuda.graph(graph):
            found = network(x)
        graph.replay()
        for one, other in zip(found, network(x), strict=True):
            assert torch.equal(one, other)
    assert RUNS[0] == 2
    assert 3 in RUNS


def test_under_autocast_layers_run_by_themselves() -> None:
    network = hgn(64)
    drawn(network).cuda().eval()
    inputs = on_device(inputs_of(network, 2))
    with torch.no_grad():
        plain = network(*inputs)
        seen = len(RUNS)
        with torch.autocast("cuda", torch.bfloat16):
            found = network(*inputs)
    assert len(RUNS) == seen
    assert not all(map(torch.equal, found, plain))
