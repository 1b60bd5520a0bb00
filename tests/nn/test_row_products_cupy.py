"""Products over rows, on a CUDA device, against float64."""

from __future__ import annotations

import pytest
import torch
from cuda_checks import error, needs_kernels

from multiscale_gcn.ops.row_products.on_cuda import ROW_PRODUCTS, row_products

pytestmark = needs_kernels

PAIRS = (
    [(128, 64, False), (66, 128, True)],
    [(128, 64, True), (66, 128, True)],
    [(20, 10, True), (12, 20, True)],
    [(5, 3, True)],
    [(3, 7, False), (13, 5, True)],
)


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("rows", [1, 31, 1088, 6144, 98304])
@pytest.mark.parametrize("pairs", PAIRS, ids=str)
def test_products_and_sums(
    pairs: list[tuple[int, int, bool]], rows: int, tf32: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", tf32)
    torch.manual_seed(0)
    lefts = [torch.randn(rows, left, device="cuda") for left, _, _ in pairs]
    rights = [torch.randn(rows, right, device="cuda") for _, right, _ in pairs]
    summed = [wanted for *_, wanted in pairs]
    found = row_products(lefts, rights, summed)
    for one, other in zip(found, row_products(lefts, rights, summed), strict=True):
        assert torch.equal(one, other)
    expected = [a.double().t() @ b.double() for a, b in zip(lefts, rights, strict=True)]
    expected += [a.double().sum(0) for a, wanted in zip(lefts, summed, strict=True) if wanted]
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert error(one, other) < (1e-3 if tf32 else 1e-5)


def test_an_operator() -> None:
    given = ([torch.randn(50, 6, device="cuda")], [torch.randn(50, 4, device="cuda")], [True])
    torch.library.opcheck(ROW_PRODUCTS.overload, given)
