"""The tests that convolutions inherit: a convolution that breaks one promise fails by it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from multiscale_gcn import Graph
from multiscale_gcn.nn import ConvolutionLayer, MultiScaleGCN
from multiscale_gcn.nn.layer_checks import check_features
from multiscale_gcn.testing import ConvolutionTests


class Averaging(ConvolutionLayer):
    """The mean over neighbours, times a matrix: right, with names of its own."""

    shares: Tensor

    def __init__(self, in_channels: int, out_channels: int, graph: Graph) -> None:
        super().__init__()
        self.nodes, self.channels = graph.num_nodes, in_channels
        present = torch.from_numpy(graph.to_scipy().toarray() > 0).double()
        shares = present / present.sum(1, keepdim=True).clamp(min=1.0)
        self.register_buffer("shares", shares, persistent=False)
        self.kernel = nn.Parameter(torch.randn(in_channels, out_channels))
        self.shift = nn.Parameter(torch.randn(out_channels))

    def mixed(self, x: Tensor) -> Tensor:
        return self.shares.to(x.dtype) @ x

    def forward(self, x: Tensor) -> Tensor:
        check_features(x, self.nodes, self.channels)
        return self.mixed(x) @ self.kernel + self.shift

    @torch.no_grad()
    def scale_parameters(self, factor: float) -> None:
        self.kernel.mul_(factor)
        self.shift.mul_(factor)


class TestAveraging(ConvolutionTests):
    layer: type[nn.Module] = Averaging

    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        return self.layer(in_channels, out_channels, graph)

    def specification(self, layer: nn.Module, x: Tensor, graph: Graph) -> Tensor:
        """Node by node."""
        rows = []
        for neighbours in graph.to_scipy().toarray() > 0:
            chosen = x[:, torch.from_numpy(neighbours)]
            rows.append(chosen.sum(1) / max(1, chosen.shape[1]))
        kernel, shift = layer.parameters()
        return torch.stack(rows, 1) @ kernel + shift


class OfAnotherBase(nn.Module):
    def __init__(self, *arguments: object) -> None:
        super().__init__()


class Negated(Averaging):
    def forward(self, x: Tensor) -> Tensor:
        return -super().forward(x)


class FirstNodeDoubled(Averaging):
    def mixed(self, x: Tensor) -> Tensor:
        factors = torch.ones(self.nodes, 1, dtype=x.dtype, device=x.device)
        factors[0] = 2.0
        return super().mixed(x) * factors


class _Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        return gradients[0]


class WrongGradient(Averaging):
    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = _Wrong.apply(super().forward(x))
        return result


class MeanOfTheBatch(Averaging):
    def mixed(self, x: Tensor) -> Tensor:
        return super().mixed(x) - x.mean(0)


class AlwaysDouble(Averaging):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).double()


class NoBuffer(Averaging):
    def __init__(self, in_channels: int, out_channels: int, graph: Graph) -> None:
        super().__init__(in_channels, out_channels, graph)
        shares = self.shares
        del self.shares
        self.shares = shares


class GraphInTheState(Averaging):
    def __init__(self, in_channels: int, out_channels: int, graph: Graph) -> None:
        super().__init__(in_channels, out_channels, graph)
        self.register_buffer("matrix", self.shares)


class NoPickle(Averaging):
    def __init__(self, in_channels: int, out_channels: int, graph: Graph) -> None:
        super().__init__(in_channels, out_channels, graph)
        self.function = lambda x: x


class BreaksTheGraph(Averaging):
    def mixed(self, x: Tensor) -> Tensor:
        return super().mixed(x) if x.sum().item() < 1e9 else x


class ForgetsTheShift(Averaging):
    @torch.no_grad()
    def scale_parameters(self, factor: float) -> None:
        self.kernel.mul_(factor)


class NewParameters(Averaging):
    def scale_parameters(self, factor: float) -> None:
        self.kernel = nn.Parameter(factor * self.kernel.detach())
        self.shift = nn.Parameter(factor * self.shift.detach())


class TakesAnything(Averaging):
    def forward(self, x: Tensor) -> Tensor:
        return self.mixed(x[..., : self.nodes, : self.channels]) @ self.kernel + self.shift


class DoesNotTellTheShape(Averaging):
    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 3 or x.shape[1:] != (self.nodes, self.channels):
            raise ValueError("bad input")
        return super().forward(x)


class OneGraphOnly(Averaging):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[0]


BROKEN = [
    (OfAnotherBase, "test_it_keeps_to_the_contract", "is no ConvolutionLayer"),
    (Negated, "test_it_is_its_specification", "not close"),
    (FirstNodeDoubled, "test_the_numbering_of_the_nodes_does_not_matter", "not close"),
    (WrongGradient, "test_gradcheck", "Jacobian mismatch"),
    (MeanOfTheBatch, "test_every_member_of_a_batch_is_by_itself", "not close"),
    (AlwaysDouble, "test_it_takes_the_type_that_it_is_given", "float32 became torch.float64"),
    (NoBuffer, "test_all_its_tensors_move_to_a_device", "shares is a tensor that stays behind"),
    (GraphInTheState, "test_the_state_round_trips_and_holds_no_graph", "matrix.* in the state"),
    (NoPickle, "test_copies_are_equal_and_apart", "pickle local object"),
    (BreaksTheGraph, "test_it_compiles_as_one_graph", "data-dependent|item"),
    (ForgetsTheShift, "test_scaled_parameters_scale_the_result", "not close"),
    (NewParameters, "test_scaled_parameters_scale_the_result", "scale it in place"),
    (TakesAnything, "test_features_that_do_not_fit_are_refused", "were taken"),
    (DoesNotTellTheShape, "test_features_that_do_not_fit_are_refused", "does not tell the shape"),
    (OneGraphOnly, "test_it_works_in_a_block", r"x has shape \[1, 4\], expected \[B, N, C\]"),
]


@pytest.mark.parametrize(("layer", "test", "message"), BROKEN)
def test_a_broken_promise_is_found(layer: type[nn.Module], test: str, message: str) -> None:
    case = TestAveraging()
    case.layer = layer
    with pytest.raises(Exception, match=message):
        getattr(case, test)()


def test_every_test_is_failed_by_something() -> None:
    tests = {name for name in dir(ConvolutionTests) if name.startswith("test_")}
    assert {test for _, test, _ in BROKEN} == tests


def test_a_layer_that_cannot_be_scaled_is_none() -> None:
    class Unscaled(ConvolutionLayer):
        def forward(self, x: Tensor) -> Tensor:
            return x

    with pytest.raises(TypeError, match="abstract method"):
        Unscaled()  # type: ignore[abstract]


def test_a_network_scales_its_last_layers_whatever_their_parameters_are_called() -> None:
    graph = Graph([0, 1, 3, 4], [1, 0, 2, 1])
    torch.manual_seed(0)
    network = MultiScaleGCN(
        [graph], [(0,)], in_channels=2, channels=4, out_channels=3, convolution=Averaging
    ).double()
    x = torch.randn(5, 3, 2, dtype=torch.float64)
    network.eval()
    (before,) = network(x)
    for layer in network.outputs.values():
        assert isinstance(layer, ConvolutionLayer)
        layer.scale_parameters(0.01)
    (after,) = network(x)
    torch.testing.assert_close(after, 0.01 * before)


def test_graphs_to_try_a_method_on_do_not_import_torch() -> None:
    code = "import sys; from multiscale_gcn.testing import graphs; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
