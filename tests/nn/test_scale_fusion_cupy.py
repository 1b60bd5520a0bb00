"""Kernels for maps between scales, on a CUDA device, against the same layers in float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from cuda_checks import error, needs_kernels
from torch import Tensor, nn

from multiscale_gcn.nn import CrossScaleFusion, ScaleSum
from multiscale_gcn.ops.fusion import on_cuda
from multiscale_gcn.ops.fusion.division import divide_fusion

pytestmark = needs_kernels

SIZES = ([17, 48, 96], [17, 48], [1, 3], [33, 8, 16, 7], [128, 100])
COLUMNS = ((64, 128), (1, 128), (3, 20), (1024, 128), (7, 36))


def drawn(layer: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn_like(p) / 4)
    return layer.cuda().train()


def features(batch: int, nodes: int, channels: int) -> Tensor:
    return torch.randn(nodes, batch, channels, device="cuda").transpose(0, 1).requires_grad_()


def gradients(layer: nn.Module, given: list[Tensor], ups: list[Tensor]) -> list[Tensor]:
    made: Any = layer(given)
    made = [made] if isinstance(made, Tensor) else made
    return [*made, *torch.autograd.grad(made, [*given, *layer.parameters()], ups)]


def compare(layer: nn.Module, given: list[Tensor], ups: list[Tensor], tolerance: float) -> None:
    found = gradients(layer, given, ups)
    assert type(found[0].grad_fn).__name__ == "LearnedBlockBackward"
    for one, other in zip(found, gradients(layer, given, ups), strict=True):
        assert torch.equal(one, other)
    exact = copy.deepcopy(layer).cpu().double()
    expected = gradients(
        exact,
        [x.detach().cpu().double().requires_grad_() for x in given],
        [up.cpu().double() for up in ups],
    )
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert error(one, other) < tolerance


def rounding(terms: int) -> float:
    """Relative error of sums of so many terms, each block its part of them, on tensor cores.

    These add eight terms at once, three times for float32, and round what they have so far towards
    zero: by 2^-24 of it on average. All these errors have one sign.
    """
    blocks = torch.cuda.get_device_properties("cuda").multi_processor_count
    return 3 * terms / blocks / 8 * 2**-24


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize(("batch", "channels"), COLUMNS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_fusion(
    sizes: list[int], batch: int, channels: int, tf32: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", tf32)
    layer = drawn(CrossScaleFusion(sizes))
    given = [features(batch, n, channels) for n in sizes]
    ups = [torch.randn(batch, n, channels, device="cuda") for n in sizes]
    compare(layer, given, ups, 1e-3 if tf32 else max(1e-5, rounding(batch * channels)))


@pytest.mark.parametrize("sources", [[17], [17, 48], [5, 7, 9]], ids=str)
def test_a_scale_that_begins(sources: list[int]) -> None:
    layer = drawn(ScaleSum(sources, 96))
    given = [features(64, n, 128) for n in sources]
    compare(layer, given, [torch.randn(64, 96, 128, device="cuda")], 1e-5)


def test_narrow_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where shared memory has no room for wider ones."""
    small = 170_000
    monkeypatch.setattr(
        on_cuda, "divide_fusion", lambda s, c, p, memory: divide_fusion(s, c, 8, small)
    )
    layer = drawn(CrossScaleFusion([17, 48, 96]))
    given = [features(64, n, 128) for n in (17, 48, 96)]
    ups = [torch.randn(64, n, 128, device="cuda") for n in (17, 48, 96)]
    compare(layer, given, ups, 1e-5)


def test_operators() -> None:
    given = [features(4, n, 32).detach() for n in (5, 9)]
    weights = [torch.randn(5, 9, device="cuda"), torch.randn(9, 5, device="cuda")]
    biases = [torch.randn(n, device="cuda") for n in (5, 9)]
    layout = ([5, 9], [1, 4], [0, 1], [0, 1])
    torch.library.opcheck(on_cuda.FORWARD.overload, (given, weights, biases, *layout))
    back = (given, given, weights, *layout)
    torch.library.opcheck(on_cuda.BACKWARD.overload, (*back, True))
    torch.library.opcheck(on_cuda.BACKWARD.overload, (*back, False))
