import pytest
import torch

from examples.hgn_pose.body.skeleton import skeleton_graph
from examples.hgn_pose.network.first_weights import scale_answers
from multiscale_gcn.nn import ConvolutionLayer, GConv, SemGConv


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


class Foreign(ConvolutionLayer):
    """A convolution of somebody's own, whose parameters have other names."""

    def __init__(self, in_channels, out_channels, graph):
        super().__init__()
        self.theta = torch.nn.Parameter(torch.randn(in_channels, out_channels))
        self.offset = torch.nn.Parameter(torch.randn(out_channels))

    def forward(self, x):
        return x @ self.theta + self.offset

    @torch.no_grad()
    def scale_parameters(self, factor):
        self.theta.mul_(factor)
        self.offset.mul_(factor)


def test_the_names_of_parameters_do_not_matter():
    layer, x = Foreign(6, 3, None), torch.randn(4, 17, 6)
    before = layer(x)
    scale_answers(layer, 0.01)
    torch.testing.assert_close(layer(x), 0.01 * before)


def test_a_layer_without_the_contract_is_refused_and_not_left_large():
    with pytest.raises(TypeError, match=r"a Bilinear, .*; let it derive from .*ConvolutionLayer"):
        scale_answers(torch.nn.Bilinear(2, 2, 2), 0.01)
