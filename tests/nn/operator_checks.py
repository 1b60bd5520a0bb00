"""What the tests of the operators on a CPU share."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

SHAPES = {
    "n": st.integers(1, 9),
    "batch": st.integers(1, 3),
    "channels": st.integers(1, 4),
    "density": st.floats(0, 1),
    "per_channel": st.booleans(),
    "seed": st.integers(0, 2**16),
}


def leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def gradients(result: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    upstream = torch.randn(result.shape, dtype=torch.float64, generator=generator)
    return torch.autograd.grad(result, inputs, upstream, retain_graph=True)


def assert_same(
    fast: Tensor, slow: Tensor, inputs: tuple[Tensor, ...], tolerance: float = 1e-12
) -> None:
    """Equal forward and backward."""
    torch.testing.assert_close(fast, slow, rtol=tolerance, atol=tolerance)
    for ours, theirs in zip(gradients(fast, *inputs), gradients(slow, *inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
