"""Calls that are kept, on an emulated device, against plain PyTorch."""

from __future__ import annotations

import copy
import io
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from cuda_checks import drawn
from emulated_device import EmulatedDevice, emulate, forget, there
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn.nn import (
    CrossScaleFusion,
    DenseMap,
    GConv,
    GraphConvBlock,
    MultiScaleGCN,
    NonLocal,
    ResGConv,
    ScaleSum,
    SemGConv,
)
from multiscale_gcn.ops import selection
from multiscale_gcn.ops.kernels import prepared
from multiscale_gcn.ops.normalised_map import on_cuda as normalised_map

C = 64
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "SemGConv": lambda: SemGConv(C, C, ring(9, 2)),
    "GConv": lambda: GConv(C, C, ring(9, 2)),
    "GConv with a matrix of its own": lambda: GConv(C, C, ring(9, 2), separate_self=True),
    "GraphConvBlock": lambda: GraphConvBlock(C, C, ring(9, 2)),
    "NonLocal": lambda: NonLocal(C),
    "ResGConv": lambda: ResGConv(C, ring(9, 2)),
    "ResGConv of GConv": lambda: ResGConv(C, ring(9, 2), convolution=GConv, non_local=False),
}


def features(batch: int = 3, nodes: int = 9) -> Tensor:
    return torch.randn(nodes, batch, C).transpose(0, 1)


def close(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=5e-4)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatedDevice]:
    yield emulate(monkeypatch)
    forget()


class Rehearsals:
    """Counts how often a call was written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = self.written = 0
        rehearsed = prepared._rehearsed

        def counted(*arguments: Any) -> Any:
            call, result = rehearsed(*arguments)
            self.count += 1
            self.written += call.run is not None
            return call, result

        monkeypatch.setattr(prepared, "_rehearsed", counted)


@pytest.fixture
def rehearsals(monkeypatch: pytest.MonkeyPatch) -> Rehearsals:
    return Rehearsals(monkeypatch)


@pytest.mark.parametrize("name", LAYERS)
def test_calls_in_evaluation(name: str, device: EmulatedDevice, rehearsals: Rehearsals) -> None:
    layer = drawn(LAYERS[name]()).eval()
    launched = []
    for batch in (3, 3, 3, 1, 3):
        x = features(batch)
        device.launched.clear()
        with torch.no_grad():
            found, expected = there(layer, x), layer(x)
        assert found.transpose(0, 1).is_contiguous()
        close(found, expected)
        launched.append(tuple(device.launched))
    assert len(set(launched)) == 1
    assert launched[0]
    assert rehearsals.count == rehearsals.written == 2


@pytest.mark.parametrize("name", LAYERS)
def test_calls_where_products_may_be_rounded(
    name: str, device: EmulatedDevice, rehearsals: Rehearsals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One kernel has the map behind attention, its normalisation and the sum, if rows are many."""
    monkeypatch.setattr(normalised_map, "allow_tf32", lambda: True)
    monkeypatch.setattr(normalised_map, "multiprocessors", lambda index: 1)
    layer = drawn(LAYERS[name]()).eval()
    attends = any(isinstance(module, NonLocal) for module in layer.modules())
    for batch, many in ((20, True), (20, True), (2, False)):
        x = features(batch)
        device.launched.clear()
        with torch.no_grad():
            close(there(layer, x), layer(x))
        assert device.launched.count("map_and_normalise") == (attends and many)
        assert device.launched.count("normalise_known") == (attends and not many)
    assert rehearsals.count == rehearsals.written == 2


@pytest.mark.parametrize("name", LAYERS)
def test_without_kernels(
    name: str, device: EmulatedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "_cupy_hindrance", lambda: "there is no CuPy")
    monkeypatch.delitem(sys.modules, "cupy.cuda")
    layer = drawn(LAYERS[name]())
    twin = copy.deepcopy(layer)
    for _ in range(3):
        x, up = features().requires_grad_(), torch.randn(3, 9, C)
        for module in (layer, twin):
            module.train()
        close(there(gradients, layer, [x], up), gradients(twin, [x], up))
        for module in (layer, twin):
            module.eval()
        close(there(answers, layer, x.detach()), answers(twin, x.detach()))
    assert not device.launched


