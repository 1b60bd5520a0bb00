"""Batch normalisation in training with ReLU and a sum, against PyTorch's module."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from multiscale_gcn.backends import Backend, BackendUnavailable
from multiscale_gcn.nn.apply_norm import apply_norm
from multiscale_gcn.ops import batch_norm
from multiscale_gcn.ops.batch_norm import dispatch


def module(channels: int) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(channels, momentum=0.3, eps=1e-3)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    return norm


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("adds", [False, True])
def test_it_is_the_module_relu_and_a_sum(relu: bool, adds: bool) -> None:
    torch.manual_seed(0)
    norm, twin = module(5), module(5)
    twin.load_state_dict(norm.state_dict())
    x = torch.randn(4, 3, 5, requires_grad=True)
    add = torch.randn(4, 3, 5) if adds else None
    result = batch_norm(
        x,
        norm.running_mean,
        norm.running_var,
        norm.weight,
        norm.bias,
        num_batches_tracked=norm.num_batches_tracked,
        momentum=0.3,
        epsilon=1e-3,
        relu=relu,
        add=add,
    )
    expected = twin(x.transpose(0, 1).reshape(12, 5)).view(3, 4, 5).transpose(0, 1)
    expected = expected.relu() if relu else expected
    expected = expected if add is None else expected + add
    torch.testing.assert_close(result, expected)
    assert norm.state_dict().keys() == twin.state_dict().keys()
    for name, tensor in norm.state_dict().items():
        torch.testing.assert_close(tensor, twin.state_dict()[name])
    torch.testing.assert_close(
        torch.autograd.grad(result.square().sum(), x),
        torch.autograd.grad(expected.square().sum(), x),
    )


def test_layers_normalise_with_whatever_module_stands_in_its_place() -> None:
    norm = nn.LayerNorm(5)
    x = torch.randn(4, 3, 5)
    result = apply_norm(norm, x, relu=True, add=x)
    torch.testing.assert_close(result, norm(x).relu() + x)


def test_kernels_that_are_asked_for_are_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "select_form", lambda *_: Backend("cupy", "asked for"))
    x, half = torch.ones(4, 3, 5), torch.ones(5, dtype=torch.bfloat16)
    message = r"running_var is torch\.bfloat16, .*keep torch\.float32"
    with pytest.raises(BackendUnavailable, match=message):
        batch_norm(x, torch.zeros(5), half, backend="cupy")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.ones(3, 5)}, r"x has shape \[3, 5\], expected \[B, N, C\]"),
        ({"x": torch.ones(1, 1, 5)}, "one row has no variance"),
        ({"running_mean": torch.ones(4)}, r"running_mean has shape \[4\], expected \[5\]"),
        ({"running_var": torch.ones(5, 1)}, r"running_var has shape \[5, 1\], expected \[5\]"),
        ({"weight": torch.ones(1)}, r"weight has shape \[1\], expected \[5\]"),
        ({"bias": torch.ones(6)}, r"bias has shape \[6\], expected \[5\]"),
        ({"add": torch.ones(4, 3, 1)}, r"add has shape \[4, 3, 1\], expected \[4, 3, 5\]"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Tensor], message: str) -> None:
    arguments = {
        "x": torch.ones(4, 3, 5),
        "running_mean": torch.zeros(5),
        "running_var": torch.ones(5),
    }
    with pytest.raises(ValueError, match=message):
        batch_norm(**{**arguments, **change})  # type: ignore[arg-type]
