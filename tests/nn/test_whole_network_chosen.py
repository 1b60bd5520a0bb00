"""When a network runs in one kernel, and that nobody who looks on or changes it goes unheard."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast
from weakref import WeakValueDictionary

import pytest
import torch
import torch.distributed as dist
from cuda_checks import drawn, error
from emulated_device import EmulatedDevice, forget, there
from kernels_on_host import needs_compiler
from layer_graphs import ring
from stream_watch import watched_recording
from test_layer_calls import CHANGES, C
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.parallel import DistributedDataParallel
from whole_network_kernels import emulate_whole_networks

from multiscale_gcn.nn import GraphConvBlock, MultiScaleGCN
from multiscale_gcn.nn.whole_network import program_or_reason
from multiscale_gcn.ops import selection
from multiscale_gcn.ops.whole_network import on_cuda

pytestmark = needs_compiler
ONE_KERNEL = ["arrange_weights", "walk_network"]
UNSEEN = {"transposed", "doubled", "hooked", "hooked_before", "patched", "parametrized"}
"""Changes after which layers run by themselves."""


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedDevice]:
    yield emulate_whole_networks(monkeypatch)
    forget()


def network(**options: Any) -> MultiScaleGCN:
    given: dict[str, Any] = {"in_channels": C, "channels": C, "out_channels": C, **options}
    made = MultiScaleGCN([ring(9, 2), ring(5, 1)], [(0,), (0, 1)], **given)
    return drawn(made).eval()  # type: ignore[return-value]


def graphs(batch: int = 2) -> Tensor:
    return torch.randn(batch, 9, C)


def asked(device: EmulatedDevice, model: nn.Module, *inputs: Tensor) -> tuple[Any, bool]:
    """What it answers on the device, and whether in one kernel."""
    device.launched.clear()
    found = there(model, *inputs)
    ours = [name for name in device.launched if name in ONE_KERNEL]
    assert ours in ([], ONE_KERNEL)
    assert not ours or device.launched == ours
    return found, bool(ours)


def close(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        assert error(one, other.double()) < 2e-5


def answers_alike(device: EmulatedDevice, model: nn.Module, in_one: bool) -> None:
    for _ in range(2):
        x = graphs()
        with torch.no_grad():
            found, was_one = asked(device, model, x)
            close(found, model(x))
        assert was_one == in_one


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changes_are_heard(change: Callable[[Any], None], device: EmulatedDevice) -> None:
    model = network()
    answers_alike(device, model, True)
    change(cast("nn.ModuleDict", model.blocks[0])["0"])
    answers_alike(device, model, change.__name__ not in UNSEEN)


def test_who_watches_the_network_itself_is_heard(device: EmulatedDevice) -> None:
    model = network()
    answers_alike(device, model, True)
    seen: list[Any] = []
    model.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs))
    answers_alike(device, model, True)
    assert len(seen) == 4


def test_who_watches_all_modules_is_heard(device: EmulatedDevice) -> None:
    model = network()
    answers_alike(device, model, True)
    seen: list[nn.Module] = []
    hook = nn.modules.module.register_module_forward_hook(lambda m, _, __: seen.append(m))
    try:
        answers_alike(device, model, False)
    finally:
        hook.remove()
    assert any(isinstance(module, GraphConvBlock) for module in seen)
    answers_alike(device, model, True)


def test_modules_that_train(device: EmulatedDevice) -> None:
    model = network()
    answers_alike(device, model, True)
    norm = next(module for module in model.modules() if isinstance(module, nn.BatchNorm1d))
    norm.train()
    x = graphs()
    with torch.no_grad():
        twin = copy.deepcopy(model)
        found, was_one = asked(device, model, x)
        assert not was_one
        for one, other in zip(found, twin(x), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    model.train()
    assert not asked(device, model, x)[1]
    model.eval()
    answers_alike(device, model, True)


def test_gradients_come_from_layers(device: EmulatedDevice) -> None:
    model = network()
    answers_alike(device, model, True)
    x = graphs().requires_grad_()
    found, was_one = asked(device, model, x)
    assert not was_one
    assert found[0].requires_grad
    model.requires_grad_(False)
    found, was_one = asked(device, model, x)
    assert not was_one
    (gradient,) = there(torch.autograd.grad, found[0].sum(), x)
    (expected,) = torch.autograd.grad(model(x)[0].sum(), x)
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-4)
    found, was_one = asked(device, model, x.detach())
    assert was_one
    assert not found[0].requires_grad


def test_inference_mode(device: EmulatedDevice) -> None:
    model = network()
    with torch.inference_mode():
        x = graphs()
        for _ in range(2):
            found, was_one = asked(device, model, x)
            assert was_one
            close(found, model(x))
    answers_alike(device, model, True)


def test_tangents(device: EmulatedDevice) -> None:
    model = network()
    x, tangent = graphs(), graphs()
    answers_alike(device, model, True)
    with torch.no_grad(), forward_ad.dual_level():
        assert not asked(device, model, forward_ad.make_dual(x, tangent))[1]


def test_vmap(device: EmulatedDevice) -> None:
    model, x = network(), torch.randn(3, 2, 9, C)
    answers_alike(device, model, True)
    with torch.no_grad():
        expected = torch.stack([model(part)[0] for part in x])
        device.launched.clear()
        try:
            found = there(lambda: torch.vmap(lambda part: model(part)[0])(x))
        except RuntimeError:  # of kernels of layers
            found = expected
        assert "walk_network" not in device.launched
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_types(device: EmulatedDevice) -> None:
    model = network()
    answers_alike(device, model, True)
    model.double()
    assert "torch.float64" in there(program_or_reason, model, [graphs()])
    model.float()
    answers_alike(device, model, True)


def test_copies_and_pickles(device: EmulatedDevice) -> None:
    model = network()
    answers_alike(device, model, True)
    stored = io.BytesIO()
    torch.save(model, stored)
    stored.seek(0)
    for twin in (
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        torch.load(stored, weights_only=False),
    ):
        drawn(twin, 3)
        answers_alike(device, twin, True)
    answers_alike(device, model, True)


def test_threads(device: EmulatedDevice) -> None:
    model = network()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            answers_alike(device, model, True)
        except BaseException as problem:
            failed.append(problem)

    run()
    for _ in range(2):  # one after another, as the emulated device is
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert not failed


def test_inputs_at_any_address(device: EmulatedDevice) -> None:
    model = network()
    x = torch.randn(6 * 9 * C + 6).as_strided((6, 9, C), (9 * C + 1, C, 1))
    with torch.no_grad():
        for part in (x[1:3], x[2:4], x[3:5], x[0:2], x[1:3]):
            found, was_one = asked(device, model, part)
            assert was_one
            close(found, model(part))


def test_no_members(device: EmulatedDevice) -> None:
    with torch.no_grad():
        assert [y.shape for y in there(network(), graphs(0))] == [(0, 9, C), (0, 5, C)]


def test_other_devices_and_many_members(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network()
    monkeypatch.setattr(on_cuda, "multiprocessors", lambda index: 1)
    before = torch.backends.cuda.matmul.allow_tf32
    try:
        for tf32, most in on_cuda.MOST_ROUNDS.items():
            torch.backends.cuda.matmul.allow_tf32 = tf32
            reasons = [there(program_or_reason, model, [graphs(b)]) for b in (most, most + 1)]
            assert not isinstance(reasons[0], str)
            assert "members" in reasons[1]
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (8, 0))
    assert "capability (8, 0)" in there(program_or_reason, model, [graphs()])


def test_recordings_that_begin_before_it_ran(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def capturing(is_so: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: is_so)

    monkeypatch.setattr(on_cuda, "_tables", WeakValueDictionary())
    with torch.no_grad():
        capturing(True)
        assert not asked(device, network(), graphs())[1]
        capturing(False)
        model = network()
        assert asked(device, model, graphs(2))[1]
        capturing(True)
        assert asked(device, model, graphs(2))[1]
        assert asked(device, model, graphs(3))[1]  # the same tables and kernels


def test_tables_live_as_long_as_networks(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_cuda, "_tables", WeakValueDictionary())
    models = [network(), network(), network(channels=32)]
    with torch.no_grad():
        for model in models:
            for batch in (1, 2, 3):
                there(model, graphs(batch))
    assert len(on_cuda._tables) == 4  # two for each kind of network
    del model, models
    gc.collect()
    assert not on_cuda._tables


def test_tables_stay_where_a_cuda_graph_reads_them(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_cuda, "_tables", WeakValueDictionary())
    monkeypatch.setattr(on_cuda, "_captured", {})
    model = network()
    with torch.no_grad():
        there(model, graphs())
        with monkeypatch.context() as patch:
            patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
            assert asked(device, model, graphs())[1]
    del model
    gc.collect()
    assert len(on_cuda._tables) == 2


@pytest.mark.parametrize("watched", [False, True])
def test_recordings_answer_what_calls_do(
    watched: bool, device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where layers run, since somebody looks on, and then on many streams."""
    model, x = network(), graphs()
    if watched:
        model.blocks[0].register_forward_hook(lambda *_: None)
    with torch.no_grad():
        expected, was_one = asked(device, model, x)
        assert was_one != watched
        device.launched.clear()
        with device.here(), watched_recording(monkeypatch) as watch:
            found = model(x)
    assert ("walk_network" in device.launched) == was_one
    assert was_one == (watch.used == {0})
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_plain_pytorch_is_no_kernel(
    device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "cupy_hindrance", lambda: "it is left out")
    assert there(program_or_reason, network(), [graphs()]) == "it is left out"


def test_wrapped_for_several_processes(device: EmulatedDevice) -> None:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        model = network()
        wrapped = DistributedDataParallel(model).eval()
        for _ in range(2):
            x = graphs()
            with torch.no_grad():
                found, was_one = asked(device, wrapped, x)
                close(found, model(x))
            assert was_one
    finally:
        dist.destroy_process_group()