def gradients(layer: nn.Module, inputs: list[Tensor], up: Tensor) -> tuple[Tensor, ...]:
    leaves = [t for t in (*inputs, *layer.parameters()) if t.requires_grad]
    found = torch.autograd.grad(layer(*inputs), leaves, up, allow_unused=True)
    return tuple(torch.zeros(()) if g is None else g for g in found)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("frozen", [False, True])
def test_steps_of_training(name: str, frozen: bool, device: EmulatedDevice) -> None:
    layer = drawn(LAYERS[name]()).train()
    if frozen:
        for p in list(layer.parameters())[::2]:
            p.requires_grad_(False)
    twin = copy.deepcopy(layer)
    for step in range(3):
        x = features().detach().requires_grad_(not frozen or step > 0)
        up = torch.randn(3, 9, C)
        close(there(gradients, layer, [x], up), gradients(twin, [x], up))
        close(layer.state_dict(), twin.state_dict())


def tied_weights(layer: Any) -> None:
    layer.second.convolution.weight = layer.first.convolution.weight


def tied_norms(layer: Any) -> None:
    layer.second.norm = layer.first.norm


def tied_blocks(layer: Any) -> None:
    layer.second = layer.first


@pytest.mark.parametrize("tie", [tied_weights, tied_norms, tied_blocks])
def test_what_is_read_twice_has_both_gradients(
    tie: Callable[[Any], None], device: EmulatedDevice
) -> None:
    layer = drawn(ResGConv(C, ring(9, 2))).train()
    tie(layer)
    twin = copy.deepcopy(layer)
    for _ in range(2):
        x, up = features().requires_grad_(), torch.randn(3, 9, C)
        close(there(gradients, layer, [x], up), gradients(twin, [x], up))
        close(layer.state_dict(), twin.state_dict())


def test_a_block_in_training_is_one_function(device: EmulatedDevice) -> None:
    layer = drawn(ResGConv(C, ring(9, 2)))
    for _ in range(2):
        device.launched.clear()
        y = there(layer, features())
        assert type(y.grad_fn).__name__ == "LearnedBlockBackward"
        convolved = ["semgconv_whole", "normalise_whole"]
        assert device.launched == [*convolved * 2, "join", "attend", "normalise_whole"]


def test_the_sum_behind_a_block_has_a_gradient(device: EmulatedDevice) -> None:
    layer = drawn(GraphConvBlock(C, C, ring(9, 2)))
    for _ in range(2):
        inputs = [features().requires_grad_() for _ in range(2)]
        up = torch.randn(3, 9, C)
        close(there(gradients, layer, inputs, up), gradients(layer, inputs, up))


def test_a_block_learns_with_and_without_a_sum(device: EmulatedDevice) -> None:
    layer = drawn(GraphConvBlock(C, C, ring(9, 2)))
    for count, learn in ((1, True), (2, True), (1, False), (2, False), (2, True)):
        inputs = [features().requires_grad_(learn) for _ in range(count)]
        up = torch.randn(3, 9, C)
        close(there(gradients, layer, inputs, up), gradients(layer, inputs, up))


def test_a_gradient_without_strides(device: EmulatedDevice) -> None:
    layer, up = drawn(ResGConv(C, ring(9, 2))), torch.ones(()).expand(3, 9, C)
    for _ in range(2):
        x = features().requires_grad_()
        close(there(gradients, layer, [x], up), gradients(layer, [x], up))


def answers(network: nn.Module, x: Any) -> Any:
    with torch.no_grad():
        return network(x)


