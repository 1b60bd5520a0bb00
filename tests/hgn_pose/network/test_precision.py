"""Half precision inside, full precision at both ends."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.coarse import coarsen_body
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.precision import ends_of, keep_in_float32
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.samples.batches import input_shape


@pytest.fixture(scope="module")
def coarse():
    body = load_body()
    return body, coarsen_body(body)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("head", ["xyz", "ray"])
def test_only_the_ends_are_exact(name, head, coarse):
    body, hierarchy = coarse
    options = NetworkOptions(name, channels=16, head=head, dropout=0.0)
    model = build_network(options, hierarchy, 0, body).eval()
    image = 0.3 * torch.randn(4, *input_shape(options.window))
    exact = model(image)
    ends = ends_of(name, model)
    seen = []
    for end in ends:
        keep_in_float32(end)
        end.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    halves = []
    inside = {id(m) for end in ends for m in end.modules()}
    for module in model.modules():
        if isinstance(module, nn.Linear) and id(module) not in inside:
            module.register_forward_hook(lambda m, inputs, output: halves.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        found = model(image)
    assert set(seen) == {torch.float32}
    assert set(halves) <= {torch.bfloat16}
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)
    for one, other in zip(model(image), exact, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_can_be_trained_so(name, coarse):
    body, hierarchy = coarse
    options = NetworkOptions(name, channels=16)
    model = build_network(options, hierarchy, 0, body)
    for end in ends_of(name, model):
        keep_in_float32(end)
    with torch.autocast("cpu", torch.bfloat16):
        pose = model(0.3 * torch.randn(4, *input_shape(options.window)))[0]
    pose.square().sum().backward()
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    slopes = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert slopes
    assert all(torch.isfinite(slope).all() for slope in slopes)
