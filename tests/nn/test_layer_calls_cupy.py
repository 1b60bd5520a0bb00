"""Calls that are kept, on a CUDA device, against the same layers in float64 on the CPU."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from cuda_checks import TOLERANCE, drawn, error, needs_kernels
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn.nn import (
    CrossScaleFusion,
    GConv,
    GraphConvBlock,
    MultiScaleGCN,
    NonLocal,
    Recorded,
    ResGConv,
    SemGConv,
)
from multiscale_gcn.nn.layer_calls import LayerCalls
from multiscale_gcn.ops import Normalisation
from multiscale_gcn.ops.batch_norm.known_on_cuda import KNOWN, known_batch_norm
from multiscale_gcn.ops.kernels import prepared

pytestmark = needs_kernels

LAYERS: dict[str, Callable[[int], nn.Module]] = {
    "SemGConv": lambda c: SemGConv(c, c, ring(17, 2)),
    "SemGConv a channel": lambda c: SemGConv(c, c, ring(17, 2), per_channel=True),
    "GConv": lambda c: GConv(c, c, ring(17, 2)),
    "GraphConvBlock": lambda c: GraphConvBlock(c, c, ring(17, 2)),
    "NonLocal": lambda c: NonLocal(c),
    "ResGConv": lambda c: ResGConv(c, ring(17, 2)),
    "ResGConv alone": lambda c: ResGConv(c, ring(17, 2), non_local=False),
}
CHANNELS = (128, 20)
"""With a kernel for the whole layer, and without."""


def on_device(layer: nn.Module) -> nn.Module:
    return drawn(layer).cuda()


def exact(layer: nn.Module) -> nn.Module:
    return copy.deepcopy(layer).cpu().double()


def features(batch: int, channels: int, nodes: int = 17) -> Tensor:
    return torch.randn(nodes, batch, channels, device="cuda").transpose(0, 1)


def count_rehearsals(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    found: list[bool] = []
    rehearsed = prepared._rehearsed

    def counted(*arguments: Any) -> Any:
        call, result = rehearsed(*arguments)
        found.append(call.run is not None)
        return call, result

    monkeypatch.setattr(prepared, "_rehearsed", counted)
    return found


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("name", LAYERS)
def test_evaluation(name: str, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = on_device(LAYERS[name](channels)).eval()
    twin = exact(layer)
    rehearsals = count_rehearsals(monkeypatch)
    with torch.no_grad():
        for batch in (64, 64, 1, 64, 1):
            x = features(batch, channels)
            first, second = layer(x), layer(x)
            assert torch.equal(first, second)
            assert error(first, twin(x.cpu().double())) < TOLERANCE[torch.float32]
    assert rehearsals == [True, True]


@contextmanager
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Layers run operator by operator, under PyTorch's autograd."""
    with monkeypatch.context() as patch:
        patch.setattr(LayerCalls, "__call__", lambda self, layer, forward, *rest: forward())
        yield


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("name", LAYERS)
def test_training(name: str, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = on_device(LAYERS[name](channels)).train()
    twin, doubled = copy.deepcopy(layer), exact(layer)
    for _ in range(3):
        x = features(64, channels).requires_grad_()
        up = torch.randn(64, 17, channels, device="cuda")
        y = layer(x)
        found = torch.autograd.grad(y, [x, *layer.parameters()], up)
        with nothing_kept(monkeypatch):
            z = twin(x)
            wanted = torch.autograd.grad(z, [x, *twin.parameters()], up)
        assert type(y.grad_fn) is not type(z.grad_fn)
        assert error(y, z) < 1e-6
        assert error(y, doubled(x.detach().cpu().double())) < 1e-5
        largest = max(float(g.norm()) for g in wanted)
        for one, other in zip(found, wanted, strict=True):
            assert one.shape == other.shape
            # The bias before a normalisation has none: what is found is rounding.
            least = max(float(other.norm()), 0.1 * largest)
            assert float((one - other).norm()) < 1e-3 * least
        for one, other in zip(layer.buffers(), twin.buffers(), strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize("order", ["parallel", "sequential"])
def test_a_fusion(order: Any) -> None:
    fusion = on_device(CrossScaleFusion([17, 9, 5], order))
    twin = exact(fusion)
    for _ in range(2):
        given = [features(8, 32, nodes).requires_grad_() for nodes in (17, 9, 5)]
        exactly = [x.detach().cpu().double().requires_grad_() for x in given]
        ups = [torch.randn(8, nodes, 32) for nodes in (17, 9, 5)]
        made, wanted = fusion(given), twin(exactly)
        found = torch.autograd.grad(made, [*given, *fusion.parameters()], [up.cuda() for up in ups])
        expected = torch.autograd.grad(
            wanted, [*exactly, *twin.parameters()], [up.double() for up in ups]
        )
        for one, other in zip([*made, *found], [*wanted, *expected], strict=True):
            assert error(one.detach(), other.detach()) < 1e-5
        fusion.eval()
        twin.eval()
        with torch.no_grad():
            for _ in range(2):
                for one, other in zip(fusion(given), twin(exactly), strict=True):
                    assert error(one, other) < 1e-5
        fusion.train()
        twin.train()


def network() -> MultiScaleGCN:
    graphs = [ring(17, 1), ring(48, 3)]
    made = MultiScaleGCN(graphs, [(0,), (0, 1), (0, 1)], in_channels=2, channels=64, out_channels=3)
    on_device(made)
    return made


def test_a_network_records_what_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network().eval()
    twin, recorded = exact(model), Recorded(model).eval()
    rehearsals = count_rehearsals(monkeypatch)
    with torch.no_grad():
        for _ in range(3):
            x = torch.randn(8, 17, 2, device="cuda")
            plain, replayed = model(x), recorded(x)
            assert recorded.reason is None
            for one, two, three in zip(plain, replayed, twin(x.cpu().double()), strict=True):
                assert torch.equal(one, two)
                assert error(one, three) < 1e-5
    assert True in rehearsals


def test_steps_of_training_are_recorded() -> None:
    model, x = network().train(), torch.randn(8, 17, 2, device="cuda")

    def step() -> list[Tensor]:
        loss = torch.stack([y.square().mean() for y in model(x)]).sum()
        return list(torch.autograd.grad(loss, list(model.parameters())))

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            expected = step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = step()
    graph.replay()
    torch.cuda.synchronize()
    for one, other in zip(found, expected, strict=True):
        assert error(one, other) < 1e-5


def test_launches_go_to_the_current_stream() -> None:
    layer, x = on_device(ResGConv(128, ring(17, 2))).eval(), features(4, 128)
    with torch.no_grad():
        expected = [layer(x) for _ in range(2)][1]
        torch.cuda.synchronize()
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            late = torch.zeros_like(x)
            torch.cuda._sleep(50_000_000)
            late.copy_(x)
            found = layer(late)
        stream.synchronize()
    assert torch.equal(found, expected)


def test_threads() -> None:
    layer = on_device(ResGConv(128, ring(17, 2))).eval()
    inputs = [features(4, 128) for _ in range(4)]
    with torch.no_grad():
        expected = [layer(x) for x in inputs]
    torch.cuda.synchronize()
    found: list[list[Tensor]] = [[] for _ in inputs]

    def work(place: int) -> None:
        with torch.no_grad():
            found[place] += [layer(inputs[place]) for _ in range(50)]
            torch.cuda.synchronize()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for results, one in zip(found, expected, strict=True):
        assert len(results) == 50
        assert all(torch.equal(result, one) for result in results)


@pytest.mark.parametrize("training", [False, True])
def test_autocast_between_other_calls(training: bool) -> None:
    layer = on_device(ResGConv(128, ring(17, 2))).train(training)
    x = features(8, 128)
    with torch.no_grad():
        exactly = exact(layer)(x.cpu().double())
        for _ in range(2):
            assert error(layer(x), exactly) < 1e-4
            with torch.autocast("cuda", dtype=torch.bfloat16):
                for _ in range(2):
                    assert 1e-6 < error(layer(x), exactly) < 5e-2


def test_types_and_devices_change() -> None:
    layer = on_device(ResGConv(128, ring(17, 2))).eval()
    x = features(8, 128)
    with torch.no_grad():
        first = [layer(x) for _ in range(2)][1]
        exactly = exact(layer)(x.cpu().double())
        layer.to(torch.bfloat16)
        for _ in range(2):
            assert error(layer(x.bfloat16()), exactly) < 5e-2
        layer.cpu().float()
        torch.testing.assert_close(layer(x.cpu()), first.cpu(), rtol=0.2, atol=0.05)
        layer.cuda()
        for _ in range(2):
            assert layer(x).dtype == torch.float32


@pytest.mark.filterwarnings("default")  # of the compiler itself
@pytest.mark.parametrize("training", [False, True])
def test_compiled_behind_kept_calls(training: bool) -> None:
    layer = on_device(ResGConv(128, ring(17, 2))).train(training)
    twin = copy.deepcopy(layer)
    x = features(8, 128)
    with torch.no_grad():
        expected = [twin(x) for _ in range(2)][1]
        layer(x)
        found = torch.compile(layer, fullgraph=True, backend="aot_eager")(x)
    assert error(found, expected) < 1e-5


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("sizes", [(17, 3, 5), (1, 1, 1), (48, 70, 129), (3, 0, 4)])
def test_known_statistics(
    sizes: tuple[int, int, int], given: bool, relu: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(1)
    nodes, batch, channels = sizes
    wide = torch.promote_types(dtype, torch.float32)
    x = features(batch, channels, nodes).to(dtype)
    mean, variance, weight, bias, before = torch.randn(5, channels, device="cuda", dtype=wide)
    norm = Normalisation(mean, variance.square(), weight, bias if given else None, 1e-3)
    if not given:
        norm = norm._replace(weight=None)
    add = features(batch, channels, nodes).to(dtype) if given else None
    options: dict[str, Any] = {"before": before if given else None, "relu": relu, "add": add}
    y = known_batch_norm(x, norm, **options)
    assert torch.equal(y, known_batch_norm(x, norm, **options))
    z = x.double() + (before.double() if given else 0)
    z = (z - mean.double()) / (norm.variance.double() + 1e-3).sqrt()
    z = z * (weight.double() if given else 1) + (bias.double() if given else 0)
    z = (z.relu() if relu else z) + (0 if add is None else add.double())
    if y.numel() > 0:
        assert error(y, z) < 4 * TOLERANCE[dtype]  # summands may cancel
    else:
        assert y.shape == z.shape


def test_opcheck() -> None:
    x = features(3, 5)
    mean, variance = torch.zeros(5, device="cuda"), torch.ones(5, device="cuda")
    arguments = (x, None, mean, variance, None, None, x.clone(), 1e-5, True)
    torch.library.opcheck(KNOWN.overload, arguments)
