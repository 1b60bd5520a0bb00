"""The convolutions of the library: one that is added here is public, and nothing else is edited."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import flag
from multiscale_gcn.nn.adaptive import AdaptiveGConv
from multiscale_gcn.nn.adjacency import normalised_adjacency
from multiscale_gcn.nn.chebyshev import ChebConv
from multiscale_gcn.nn.graph_attention import GraphAttention
from multiscale_gcn.nn.kept_softmax import KeptSoftmax
from multiscale_gcn.nn.layer_calls import Place, class_of
from multiscale_gcn.nn.modulated import ModulatedGConv
from multiscale_gcn.nn.neighbour_groups import KHopConv, NeighbourGroupConv
from multiscale_gcn.nn.pattern_buffers import as_buffer
from multiscale_gcn.nn.unshared import UnsharedGConv
from multiscale_gcn.nn.weighted_convolution import WeightedConvolution
from multiscale_gcn.ops import Normalisation, Pattern, graph_convolution, semgconv
from multiscale_gcn.ops.learning import ConvolutionStep, Norm

__all__ = [
    "AdaptiveGConv",
    "ChebConv",
    "GConv",
    "GraphAttention",
    "KHopConv",
    "ModulatedGConv",
    "NeighbourGroupConv",
    "SemGConv",
    "UnsharedGConv",
]


class GConv(WeightedConvolution):
    """Graph convolution with the symmetric normalised adjacency matrix.

    X' = A~ X W + b with A~ = D^-1/2 (A + I) D^-1/2, where D holds the row sums of A + I: Kipf and
    Welling 2017, and equation 1 of Li et al. 2021 (HGN). With ``separate_self`` a node's own
    features have their own matrix: X' = diag(A~) X W0 + offdiag(A~) X W1 + b.

    Parameters
    ----------
    in_channels, out_channels : int
    graph : Graph, or anything that as_graph takes
        A is its binary pattern without self loops, unless ``weighted``.
    separate_self : bool
        Two weight matrices instead of one.
    weighted : bool
        A is the matrix of the graph's edge weights, with its own self loops: those of a coarse
        graph hold what lies inside a node. I is added to them.
    bias : bool

    Raises
    ------
    ValueError
        If a number of channels is not positive, if a flag is none, if the graph has no nodes, and
        in ``forward`` if ``x`` does not have the shape [B, N, C_in], the device and the type of
        the layer.
    TypeError
        In ``forward`` if ``x`` is no tensor.

    See Also
    --------
    SemGConv : with a learned weight an edge
    ChebConv : polynomials of the Laplacian
    ModulatedGConv : with factors a node

    Notes
    -----
    A~ is a buffer in the module's dtype, and no part of the ``state_dict``. Graphs of more than
    512 nodes are multiplied entry by entry, smaller ones as dense matrices unless a CPU does better
    without; see :func:`multiscale_gcn.ops.propagate`. The result depends on it by rounding only.

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> layer = GConv(2, 5, Graph([0, 1, 3, 4], [1, 0, 2, 1]))
    >>> layer(torch.zeros(8, 3, 2)).shape
    torch.Size([8, 3, 5])
    """

    adjacency: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        graph: Any,
        *,
        separate_self: bool = False,
        weighted: bool = False,
        bias: bool = True,
    ) -> None:
        matrices = 2 if flag(separate_self, "separate_self") else 1
        self.weighted = flag(weighted, "weighted")
        super().__init__(in_channels, out_channels, graph, matrices, bias)
        values = as_buffer(
            normalised_adjacency(self.pattern.graph, self.weighted), torch.get_default_dtype()
        )
        self.register_buffer("adjacency", values, persistent=False)
        self.reset_parameters()

    def extra_repr(self) -> str:
        separate_self = ", separate_self=True" if len(self.weight) == 2 else ""
        weighted = ", weighted=True" if self.weighted else ""
        return super().extra_repr() + separate_self + weighted

    def convolve(self, x: Tensor, norm: Normalisation | None, relu: bool) -> Tensor:
        arguments = (x, self.adjacency, self.weight, self.bias, self.pattern.entries)
        return graph_convolution(*arguments, norm=norm, relu=relu)

    def _as_step(self, place: Place) -> ConvolutionStep | None:
        return convolution_step(self, None, place)


class SemGConv(WeightedConvolution):
    """Semantic graph convolution: neighbours are mixed with learned weights.

    X' = diag(S) X W0 + offdiag(S) X W1 + b, where S is the softmax, over every row of A + I, of one
    learned logit for each entry: Zhao et al. 2019, and equation 2 of Li et al. 2021 (HGN). The
    logits start at 1, so S starts as the mean over a node and its neighbours.

    Parameters
    ----------
    in_channels, out_channels : int
    graph : Graph, or anything that as_graph takes
        Only its pattern counts; every node gets a self loop.
    per_channel : bool
        Learn one S for every output channel (SemGCN's channel-wise variant).
    bias : bool

    Raises
    ------
    ValueError
        If a number of channels is not positive, if a flag is none, if the graph has no nodes, and
        in ``forward`` if ``x`` does not have the shape [B, N, C_in], the device and the type of
        the layer.
    TypeError
        In ``forward`` if ``x`` is no tensor.

    See Also
    --------
    GConv : on the normalised adjacency
    ModulatedGConv : with factors a node
    UnsharedGConv : with weights a node or an edge

    Notes
    -----
    Graphs of more than 512 nodes are multiplied entry by entry, smaller ones as dense matrices
    unless a CPU does better without; see :func:`multiscale_gcn.ops.propagate`. The result depends
    on it by rounding only. On large graphs ``per_channel`` needs memory for B x C_out numbers an
    entry.

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> layer = SemGConv(2, 5, Graph([0, 1, 3, 4], [1, 0, 2, 1]))
    >>> layer(torch.zeros(8, 3, 2)).shape, layer.logits.shape
    (torch.Size([8, 3, 5]), torch.Size([7]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        graph: Any,
        *,
        per_channel: bool = False,
        bias: bool = True,
    ) -> None:
        per_channel = flag(per_channel, "per_channel")
        super().__init__(in_channels, out_channels, graph, 2, bias)
        nnz = self.pattern.num_entries
        shape = (self.out_channels, nnz) if per_channel else (nnz,)
        self.logits: nn.Parameter = nn.Parameter(torch.empty(shape))
        self._softmax = KeptSoftmax()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.ones_(self.logits)

    def extra_repr(self) -> str:
        return super().extra_repr() + (", per_channel=True" if self.logits.dim() == 2 else "")

    def convolve(self, x: Tensor, norm: Normalisation | None, relu: bool) -> Tensor:
        logits, entries = self.logits, self.pattern.entries
        values = self._softmax(logits, entries)
        if values is not None:
            return graph_convolution(
                x, values, self.weight, self.bias, entries, norm=norm, relu=relu
            )
        return semgconv(x, logits, self.weight, self.bias, entries, norm=norm, relu=relu)

    def _as_step(self, place: Place) -> ConvolutionStep | None:
        return convolution_step(self, None, place)


def convolution_step(layer: nn.Module, norm: Norm | None, place: Place) -> ConvolutionStep | None:
    """A convolution that kernels take, with the normalisation behind it if there is one."""
    kind = class_of(layer)
    if kind is not GConv and kind is not SemGConv:
        return None
    assert isinstance(layer, WeightedConvolution)
    return ConvolutionStep(
        place(layer, "logits" if kind is SemGConv else "adjacency"),
        place(layer, "weight"),
        None if layer.bias is None else place(layer, "bias"),
        tuple(place(layer.pattern, name) for name in Pattern._fields),
        kind is SemGConv,
        norm,
    )
