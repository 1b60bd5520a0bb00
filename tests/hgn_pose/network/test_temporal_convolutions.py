"""Temporal convolutions: strided, dilated, and written out again with PyTorch's convolutions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from examples.hgn_pose.network.architectures.temporal_convolutions import TemporalConvolutions
from examples.hgn_pose.network.settling_norm import SettlingBatchNorm


def model_of(frames: int, *, seed: int = 0) -> TemporalConvolutions:
    torch.manual_seed(seed)
    model = TemporalConvolutions(channels=6, frames=frames, dropout=0.0).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.running_mean)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return model.eval()


def written_out(model: TemporalConvolutions, clip: Tensor) -> Tensor:
    """Dilated convolutions of channels over time, in the layout [B, C, T]."""

    def layer(x: Tensor, part: Any, taps: int, dilation: int) -> Tensor:
        kernel = part.map.weight.unflatten(1, (taps, -1)).transpose(1, 2)
        norm = part.norm
        y = F.conv1d(x, kernel, dilation=dilation)
        y = F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias)
        return y.relu()

    x = layer(clip.flatten(2).transpose(1, 2), model.expand, 3, 1)
    dilation = 3
    for block in model.blocks:
        shortcut = x[:, :, dilation:-dilation]
        x = shortcut + layer(layer(x, block[0], 3, dilation), block[1], 1, 1)  # type: ignore[index]
        dilation *= 3
    pose = F.conv1d(x, model.output.weight[:, :, None], model.output.bias)
    return pose.transpose(1, 2).unflatten(2, (17, 3))


@pytest.mark.parametrize("frames", [9, 27, 81])
def test_dilated_strided_and_written_out_agree(frames):
    """The forms that train and that lift whole clips, with the same weights."""
    model, other = model_of(frames), model_of(frames, seed=1)
    other.load_state_dict(model.state_dict())
    clip = torch.randn(2, frames + 4, 17, 2, dtype=torch.float64)
    dilated = other.every_frame(clip)
    assert dilated.shape == (2, 5, 17, 3)
    torch.testing.assert_close(dilated, written_out(model, clip))
    for start in range(5):
        (strided,) = model(clip[:, start : start + frames])
        torch.testing.assert_close(strided, dilated[:, start])


def test_it_begins_as_pytorchs_convolutions_do():
    """Uniform in one over the root of the inputs, of all three frames."""
    model = TemporalConvolutions(channels=64)
    for layer, inputs in ((model.expand, 3 * 34), (model.blocks[0][0], 3 * 64)):  # type: ignore[index]
        bound = inputs**-0.5
        largest = float(layer.map.weight.detach().abs().max())
        assert 0.98 * bound < largest <= bound


def test_other_windows_are_refused():
    with pytest.raises(ValueError, match=r"x has shape \[2, 9, 17, 2\], expected \[B, 27, 17, 2\]"):
        model_of(27)(torch.zeros(2, 9, 17, 2))


def test_statistics_are_pytorchs_with_that_momentum():
    torch.manual_seed(0)
    norm, plain = SettlingBatchNorm(5), nn.BatchNorm1d(5)
    for done in (0.0, 0.25, 0.9, 1.0):
        norm.settle(done)
        plain.momentum = 0.1 * 0.01**done
        x = 3 * torch.randn(11, 5) + 1
        torch.testing.assert_close(norm(x), plain(x))
        for one, two in zip(norm.buffers(), plain.buffers(), strict=False):
            torch.testing.assert_close(one, two)
    assert norm.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(norm.eval()(x), plain.eval()(x))
