"""Tests that every convolution passes, for a test class to inherit."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph import Graph
from multiscale_gcn.nn import ConvolutionLayer, GraphConvBlock

BATCH = 3
FACTOR = 0.01


class ConvolutionTests:
    """What a convolution must do, as methods that pytest runs in a class that inherits them.

    The class says how a layer is made, and writes its definition out a second time. All tests are
    in float64, with random parameters.

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn.nn import GConv
    >>> from multiscale_gcn.testing import ConvolutionTests
    >>> class TestGConv(ConvolutionTests):
    ...     def make(self, in_channels, out_channels, graph):
    ...         return GConv(in_channels, out_channels, graph)
    ...
    ...     def specification(self, layer, x, graph):
    ...         matrix = torch.from_numpy(graph.to_scipy().toarray() > 0).double()
    ...         matrix.fill_diagonal_(1.0)
    ...         scale = matrix.sum(1) ** -0.5
    ...         return scale[:, None] * matrix * scale @ x @ layer.weight[0] + layer.bias
    >>> TestGConv().test_it_is_its_specification()
    """

    def make(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        """The layer. To be given.

        Parameters
        ----------
        in_channels, out_channels : int
        graph : Graph

        Returns
        -------
        nn.Module

        Raises
        ------
        NotImplementedError
            If it is not given.

        Examples
        --------
        >>> from multiscale_gcn.nn import SemGConv
        >>> class TestSemGConv(ConvolutionTests):
        ...     def make(self, in_channels, out_channels, graph):
        ...         return SemGConv(in_channels, out_channels, graph)
        """
        raise NotImplementedError("make(in_channels, out_channels, graph) returns the layer")

    def specification(
        self,
        layer: nn.Module,
        x: Tensor,  # [B, N, C_in]
        graph: Graph,
    ) -> Tensor:  # [B, N, C_out]
        """What the layer computes, written out as in its definition. To be given.

        Parameters
        ----------
        layer : nn.Module
            From :meth:`make`.
        x : Tensor of float64, shape (B, N, C_in)
        graph : Graph

        Returns
        -------
        Tensor of float64, shape (B, N, C_out)

        Raises
        ------
        NotImplementedError
            If it is not given.

        Examples
        --------
        >>> class TestNothing(ConvolutionTests):
        ...     def specification(self, layer, x, graph):
        ...         return x @ layer.weight[0] + layer.bias
        """
        raise NotImplementedError("specification(layer, x, graph) returns what the layer must")

    def renumbered_state(
        self,
        layer: nn.Module,
        graph: Graph,
        order: Tensor,  # [N]: new node i is the old node order[i]
    ) -> dict[str, Tensor]:
        """The state of the same layer on the renumbered graph.

        To be given if the layer has parameters of nodes or entries.

        Parameters
        ----------
        layer : nn.Module
        graph : Graph
            That of the layer.
        order : Tensor of int64, shape (N,)
            New node i is the old node ``order[i]``.

        Returns
        -------
        dict of str to Tensor
            A ``state_dict``.

        Examples
        --------
        A layer with one bias for each node:

        >>> class TestBiases(ConvolutionTests):
        ...     def renumbered_state(self, layer, graph, order):
        ...         return {"bias": layer.bias.data[order]}
        """
        return layer.state_dict()

    def _graphs(self) -> Iterator[Graph]:
        """One node; nodes with and without neighbours; a ring of twelve. Weights, self loops."""
        yield as_graph(np.zeros((1, 1)))
        generator = np.random.default_rng(0)
        upper = np.triu(generator.random((7, 7)) < 0.5) * generator.uniform(0.5, 4.0, (7, 7))
        dense = upper + np.triu(upper, 1).T
        dense[5] = dense[:, 5] = 0.0
        yield as_graph(dense)
        yield as_graph(np.roll(np.eye(12), 1, 0) + np.roll(np.eye(12), -1, 0))

    def _make_exact(self, in_channels: int, out_channels: int, graph: Graph) -> nn.Module:
        """With buffers that never were in float32."""
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            return self.make(in_channels, out_channels, graph).double()
        finally:
            torch.set_default_dtype(default)

    def _layers(self) -> Iterator[tuple[nn.Module, Graph, Tensor]]:
        """Layers, their graphs and features for them."""
        torch.manual_seed(0)
        for graph in self._graphs():
            for in_channels, out_channels in ((2, 3), (3, 2)):
                layer = self._make_exact(in_channels, out_channels, graph)
                for parameter in layer.parameters():
                    nn.init.normal_(parameter)
                x = torch.randn(BATCH, graph.num_nodes, in_channels, dtype=torch.float64)
                yield layer, graph, x

    def test_it_keeps_to_the_contract(self) -> None:
        for layer, _, _ in self._layers():
            name = type(layer).__name__
            assert isinstance(layer, ConvolutionLayer), f"{name} is no ConvolutionLayer; derive it"

    def test_it_is_its_specification(self) -> None:
        """Forward and backward."""
        for layer, graph, x in self._layers():
            x.requires_grad_()
            found, expected = layer(x), self.specification(layer, x, graph)
            torch.testing.assert_close(found, expected)
            leaves = [x, *layer.parameters()]
            upstream = torch.randn_like(expected)
            gradients = torch.autograd.grad(found, leaves, upstream, materialize_grads=True)
            wanted = torch.autograd.grad(
                expected, leaves, upstream, allow_unused=True, materialize_grads=True
            )
            for one, other in zip(gradients, wanted, strict=True):
                torch.testing.assert_close(one, other)

    def test_the_numbering_of_the_nodes_does_not_matter(self) -> None:
        for layer, graph, x in self._layers():
            order = torch.randperm(graph.num_nodes)
            dense = torch.from_numpy(graph.to_scipy().toarray())[order][:, order]
            twin = self._make_exact(x.shape[2], layer(x).shape[2], as_graph(dense.numpy()))
            twin.load_state_dict(self.renumbered_state(layer, graph, order))
            torch.testing.assert_close(twin(x[:, order]), layer(x)[:, order])

    def test_gradcheck(self) -> None:
        for layer, _, x in self._layers():
            names = [name for name, _ in layer.named_parameters()]

            def run(
                x: Tensor, *values: Tensor, layer: nn.Module = layer, names: list[str] = names
            ) -> Tensor:
                parameters = dict(zip(names, values, strict=True))
                result: Tensor = torch.func.functional_call(layer, parameters, (x,))
                return result

            leaves = [t.detach().clone().requires_grad_() for t in (x, *layer.parameters())]
            assert torch.autograd.gradcheck(run, leaves)

    def test_every_member_of_a_batch_is_by_itself(self) -> None:
        for layer, _, x in self._layers():
            whole = layer(x)
            for k in range(BATCH):
                torch.testing.assert_close(layer(x[k : k + 1]), whole[k : k + 1])

    def test_it_takes_the_type_that_it_is_given(self) -> None:
        for layer, _, x in self._layers():
            expected = layer(x)
            for dtype in (torch.float32, torch.bfloat16):
                result = layer.to(dtype)(x.to(dtype))
                assert result.dtype == dtype, f"features of {dtype} became {result.dtype}"
                assert result.shape == expected.shape, f"the result of {dtype} has another shape"
                assert torch.isfinite(result).all(), f"the result of {dtype} is not finite"

    def test_all_its_tensors_move_to_a_device(self) -> None:
        device = "cuda" if torch.cuda.is_available() else "meta"
        for layer, _, x in self._layers():
            for module in layer.modules():
                for name, value in vars(module).items():
                    assert not isinstance(value, Tensor), (
                        f"{name} is a tensor that stays behind; register it as a buffer"
                    )
            expected = layer(x)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # operators say so where CuPy is missing
                result = layer.to(device)(x.to(device))
            assert result.device.type == device, f"the result is on {result.device}"
            if device == "cuda":
                torch.testing.assert_close(result.cpu(), expected)

    def test_the_state_round_trips_and_holds_no_graph(self) -> None:
        for layer, graph, x in self._layers():
            state = layer.state_dict()
            others = set(state) - {name for name, _ in layer.named_parameters()}
            assert not others, f"{others} are in the state; register them with persistent=False"
            other = self._make_exact(x.shape[2], layer(x).shape[2], graph)
            other.load_state_dict(state)
            torch.testing.assert_close(other(x), layer(x), rtol=0, atol=0)

    def test_copies_are_equal_and_apart(self) -> None:
        for layer, _, x in self._layers():
            expected = layer(x)
            file = io.BytesIO()
            pickle.dump(layer, file)
            file.seek(0)
            for twin in (copy.deepcopy(layer), pickle.load(file)):
                torch.testing.assert_close(twin(x), expected, rtol=0, atol=0)
                for parameter in twin.parameters():
                    nn.init.zeros_(parameter)
                torch.testing.assert_close(layer(x), expected, rtol=0, atol=0)

    def test_it_compiles_as_one_graph(self) -> None:
        *_, (layer, _, x) = self._layers()
        torch.compiler.reset()  # it gives a method up that too many classes have had compiled
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the compiler itself
            result = compiled(x)
        torch.testing.assert_close(result, layer(x))

    def test_scaled_parameters_scale_the_result(self) -> None:
        for layer, _, x in self._layers():
            before = layer(x).detach()
            parameters = dict(layer.named_parameters())
            layer.scale_parameters(FACTOR)  # type: ignore[operator]
            torch.testing.assert_close(layer(x), FACTOR * before)
            for name, parameter in layer.named_parameters():
                kept = parameter is parameters[name] and parameter.requires_grad
                assert kept, f"{name} is another parameter afterwards; scale it in place"

    def test_features_that_do_not_fit_are_refused(self) -> None:
        """By a ``ValueError`` that tells their shape."""
        for layer, _, x in self._layers():
            batch, nodes, channels = x.shape
            for shape in (
                (batch, nodes + 1, channels),
                (batch, nodes, channels + 1),
                (nodes, channels),
            ):
                _check_refused(layer, x.new_zeros(shape))

    def test_it_works_in_a_block(self) -> None:
        for _, graph, x in self._layers():
            block = GraphConvBlock(x.shape[2], 4, graph, convolution=self.make).double()
            for training in (True, False):
                result = block.train(training)(x)
                shape = (BATCH, graph.num_nodes, 4)
                assert result.shape == shape, f"a block gives {list(result.shape)}"


def _check_refused(layer: nn.Module, x: Tensor) -> None:
    message = None
    try:
        layer(x)
    except ValueError as error:
        message = str(error)
    assert message is not None, f"features of shape {list(x.shape)} were taken"
    assert str(list(x.shape)) in message, f"the message does not tell the shape: {message}"
