"""The non-local block: its formula written out again, its start, what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from multiscale_gcn.nn import NonLocal


def test_nonlocal_is_its_formula():
    torch.manual_seed(0)
    layer = NonLocal(7).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(3, 5, 7, dtype=torch.float64)
    theta, phi, value = layer.theta(x), layer.phi(x), layer.value(x)
    assert theta.shape == (3, 5, 3)
    pairs = torch.cat(
        [theta[:, :, None].expand(-1, -1, 5, -1), phi[:, None].expand(-1, 5, -1, -1)], dim=-1
    )
    scores = torch.relu(pairs @ layer.score.flatten())
    rows = layer.output(scores @ value / 5)
    mean, variance = rows.mean((0, 1)), rows.var((0, 1), unbiased=False)
    expected = (rows - mean) / (variance + layer.norm.eps).sqrt()
    expected = expected * layer.norm.weight + layer.norm.bias + x
    torch.testing.assert_close(layer(x), expected)


def test_nonlocal_starts_as_the_identity_and_learns():
    torch.manual_seed(0)
    layer = NonLocal(8)
    x = torch.randn(4, 6, 8)
    assert torch.equal(layer(x), x)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        layer(x).square().mean().backward()
        optimizer.step()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        # The normalisation takes the mean of the last map's result away, and with it its bias.
        assert parameter.grad.abs().max() > (0 if name == "output.bias" else 1e-9), name


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="channels = 1 must be at least 2"):
        NonLocal(1)
    with pytest.raises(ValueError, match="x has 3 channels"):
        NonLocal(4)(torch.zeros(1, 5, 3))
