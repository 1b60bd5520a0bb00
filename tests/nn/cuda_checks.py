"""What the tests of CUDA kernels share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from multiscale_gcn import BackendUnavailable
from multiscale_gcn.ops import select_backend

TOLERANCE = {
    torch.float64: 1e-12,
    torch.float32: 5e-6,
    torch.bfloat16: 1e-2,
    torch.float16: 1.5e-3,
}
"""Relative errors in the Euclidean norm; tensor cores round sums of float32 towards zero."""


def _kernels_run() -> bool:
    sizes: dict[str, Any] = {"num_nodes": 2, "in_channels": 2, "device": "cuda"}
    try:
        select_backend("semgconv", **sizes, backend="cupy")
    except BackendUnavailable:
        return False
    return True


needs_kernels = [
    pytest.mark.gpu,
    pytest.mark.skipif(not _kernels_run(), reason="needs a CUDA device and CuPy"),
]


def drawn(layer: nn.Module, seed: int = 0) -> nn.Module:
    """With parameters and statistics that nothing starts with."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in layer.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) * 0.2 + 0.1)
                if "var" not in name:
                    tensor.sub_(0.2)
    return layer


def error(result: Tensor, expected: Tensor) -> float:
    """Relative, in the Euclidean norm."""
    result, expected = (x.detach().double().cpu() for x in (result, expected))
    return float((result - expected).norm() / expected.norm().clamp(min=1e-30))


def check_values_and_gradients(
    result: Tensor, expected: Tensor, leaves: Sequence[Tensor], tolerance: float
) -> None:
    """Of a result that has the type of the first leaf, against the formula in float64."""
    assert result.shape == expected.shape
    assert result.dtype == leaves[0].dtype
    assert error(result, expected) < tolerance
    # Rounded for both: a sum that nearly cancels would show nothing but what rounding took. It does
    # not for several upstream gradients at once, so these are measured together.
    upstreams = [torch.randn_like(expected).to(result.dtype) for _ in range(3)]

    def gradients(of: Tensor) -> list[tuple[Tensor, ...]]:
        by_upstream = [
            torch.autograd.grad(of, leaves, up.to(of), retain_graph=True) for up in upstreams
        ]
        return list(zip(*by_upstream, strict=True))

    for leaf, ones, others in zip(leaves, gradients(result), gradients(expected), strict=True):
        assert all(one.shape == leaf.shape for one in ones)
        assert all(one.dtype == leaf.dtype for one in ones)
        assert error(torch.stack(ones), torch.stack(others)) < 4 * tolerance
