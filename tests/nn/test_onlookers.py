"""Hooks, and modules put in the place of ours: they see and do the same, trained or not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from layer_graphs import ring
from torch import Tensor, nn
from torch.nn.utils import parametrize

from multiscale_gcn.nn import Folded, GConv, GraphConvBlock, NonLocal, ResGConv, SemGConv


class Shifted(nn.BatchNorm1d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1


class Adapted(nn.Module):
    """A linear layer with a second one beside it, as low-rank adaptation has."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.down = nn.Linear(layer.in_features, 2, bias=False)
        self.up = nn.Linear(2, layer.out_features, bias=False)

    @property
    def weight(self) -> Tensor:
        return self.layer.weight

    @property
    def bias(self) -> Tensor:
        return self.layer.bias

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x) + self.up(self.down(x))
        return y

    def merged(self) -> nn.Linear:
        whole = copy.deepcopy(self.layer)
        with torch.no_grad():
            whole.weight += self.up.weight @ self.down.weight
        return whole


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "group": lambda c: nn.GroupNorm(2, c),
    "layer": nn.LayerNorm,
    "rms": nn.RMSNorm,
    "none": lambda c: nn.Identity(),
    "needs its result": lambda c: nn.Sequential(nn.BatchNorm1d(c), nn.Tanh()),
    "derived": Shifted,
    "without statistics": lambda c: nn.BatchNorm1d(c, track_running_stats=False),
    "without weights": lambda c: nn.BatchNorm1d(c, affine=False),
    "synchronised": nn.SyncBatchNorm,
}


@pytest.mark.parametrize("convolution", [SemGConv, GConv])
@pytest.mark.parametrize("name", NORMS)
def test_another_norm_stands_where_the_batch_normalisation_stood(
    name: str, convolution: Any
) -> None:
    torch.manual_seed(0)
    block = ResGConv(4, ring(6), convolution=convolution)
    assert block.non_local is not None
    for part in (block.first, block.second, block.non_local):
        part.norm = NORMS[name](4)  # type: ignore[assignment]
    x = torch.randn(3, 6, 4, requires_grad=True)

    def expected(x: Tensor) -> Tensor:
        y = x
        for part in (block.first, block.second):
            y = part.norm(part.convolution(y).reshape(-1, 4)).reshape(x.shape).relu()
        y = y + x
        attended = block.non_local._attend(y)  # type: ignore[union-attr]
        rows = block.non_local.output(attended).reshape(-1, 4)  # type: ignore[union-attr]
        return block.non_local.norm(rows).reshape(x.shape) + y  # type: ignore[union-attr]

    for training in (True, False):
        block.train(training)
        twin = copy.deepcopy(block)
        found = block(x)
        torch.testing.assert_close(found, expected(x))
        (one,) = torch.autograd.grad(found.square().sum(), x)
        (other,) = torch.autograd.grad(expected(x).square().sum(), x)
        torch.testing.assert_close(one, other)
        block.load_state_dict(twin.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(Folded(block).eval()(x), block(x))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("convolution", [SemGConv, GConv])
def test_hooks_see_what_their_module_gave(convolution: Any, training: bool) -> None:
    torch.manual_seed(0)
    block = GraphConvBlock(3, 5, ring(6), convolution=convolution)
    block(torch.randn(9, 6, 3))
    block.train(training)
    x = torch.randn(3, 6, 3)
    twin = copy.deepcopy(block)
    expected = twin(x)
    seen: dict[str, Tensor] = {}
    for name in ("convolution", "norm"):
        layer = block.get_submodule(name)
        layer.register_forward_hook(lambda _, __, y, name=name: seen.__setitem__(name, y))
    torch.testing.assert_close(block(x), expected)
    assert list(seen) == ["convolution", "norm"]
    torch.testing.assert_close(seen["convolution"], twin.convolution(x))
    assert seen["norm"].min() < 0
    rows = seen["norm"].relu()  # node by node
    torch.testing.assert_close(rows.reshape(6, 3, 5).transpose(0, 1), expected)


def test_a_hook_may_change_what_a_module_gave() -> None:
    torch.manual_seed(0)
    block = GraphConvBlock(3, 5, ring(6)).eval()
    x = torch.randn(3, 6, 3)
    block.convolution.register_forward_hook(lambda _, __, y: 0 * y)
    expected = block.norm(torch.zeros(18, 5)).relu().reshape(3, 6, 5)
    torch.testing.assert_close(block(x), expected)
    with torch.no_grad():
        torch.testing.assert_close(Folded(block).eval()(x), expected)


def test_hooks_of_all_modules_see_norms_too() -> None:
    block = GraphConvBlock(3, 5, ring(6)).eval()
    seen: list[nn.Module] = []
    hook = nn.modules.module.register_module_forward_hook(lambda m, _, __: seen.append(m))
    try:
        block(torch.randn(3, 6, 3))
    finally:
        hook.remove()
    assert seen == [block.convolution, block.norm, block]


def test_gradients_can_be_watched_behind_every_module() -> None:
    """As the tools do that explain networks by their gradients."""
    torch.manual_seed(0)
    block = ResGConv(4, ring(6))
    x = torch.randn(3, 6, 4, requires_grad=True)
    (expected,) = torch.autograd.grad(copy.deepcopy(block)(x).square().sum(), x)
    seen: list[str] = []
    for name, layer in block.named_modules():
        layer.register_full_backward_hook(lambda *_, name=name: seen.append(name))
    (found,) = torch.autograd.grad(block(x).square().sum(), x)
    torch.testing.assert_close(found, expected)
    assert {"first.norm", "second.norm", "non_local.norm", "first.convolution"} <= set(seen)


@pytest.mark.parametrize("groups", [None, [[0, 2, 4], [1, 3, 5]]])
@pytest.mark.parametrize("places", [("value", "theta", "phi", "output"), ("theta",), ("value",)])
def test_layers_in_the_place_of_maps_are_called(places: tuple[str, ...], groups: Any) -> None:
    torch.manual_seed(0)
    block = NonLocal(4, groups=groups).eval()
    nn.init.ones_(block.norm.weight)
    x = torch.randn(3, 6, 4)
    plain = copy.deepcopy(block)
    for place in places:
        adapted = Adapted(block.get_submodule(place))  # type: ignore[arg-type]
        setattr(block, place, adapted)
        setattr(plain, place, adapted.merged())
    assert not torch.allclose(block(x), NonLocal(4)(x))
    torch.testing.assert_close(block(x), plain(x))
    block(x).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    with torch.no_grad():
        torch.testing.assert_close(Folded(block).eval()(x), plain(x))


def test_parametrized_layers_stay_what_they_are() -> None:
    class Doubled(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return 2 * weight

    torch.manual_seed(0)
    block = ResGConv(4, ring(6)).eval()
    twin = copy.deepcopy(block)
    for layer in list(block.modules()):
        for name, parameter in list(layer.named_parameters(recurse=False)):
            with torch.no_grad():
                twin_of = dict(zip(block.modules(), twin.modules(), strict=False))[layer]
                twin_of.get_parameter(name).copy_(2 * parameter)
    for layer in list(block.modules()):
        for name in [name for name, _ in layer.named_parameters(recurse=False)]:
            parametrize.register_parametrization(layer, name, Doubled())
    x = torch.randn(3, 6, 4)
    torch.testing.assert_close(block(x), twin(x))
    with torch.no_grad():
        torch.testing.assert_close(Folded(block).eval()(x), twin(x))
