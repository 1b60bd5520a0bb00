"""Networks that treat left and right alike."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from multiscale_gcn import coarsen
from multiscale_gcn.nn import MirrorEquivariant, MultiScaleGCN, Reflection

LADDER = nx.convert_node_labels_to_integers(nx.grid_2d_graph(2, 9))
SWAP = np.r_[9:18, 0:9]


def test_a_reflection_is_its_definition_and_undoes_itself() -> None:
    mirror = Reflection(SWAP, [-1, 1, 1])
    x = torch.randn(4, 18, 3)
    for i in range(18):
        expected = x[:, SWAP[i]] * torch.tensor([-1.0, 1.0, 1.0])
        assert torch.equal(mirror(x)[:, i], expected)
    assert torch.equal(mirror(mirror(x)), x)
    assert not mirror.state_dict()


def network() -> tuple[nn.Module, list[Reflection], list[Reflection]]:
    """On the levels of a hierarchy that has the mirror."""
    hierarchy = coarsen(LADDER, sizes=[8], symmetry=SWAP)
    levels = [hierarchy[0], hierarchy[-1]]
    torch.manual_seed(0)
    net = MultiScaleGCN(
        [level.graph for level in levels], [(0, 1)] * 2, in_channels=2, channels=6, out_channels=3
    )
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    outputs = []
    for level in levels:
        image = level.constraints.symmetry
        assert image is not None
        assert not np.array_equal(image, np.arange(len(image)))
        outputs.append(Reflection(image, [-1, 1, 1]))
    return net.double().eval(), [Reflection(SWAP, [-1, 1])], outputs


def test_mirrored_inputs_have_mirrored_answers() -> None:
    net, inputs, outputs = network()
    whole = MirrorEquivariant(net, inputs, outputs).double()
    x = torch.randn(5, 18, 2, dtype=torch.float64)
    seen = inputs[0](x)
    for mirror, answer, other in zip(outputs, whole(x), whole(seen), strict=True):
        assert torch.equal(other, mirror(answer))
    alone = zip(net(x), net(seen), outputs, whole(x), strict=True)
    for answer, other, mirror, mean in alone:
        torch.testing.assert_close(mean, (answer + mirror(other)) / 2)
        assert not torch.allclose(mean, answer)


def test_gradients_reach_both_passes() -> None:
    net, inputs, outputs = network()
    whole = MirrorEquivariant(net, inputs, outputs).double()
    x = torch.randn(2, 18, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(whole, x)
    assert set(whole.state_dict()) == {f"network.{name}" for name in net.state_dict()}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"symmetry\[symmetry\[0\]\] = 2, not 0"):
        Reflection([1, 2, 0], [1])
    with pytest.raises(ValueError, match=r"symmetry\[1\] = 3 is no node"):
        Reflection([0, 3], [1])
    with pytest.raises(ValueError, match=r"signs\[0\] = 2.0 must be 1 or -1"):
        Reflection([0], [2])
    net, inputs, outputs = network()
    with pytest.raises(ValueError, match="the network has 2 outputs, and there are reflections"):
        MirrorEquivariant(net, inputs, outputs[:1])(torch.randn(1, 18, 2, dtype=torch.float64))
    with pytest.raises(TypeError, match=r"inputs\[0\] = \[1, 0\] is no Reflection"):
        MirrorEquivariant(net, [[1, 0]], outputs)  # type: ignore[list-item]
