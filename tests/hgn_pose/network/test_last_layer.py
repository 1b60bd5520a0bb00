import pytest
import torch

from examples.hgn_pose.body.skeleton import skeleton_graph
from examples.hgn_pose.network.last_layer import scale_answers
from multiscale_gcn.nn import GConv, SemGConv


@pytest.mark.parametrize(
    "layer",
    [
        torch.nn.Linear(6, 3),
        GConv(6, 3, skeleton_graph()),
        SemGConv(6, 3, skeleton_graph()),
    ],
)
def test_answers_are_multiplied_whatever_the_layer(layer):
    x = torch.randn(4, 17, 6)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)  # the bias too
    before = layer(x)
    scale_answers(layer, 0.01)
    torch.testing.assert_close(layer(x), 0.01 * before)
