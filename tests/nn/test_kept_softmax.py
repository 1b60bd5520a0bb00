"""The softmax that a convolution keeps: what it gives is always that of its logits as they are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from layer_graphs import ring
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, stack_module_state, vmap

from multiscale_gcn.nn import SemGConv
from multiscale_gcn.ops import semgconv


def layer_and_features(per_channel: bool = False) -> tuple[SemGConv, Tensor]:
    torch.manual_seed(0)
    layer = SemGConv(4, 6, ring(8, 2), per_channel=per_channel)
    nn.init.normal_(layer.logits)
    return layer, torch.randn(3, 8, 4)


def specified(layer: SemGConv, x: Tensor) -> Tensor:
    """By the operator, which makes the softmax at every call."""
    return semgconv(x, layer.logits, layer.weight, layer.bias, layer.pattern.entries)


def by_step(layer: SemGConv, x: Tensor) -> None:
    with torch.enable_grad():
        layer(x).square().sum().backward()
    torch.optim.SGD(layer.parameters(), lr=0.1).step()


def by_data(layer: SemGConv, x: Tensor) -> None:
    layer.logits.data[3] += 1  # no counter of versions sees it


def by_state(layer: SemGConv, x: Tensor) -> None:
    state = {
        key: value + 0.5 * torch.randn_like(value) for key, value in layer.state_dict().items()
    }
    layer.load_state_dict(state)


def by_parameter(layer: SemGConv, x: Tensor) -> None:
    layer.logits = nn.Parameter(torch.randn_like(layer.logits))


def by_nothing(layer: SemGConv, x: Tensor) -> None:
    layer.logits.data[2] = torch.nan  # which equals nothing, itself included


def by_less_precision(layer: SemGConv, x: Tensor) -> None:
    layer.bfloat16()
    x.data = x.bfloat16()


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(
    "change", [by_step, by_data, by_state, by_parameter, by_nothing, by_less_precision]
)
def test_it_follows_the_logits(change: Callable[..., None], per_channel: bool) -> None:
    layer, x = layer_and_features(per_channel)
    with torch.no_grad():
        before = layer(x)
        assert torch.equal(before, specified(layer, x))
        assert torch.equal(layer(x), before)
        change(layer, x)
        after = layer(x)
        assert torch.equal(after.nan_to_num(), specified(layer, x).nan_to_num())
        assert not torch.equal(after, before.to(after.dtype))


def test_it_is_made_once_for_the_same_logits() -> None:
    layer, x = layer_and_features()
    with torch.inference_mode():
        layer(x)
        made = layer._softmax(layer.logits, layer.pattern.entries)
        assert made is layer._softmax(layer.logits, layer.pattern.entries)
    assert layer._softmax(layer.logits, layer.pattern.entries) is None  # gradients are asked for
    with torch.no_grad():
        other = copy.deepcopy(layer)  # which begins anew
        assert other._softmax(other.logits, other.pattern.entries) is not made


def test_gradients_flow_after_it_was_kept() -> None:
    layer, x = layer_and_features()
    fresh = copy.deepcopy(layer)
    with torch.inference_mode():
        layer(x)
    for each in (layer, fresh):
        each(x).square().sum().backward()
    kept, anew = layer.logits.grad, fresh.logits.grad
    assert kept is not None
    assert anew is not None
    assert kept.abs().max() > 0
    assert torch.equal(kept, anew)


def test_several_networks_at_once_have_each_its_own() -> None:
    layers = [layer_and_features()[0] for _ in range(2)]
    nn.init.normal_(layers[1].logits)
    x = layer_and_features()[1]
    parameters, buffers = stack_module_state(layers)
    with torch.no_grad():
        layers[0](x)
        both = vmap(lambda p, b: functional_call(layers[0], (p, b), (x,)))(parameters, buffers)
        for layer, found in zip(layers, both, strict=True):
            torch.testing.assert_close(found, specified(layer, x))


def test_tangents_go_through_while_nothing_learns() -> None:
    layer, x = layer_and_features()
    tangent = torch.linspace(-1, 1, layer.logits.numel())
    with torch.no_grad(), forward_ad.dual_level():
        layer(x)
        logits = forward_ad.make_dual(layer.logits.detach(), tangent)
        found = forward_ad.unpack_dual(functional_call(layer, {"logits": logits}, (x,))).tangent
    assert found is not None

    def answer(logits: Tensor) -> Tensor:
        result: Tensor = functional_call(layer, {"logits": logits}, (x,))
        return result

    step = 1e-2
    ahead, behind = (answer(layer.logits.detach() + k * step * tangent) for k in (1, -1))
    torch.testing.assert_close(found, (ahead - behind) / (2 * step), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("strict", [False, True])
def test_exported_graphs_read_the_logits(strict: bool) -> None:
    layer, x = layer_and_features()
    with torch.no_grad():
        layer(x)
        exported: Any = torch.export.export(layer, (x,), strict=strict).module()
        for module in (layer, exported):
            module.logits.data.copy_(torch.linspace(-1, 1, module.logits.numel()))
        torch.testing.assert_close(exported(x), specified(layer, x))
