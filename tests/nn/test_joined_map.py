"""The joined map of the non-local block: its rows, bad shapes, and the kernels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cuda_checks import TOLERANCE, error, needs_kernels
from torch import Tensor

from multiscale_gcn.backends import Backend, BackendUnavailable
from multiscale_gcn.nn import NonLocal
from multiscale_gcn.ops import joined_map
from multiscale_gcn.ops.joined_map import dispatch, on_cuda

SIZES = [(1, 2), (8, 16), (64, 128), (33, 67), (70, 300)]


def maps(inner: int, channels: int, **options: Any) -> list[Tensor]:
    """Scores; weight and bias of value, theta and phi."""
    torch.manual_seed(inner)
    shapes = [(2, inner), *[(inner, channels), (inner,)] * 3]
    return [torch.randn(shape).to(**options).requires_grad_() for shape in shapes]


def joined(leaves: list[Tensor], backend: str = "auto") -> list[Tensor]:
    score, *rest = leaves
    pairs = zip(rest[::2], rest[1::2], strict=True)
    value, theta, phi = pairs
    return list(joined_map(score, value, theta, phi, backend=backend))


@pytest.mark.parametrize("part", ["weight", "bias", "score"])
def test_maps_of_other_sizes_are_refused(part: str) -> None:
    leaves = maps(8, 16)
    place, shape, message = {
        "score": (0, (2, 7), r"score has shape \[2, 7\], expected \[2, 8\]"),
        "weight": (3, (8, 15), r"the weight of theta has shape \[8, 15\], expected \[8, 16\]"),
        "bias": (6, (7,), r"the bias of phi has shape \[7\], expected \[8\]"),
    }[part]
    leaves[place] = torch.zeros(shape)
    with pytest.raises(ValueError, match=message):
        joined(leaves)


def test_one_product_gives_what_three_maps_give() -> None:
    block = NonLocal(16)
    x = torch.randn(5, 16)
    weight, bias = joined(list(_parameters(block)))
    found = x @ weight.T + bias
    source, target = block.score
    expected = [block.value(x), block.theta(x) @ source[:, None], block.phi(x) @ target[:, None]]
    torch.testing.assert_close(found, torch.cat(expected, 1))


def _parameters(block: NonLocal) -> list[Tensor]:
    layers = (block.value, block.theta, block.phi)
    return [block.score, *(t for layer in layers for t in (layer.weight, layer.bias))]


def test_kernels_that_are_asked_for_are_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "select_form", lambda *_: Backend("cupy", "asked for"))
    leaves = maps(8, 16)
    leaves[1] = leaves[1].detach().double()
    with pytest.raises(BackendUnavailable, match=r"score is torch\.float32 and a map is .*float64"):
        joined(leaves, "cupy")


class TestKernels:
    pytestmark = needs_kernels

    @pytest.mark.parametrize("dtype", list(TOLERANCE))
    @pytest.mark.parametrize(("inner", "channels"), SIZES)
    def test_values_and_gradients(self, inner: int, channels: int, dtype: torch.dtype) -> None:
        leaves = maps(inner, channels, device="cuda", dtype=dtype)
        exact = [leaf.detach().double().cpu().requires_grad_() for leaf in leaves]
        found, expected = joined(leaves, "cupy"), joined(exact)
        upstream = [torch.randn_like(x) for x in expected]
        given = [g.to(x) for g, x in zip(upstream, found, strict=True)]
        found += torch.autograd.grad(found, leaves, given)
        expected += torch.autograd.grad(expected, exact, upstream)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == dtype
            assert one.shape == other.shape
            assert error(one, other) < 2 * TOLERANCE[dtype]

    def test_rows_of_zeros_fill_16_bytes(self) -> None:
        leaves = [leaf.detach() for leaf in maps(64, 128, device="cuda")]
        weight, bias = on_cuda.FORWARD(*leaves)
        assert weight.shape == (68, 128)
        for one, other in zip(joined(leaves, "cupy"), (weight, bias), strict=True):
            assert torch.equal(one, other[:66])
            assert not other[66:].any()

    def test_opcheck(self) -> None:
        leaves = [leaf.detach() for leaf in maps(8, 16, device="cuda")]
        torch.library.opcheck(on_cuda.FORWARD.overload, tuple(leaves))
        weight, bias = torch.randn(2, 16, device="cuda"), torch.randn(2, device="cuda")
        backward = (weight, bias, leaves[0], *leaves[3:])
        torch.library.opcheck(on_cuda.BACKWARD.overload, backward)

    def test_maps_of_several_types_are_left_to_pytorch(self) -> None:
        leaves = maps(8, 16, device="cuda")
        leaves[1] = leaves[1].detach().double()
        assert joined(leaves)[0].dtype == torch.float64
