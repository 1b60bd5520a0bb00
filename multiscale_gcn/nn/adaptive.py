"""A convolution whose graph is learned: it begins as the given one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from multiscale_gcn.nn.adjacency import dense_normalised_adjacency
from multiscale_gcn.nn.pattern_buffers import as_buffer
from multiscale_gcn.nn.weighted_convolution import WeightedConvolution
from multiscale_gcn.ops import Normalisation, mix_channels, mix_nodes
from multiscale_gcn.ops.epilogue import finish


class AdaptiveGConv(WeightedConvolution):
    """Graph convolution on a learned matrix that begins as the graph's: X' = X W0 + S X W1 + b.

    S has a number for every pair of nodes, so that nodes that no edge joins may hear of each other,
    as the matrices A + B of Shi et al. 2019 (2s-AGCN), equation 3. It begins as
    D^-1/2 (A + I) D^-1/2 off its diagonal and as 0 on it, since W0 is there for a node itself.

    Parameters
    ----------
    in_channels, out_channels : int
    graph : Graph, or anything that as_graph takes
        A is its binary pattern without self loops.
    bias : bool

    Raises
    ------
    ValueError
        If a number of channels is not positive, if ``bias`` is no flag, if the graph has no nodes,
        and in ``forward`` if ``x`` does not have the shape [B, N, C_in], the device and the type of
        the layer.
    TypeError
        In ``forward`` if ``x`` is no tensor.

    See Also
    --------
    GConv : on the normalised adjacency
    GraphAttention : attention that knows the graph

    Notes
    -----
    S has N x N numbers: for bodies and coarse levels, not for meshes. What a node has and what its
    neighbours have add up, so features that are alike at neighbours begin up to twice as large as
    those of other convolutions; a normalisation in front of it sees to that, as in
    :class:`GraphMLP`.

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> layer = AdaptiveGConv(2, 5, nx.path_graph(3))
    >>> layer(torch.zeros(8, 3, 2)).shape
    torch.Size([8, 3, 5])
    >>> [[round(value, 2) for value in row] for row in layer.support.tolist()]
    [[0.0, 0.41, 0.0], [0.41, 0.0, 0.41], [0.0, 0.41, 0.0]]
    """

    initial: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, graph: Any, *, bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, graph, 2, bias)
        nodes = self.pattern.num_nodes
        dense = dense_normalised_adjacency(self.pattern.graph)
        np.fill_diagonal(dense, 0.0)
        initial = as_buffer(dense, torch.get_default_dtype())
        self.register_buffer("initial", initial, persistent=False)
        self.support: nn.Parameter = nn.Parameter(torch.empty(nodes, nodes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        super().reset_parameters()
        with torch.no_grad():
            self.support.copy_(self.initial)

    def convolve(self, x: Tensor, norm: Normalisation | None, relu: bool) -> Tensor:
        own, others = self.weight
        result = mix_channels(x, own, self.bias)
        return finish(mix_nodes(self.support, mix_channels(x, others), result), norm, relu)
