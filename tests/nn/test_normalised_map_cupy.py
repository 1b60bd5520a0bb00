"""A linear map, its normalisation and a sum in one kernel on a CUDA device, against float64."""

from __future__ import annotations

import copy

import pytest
import torch
from cuda_checks import drawn, error, needs_kernels

from multiscale_gcn.nn import NonLocal
from multiscale_gcn.ops.normalised_map.on_cuda import NORMALISED_MAP, takes_normalised_map

pytestmark = needs_kernels


@pytest.fixture(autouse=True)
def allow_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", True)


def many_rows() -> int:
    """The fewest that every size below is taken with."""
    return 2 * 64 * torch.cuda.get_device_properties("cuda").multi_processor_count


@pytest.mark.parametrize(("inside", "outside"), [(64, 128), (20, 44), (4, 8), (60, 120)])
@pytest.mark.parametrize("more_rows", [0, 1, 70_031])
def test_against_float64(inside: int, outside: int, more_rows: int) -> None:
    torch.manual_seed(0)
    rows = many_rows() + more_rows
    x = torch.randn(rows, 1, inside, device="cuda").transpose(0, 1)
    add = torch.randn(1, rows, outside, device="cuda")
    weight = torch.randn(outside, inside, device="cuda") / inside**0.5
    before, mean, variance, gain, offset = torch.randn(5, outside, device="cuda").unbind()
    variance = variance.square() + 0.5
    assert takes_normalised_map(x, weight)
    mapped = x.double() @ weight.double().t()
    expected = (mapped + before - mean) / (variance + 1e-5).sqrt() * gain + offset + add
    found = NORMALISED_MAP(x, weight, before, mean, variance, gain, offset, add, 1e-5)
    assert error(found, expected) < 1e-3
    expected = (mapped - mean) / (variance + 1e-5).sqrt() + add
    found = NORMALISED_MAP(x, weight, None, mean, variance, None, None, add, 1e-5)
    assert error(found, expected) < 1e-3


@torch.no_grad()
@pytest.mark.parametrize(
    ("channels", "few", "taken"), [(128, False, True), (128, True, False), (256, False, False)]
)
def test_the_non_local_block(channels: int, few: bool, taken: bool) -> None:
    """It takes the kernel if that is there, and gives the same without."""
    block = NonLocal(channels)
    drawn(block).cuda().eval()
    batch = 8 if few else many_rows() // 16
    x = torch.randn(batch, 17, channels, device="cuda")
    assert takes_normalised_map(x[..., : channels // 2], block.output.weight) == taken
    exact = copy.deepcopy(block).double()(x.double())
    found = block(x)
    assert error(found, exact) < 1e-3
    assert torch.equal(found, block(x))


def test_not_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(1, many_rows(), 64, device="cuda")
    weight = torch.randn(128, 64, device="cuda")
    assert takes_normalised_map(x, weight)
    assert not takes_normalised_map(x.double(), weight.double())
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    assert not takes_normalised_map(x, weight)


def test_an_operator() -> None:
    x, add = (torch.randn(many_rows() // 4, 5, c, device="cuda") for c in (8, 12))
    known = torch.rand(5, 12, device="cuda").unbind()
    weight = torch.randn(12, 8, device="cuda")
    torch.library.opcheck(NORMALISED_MAP.overload, (x, weight, *known, add, 1e-5))
