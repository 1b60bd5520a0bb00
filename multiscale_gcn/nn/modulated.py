"""The modulated convolution: what is shared by all nodes, changed a little for each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from multiscale_gcn.nn.adjacency import dense_normalised_adjacency
from multiscale_gcn.nn.pattern_buffers import as_buffer
from multiscale_gcn.nn.weighted_convolution import WeightedConvolution
from multiscale_gcn.ops import Normalisation, mix_channels
from multiscale_gcn.ops.epilogue import finish

FIRST_OFFSET = 1e-6
"""Of the published code."""


class ModulatedGConv(WeightedConvolution):
    """Graph convolution with weight and affinity modulation: Zou and Tang 2021.

    X' = diag(S) (M * X W0) + offdiag(S) (M * X W1) + b, where * is the product of entries. M holds
    one learned factor for every node and output channel, so that each node has weights of its own
    at the price of a vector. S = D^-1/2 (A + I) D^-1/2 + (Q + Q^T) / 2, where Q holds one learned
    number for every pair of nodes, so that those that no edge joins hear of each other too. M
    starts at 1 and Q at 1e-6.

    Parameters
    ----------
    in_channels, out_channels : int
    graph : Graph, or anything that as_graph takes
        A is its binary pattern without self loops.
    bias : bool

    Raises
    ------
    ValueError
        If a number of channels is not positive, if the graph has no nodes, and in ``forward`` if
        ``x`` does not have the shape [B, N, C_in], the device and the type of the layer.
    TypeError
        In ``forward`` if ``x`` is no tensor.

    See Also
    --------
    SemGConv : with a learned weight an edge
    UnsharedGConv : with weights a node or an edge
    AdaptiveGConv : on a learned matrix

    Notes
    -----
    Q has N x N numbers: for bodies, not for meshes. The published code has A + I divided by its row
    sums before it is made symmetric.

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> layer = ModulatedGConv(2, 5, nx.path_graph(4))
    >>> layer(torch.zeros(8, 4, 2)).shape, layer.modulation.shape, layer.offset.shape
    (torch.Size([8, 4, 5]), torch.Size([4, 5]), torch.Size([4, 4]))
    """

    adjacency: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, graph: Any, *, bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, graph, 2, bias)
        nodes = self.pattern.num_nodes
        dense = dense_normalised_adjacency(self.pattern.graph)
        values = as_buffer(dense, torch.get_default_dtype())
        self.register_buffer("adjacency", values, persistent=False)
        self.modulation: nn.Parameter = nn.Parameter(torch.empty(nodes, self.out_channels))
        self.offset: nn.Parameter = nn.Parameter(torch.empty(nodes, nodes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.ones_(self.modulation)
        nn.init.constant_(self.offset, FIRST_OFFSET)

    def convolve(self, x: Tensor, norm: Normalisation | None, relu: bool) -> Tensor:
        own, others = (self.modulation * mix_channels(x, matrix) for matrix in self.weight)
        affinity = self.adjacency.to(x.dtype) + (self.offset + self.offset.t()) / 2
        diagonal = affinity.diagonal()
        result = diagonal[:, None] * own + (affinity - diagonal.diag()) @ others
        return finish(result if self.bias is None else result + self.bias, norm, relu)