def loss_gradients(network: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    loss = torch.stack([y.square().mean() for y in network(x)]).sum()
    return torch.autograd.grad(loss, list(network.parameters()))


def test_a_network(device: EmulatedDevice, rehearsals: Rehearsals) -> None:
    options: dict[str, Any] = {"in_channels": C, "channels": C, "out_channels": C}
    network = MultiScaleGCN([ring(9, 2), ring(5, 1)], [(0, 1), (0, 1)], **options)
    drawn(network).eval()
    for _ in range(3):
        x = features()
        close(there(answers, network, x), answers(network, x))
    assert rehearsals.count == rehearsals.written == 1
    network.train()
    twin = copy.deepcopy(network)
    for _ in range(2):
        x = features()
        close(there(loss_gradients, network, x), loss_gradients(twin, x))


def test_a_fusion_is_kept(device: EmulatedDevice, rehearsals: Rehearsals) -> None:
    fusion = drawn(CrossScaleFusion([9, 5, 4])).eval()
    for _ in range(2):
        given = [features(3, nodes) for nodes in (9, 5, 4)]
        device.launched.clear()
        found, expected = (torch.cat(f(answers, fusion, given), 1) for f in (there, here))
        close(found, expected)
        assert device.launched == ["fuse"]
    assert rehearsals.count == rehearsals.written == 1


def watched(fusion: Any) -> None:
    fusion.sums["0"].register_forward_hook(lambda module, inputs, output: output + 1)


def of_its_own(fusion: Any) -> None:
    class Twice(ScaleSum):
        def forward(self, *inputs: Any) -> Tensor:
            return 2 * super().forward(*inputs)

    fusion.sums["1"].__class__ = Twice


def mapping_otherwise(fusion: Any) -> None:
    class Squared(DenseMap):
        def mix(self, x: Tensor, add: Tensor | None) -> Tensor:
            return super().mix(x.square(), add)

    fusion.sums["2"].maps[0].__class__ = Squared


@pytest.mark.parametrize("change", [watched, of_its_own, mapping_otherwise])
@pytest.mark.parametrize("order", ["parallel", "sequential"])
@pytest.mark.parametrize("training", [False, True])
def test_who_changes_a_fusion_is_heard(
    change: Callable[[Any], None], order: Any, training: bool, device: EmulatedDevice
) -> None:
    fusion = drawn(CrossScaleFusion([9, 5, 4], order)).train(training)
    given = [features(3, nodes) for nodes in (9, 5, 4)]
    before = torch.cat(answers(fusion, given), 1)
    change(fusion)
    for _ in range(2):
        found, expected = (torch.cat(f(answers, fusion, given), 1) for f in (there, here))
        close(found, expected)
        assert not torch.allclose(found, before, rtol=1e-2)


def test_a_fusion_in_a_row_is_kept(device: EmulatedDevice, rehearsals: Rehearsals) -> None:
    fusion = drawn(CrossScaleFusion([9, 5, 4], "sequential")).eval()
    for _ in range(2):
        given = [features(3, nodes) for nodes in (9, 5, 4)]
        device.launched.clear()
        found, expected = (torch.cat(f(answers, fusion, given), 1) for f in (there, here))
        close(found, expected)
        assert device.launched == ["fuse"] * 3
    assert rehearsals.count == rehearsals.written == 1


def fused_gradients(fusion: nn.Module, given: list[Tensor], ups: list[Tensor]) -> Any:
    leaves = [t for t in (*given, *fusion.parameters()) if t.requires_grad]
    return torch.autograd.grad(fusion(given), leaves, ups)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("order", ["parallel", "sequential"])
def test_a_fusion_learns(order: Any, frozen: bool, device: EmulatedDevice) -> None:
    fusion = drawn(CrossScaleFusion([9, 5, 4], order))
    if frozen:
        for p in list(fusion.parameters())[::3]:
            p.requires_grad_(False)
    for _ in range(2):
        given = [features(3, nodes).requires_grad_() for nodes in (9, 5, 4)]
        ups = [torch.randn(3, nodes, C) for nodes in (9, 5, 4)]
        expected = fused_gradients(fusion, given, ups)
        close(there(fused_gradients, fusion, given, ups), expected)
        for p in fusion.parameters():
            p.grad = None
    made = there(fusion, given)
    one_function = type(made[0].grad_fn).__name__ == "LearnedBlockBackward"
    assert one_function == (order == "parallel")


def test_a_fusion_is_one_kernel_forward_and_three_backward(device: EmulatedDevice) -> None:
    fusion = drawn(CrossScaleFusion([9, 5, 4]))
    given = [features(3, nodes).requires_grad_() for nodes in (9, 5, 4)]
    ups = [torch.randn(3, nodes, C) for nodes in (9, 5, 4)]
    for _ in range(2):
        device.launched.clear()
        there(fused_gradients, fusion, given, ups)
        assert device.launched == ["fuse", "fuse_back", "fuse_parts", "add_parts"]
    fusion.requires_grad_(False)
    device.launched.clear()
    there(fused_gradients, fusion, given, ups)
    assert device.launched == ["fuse", "fuse_back"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_fusion_that_no_kernel_takes(dtype: torch.dtype, device: EmulatedDevice) -> None:
    fusion = drawn(CrossScaleFusion([9, 5])).to(dtype)
    given = [features(3, nodes).to(dtype) for nodes in (9, 5)]
    found, expected = there(fusion, given), fusion(given)
    assert not device.launched
    assert type(found[0].grad_fn).__name__ != "LearnedBlockBackward"
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_a_scale_that_begins_learns(device: EmulatedDevice) -> None:
    begins = drawn(ScaleSum([9, 5], 4))
    for _ in range(2):
        given = [features(3, nodes).requires_grad_() for nodes in (9, 5)]
        up = torch.randn(3, 4, C)
        leaves = [*given, *begins.parameters()]

        def found(given: list[Tensor] = given, leaves: list[Tensor] = leaves, up: Tensor = up):
            return torch.autograd.grad(begins(given), leaves, up)

        expected = found()
        device.launched.clear()
        close(there(found), expected)
        assert device.launched == ["fuse", "fuse_back", "fuse_parts", "add_parts"]


def here(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


# ------------------------------------------------------------------------ what a call may not keep


def in_place(layer: Any) -> None:
    with torch.no_grad():
        for p in layer.parameters():
            p.mul_(1.5)


def by_data(layer: Any) -> None:
    for p in layer.parameters():
        p.data = p.data.clone() * 0.5


def loaded(layer: Any) -> None:
    layer.load_state_dict(drawn(ResGConv(C, ring(9, 2)), seed=1).state_dict())


def assigned(layer: Any) -> None:
    other = drawn(ResGConv(C, ring(9, 2)), seed=1).state_dict()
    layer.load_state_dict(other, assign=True)


def another_parameter(layer: Any) -> None:
    layer.first.convolution.weight = nn.Parameter(torch.randn(2, C, C) / 8)


def transposed(layer: Any) -> None:
    layer.non_local.output.weight.data = torch.randn(C // 2, C).t()


def another_module(layer: Any) -> None:
    layer.second = drawn(GraphConvBlock(C, C, ring(9, 1)), seed=2).eval()


def another_epsilon(layer: Any) -> None:
    layer.first.norm.eps = 0.5


def statistics(layer: Any) -> None:
    layer.first.norm.running_mean += 1
    layer.non_local.norm.running_var.fill_(3.0)


def doubled(layer: Any) -> None:
    layer.second.convolution.weight = layer.first.convolution.weight


def hooked(layer: Any) -> None:
    layer.first.convolution.register_forward_hook(lambda module, inputs, output: output + 1)


def hooked_before(layer: Any) -> None:
    layer.non_local.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,))


def patched(layer: Any) -> None:
    layer.first.forward = lambda x, add=None: x * 3


def parametrized(layer: Any) -> None:
    class Twice(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return 2 * weight

    nn.utils.parametrize.register_parametrization(layer.non_local.output, "weight", Twice())


CHANGES = [
    *(in_place, by_data, loaded, assigned, another_parameter, transposed, another_module),
    *(another_epsilon, statistics, doubled, hooked, hooked_before, patched, parametrized),
]


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_a_layer_are_seen(change: Callable[[Any], None], device: EmulatedDevice) -> None:
    layer = drawn(ResGConv(C, ring(9, 2))).eval()
    x = features()
    before = [there(answers, layer, x) for _ in range(2)]
    change(layer)
    found = [there(answers, layer, x) for _ in range(2)]
    expected = answers(layer, x)
    assert not torch.allclose(before[1], expected, atol=1e-3)
    for result in found:
        close(result, expected)


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_a_layer_are_learned_from(
    change: Callable[[Any], None], device: EmulatedDevice
) -> None:
    layer = drawn(ResGConv(C, ring(9, 2)))
    x, up = features().requires_grad_(), torch.randn(3, 9, C)
    for _ in range(2):
        there(gradients, layer, [x], up)
    change(layer)
    layer.train()
    expected = gradients(layer, [x], up)
    for _ in range(2):
        close(there(gradients, layer, [x], up), expected)


def test_gradients_are_made_where_they_are_asked_for(device: EmulatedDevice) -> None:
    layer = drawn(ResGConv(C, ring(9, 2))).eval()
    x = features()
    with device.here():
        with torch.no_grad():
            for _ in range(2):
                assert not layer(x).requires_grad
        assert layer(x).requires_grad
        layer.requires_grad_(False)
        assert not layer(x).requires_grad
        for _ in range(2):
            assert layer(x.clone().requires_grad_()).requires_grad
        with torch.inference_mode():
            for _ in range(2):
                assert layer(x).is_inference()
        with torch.no_grad():
            assert not layer(x).is_inference()


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_in_evaluation(name: str, device: EmulatedDevice) -> None:
    layer = drawn(LAYERS[name]()).eval()
    for _ in range(2):
        x, up = features().requires_grad_(), torch.randn(3, 9, C)
        there(answers, layer, x)
        close(there(gradients, layer, [x], up), gradients(layer, [x], up))


def test_modes_alternate(device: EmulatedDevice, rehearsals: Rehearsals) -> None:
    layer = drawn(ResGConv(C, ring(9, 2)))
    twin = copy.deepcopy(layer)
    for _ in range(3):
        x, up = features(), torch.randn(3, 9, C)
        for module in (layer, twin):
            module.train()
        close(there(gradients, layer, [x], up), gradients(twin, [x], up))
        for module in (layer, twin):
            module.eval()
        close(there(answers, layer, x), answers(twin, x))
    assert rehearsals.count == rehearsals.written == 3  # forward, backward and in evaluation


def test_copies_keep_no_calls(device: EmulatedDevice) -> None:
    layer = drawn(ResGConv(C, ring(9, 2))).eval()
    x = features()
    expected = [there(answers, layer, x) for _ in range(2)][1]
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    for copied in (copy.deepcopy(layer), torch.load(file, weights_only=False)):
        assert torch.equal(there(answers, copied, x), expected)
        in_place(copied)
        assert not torch.equal(there(answers, copied, x), expected)
    assert torch.equal(there(answers, layer, x), expected)


def test_bad_inputs_are_refused_behind_good_ones(device: EmulatedDevice) -> None:
    layer = drawn(ResGConv(C, ring(9, 2)))
    for training in (True, False):
        layer.train(training)
        for _ in range(2):
            there(answers, layer, features())
        with pytest.raises(ValueError, match="x has 8 nodes on axis 1"):
            there(answers, layer, features(3, 8))
        with pytest.raises(TypeError, match="x is a list"):
            there(answers, layer, [1.0])
        with pytest.raises(ValueError, match=r"x is torch.int64"):
            there(answers, layer, features().long())


def test_threads_keep_their_own(device: EmulatedDevice) -> None:
    layer = drawn(ResGConv(C, ring(9, 2))).eval()
    inputs = [features() for _ in range(8)]
    expected = [answers(layer, x) for x in inputs]
    found: list[list[Tensor]] = [[] for _ in inputs]

    def work(place: int) -> None:
        found[place] += [answers(layer, inputs[place]) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(inputs))]
    with device.here():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for results, one in zip(found, expected, strict=True):
        assert len(results) == 5
        for result in results:
            close(result, one)


def test_replicas_are_layers_of_their_own(device: EmulatedDevice) -> None:
    layer: Any = drawn(ResGConv(C, ring(9, 2)))
    x, up = features().requires_grad_(), torch.randn(3, 9, C)
    for training in (True, False):
        layer.train(training)
        twin = layer._replicate_for_data_parallel()
        twin.first = drawn(GraphConvBlock(C, C, ring(9, 2)), seed=3).train(training)
        for module in (layer, twin, layer):
            expected = torch.autograd.grad(module(x), x, up)
            close(there(lambda m: torch.autograd.grad(m(x), x, up), module), expected)


def test_parameters_that_are_none(device: EmulatedDevice) -> None:
    layer: Any = drawn(ResGConv(C, ring(9, 2), non_local=False))
    weight = layer.first.convolution.weight.detach().clone()
    del layer.first.convolution._parameters["weight"]
    layer.first.convolution.__dict__["weight"] = weight
    x, up = features().requires_grad_(), torch.randn(3, 9, C)
    for training in (True, False):
        layer.train(training)
        for _ in range(2):
            expected = torch.autograd.grad(layer(x), x, up)
            close(there(lambda: torch.autograd.grad(layer(x), x, up)), expected)
            close(there(answers, layer, x), answers(layer, x))


def test_a_wrong_normalisation_is_refused(device: EmulatedDevice) -> None:
    layer = drawn(SemGConv(C, C, ring(9, 2))).eval()
    with pytest.raises(TypeError, match="norm is a list"):
        there(layer, features(), [1.0])
    with pytest.raises(ValueError, match="relu"):
        there(layer, features(), None, [])
    with pytest.raises(ValueError, match="x has 8 nodes"):
        there(layer, features(3, 8))
