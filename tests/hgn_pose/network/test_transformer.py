"""The plain transformer: it tells joints apart by their vectors alone."""

from __future__ import annotations

import torch

from examples.hgn_pose.network.architectures.transformer import Transformer


def test_joints_are_told_apart_by_their_vectors_alone():
    torch.manual_seed(0)
    model = Transformer(channels=16).eval()
    order = torch.randperm(17)
    x = torch.randn(4, 17, 2)
    (pose,) = model(x)
    assert not torch.allclose(model(x[:, order])[0], pose[:, order], atol=1e-3)
    with torch.no_grad():
        model.places.copy_(model.places[order])
    torch.testing.assert_close(model(x[:, order])[0], pose[:, order], rtol=1e-4, atol=1e-5)


def test_it_answers_alike_with_and_without_gradients():
    """PyTorch has a second form of these layers, for inference."""
    torch.manual_seed(0)
    model = Transformer(channels=16).eval()
    x = torch.randn(4, 17, 2)
    with torch.no_grad():
        (without,) = model(x)
    torch.testing.assert_close(model(x)[0], without, rtol=1e-4, atol=1e-5)
