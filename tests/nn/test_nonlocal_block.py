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


@pytest.mark.parametrize("groups", [None, [[0, 3], [4, 1, 2]]])
def test_members_of_a_batch_may_be_mapped(groups):
    torch.manual_seed(0)
    layer = NonLocal(4, groups=groups).eval()
    nn.init.ones_(layer.norm.weight)
    x = torch.randn(3, 2, 5, 4)
    torch.testing.assert_close(torch.vmap(layer)(x), torch.stack([layer(batch) for batch in x]))


GROUPS = [[0, 3], [4], [6, 1, 5], [2, 7]]


def test_groups_are_maxima_of_phi_and_value():
    """Pair by pair of a node and a group, channel by channel, as in the published code."""
    torch.manual_seed(0)
    layer = NonLocal(6, groups=GROUPS).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(3, 8, 6, dtype=torch.float64, requires_grad=True)

    def pooled(features):
        return torch.stack([features[:, group].amax(1) for group in GROUPS], 1)

    theta, phi, value = layer.theta(x), pooled(layer.phi(x)), pooled(layer.value(x))
    attended = torch.zeros(3, 8, 3, dtype=torch.float64)
    for j in range(4):
        score = theta @ layer.score[0] + (phi[:, j] @ layer.score[1])[:, None]
        attended = attended + score.clamp(min=0)[..., None] * value[:, None, j] / 4
    rows = layer.output(attended)
    mean, variance = rows.mean((0, 1)), rows.var((0, 1), unbiased=False)
    expected = (rows - mean) / (variance + layer.norm.eps).sqrt()
    expected = expected * layer.norm.weight + layer.norm.bias + x
    found = layer(x)
    torch.testing.assert_close(found, expected)
    upstream = torch.randn_like(expected)
    leaves = [x, *layer.parameters()]
    for one, other in zip(
        torch.autograd.grad(found, leaves, upstream),
        torch.autograd.grad(expected, leaves, upstream),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_groups_of_one_node_are_no_groups():
    torch.manual_seed(0)
    plain, alone = NonLocal(6), NonLocal(6, groups=[[2], [0], [1]])
    nn.init.ones_(plain.norm.weight)
    alone.load_state_dict(plain.state_dict())
    x = torch.randn(4, 3, 6)
    torch.testing.assert_close(alone(x), plain(x))


def test_one_node_too_many_is_refused():
    with pytest.raises(ValueError, match="x has 9 nodes on axis 1"):
        NonLocal(6, groups=GROUPS)(torch.zeros(1, 9, 6))


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        (3, TypeError, "groups = 3 is no sequence"),
        ([0, 1], TypeError, r"groups\[0\] = 0 is no sequence"),
        ([[0.5]], ValueError, r"groups\[0\] = 0.5 must be an integer"),
        ([[0], []], ValueError, r"groups\[1\] is empty"),
        ([], ValueError, "groups is empty"),
        ([[0, 2], [1, 2]], ValueError, "holds 4 nodes, and node 3 is not among them"),
        ([[0, 3], [1]], ValueError, "holds 3 nodes, and node 2 is not among them"),
    ],
)
def test_groups_that_are_no_partition_are_refused(groups, error, message):
    with pytest.raises(error, match=message):
        NonLocal(6, groups=groups)


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
