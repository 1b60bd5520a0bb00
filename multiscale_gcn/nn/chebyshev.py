"""The convolution with Chebyshev polynomials of the Laplacian."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.graph import Graph
from multiscale_gcn.nn.pattern_buffers import as_buffer, with_loops
from multiscale_gcn.nn.weighted_convolution import WeightedConvolution
from multiscale_gcn.ops import Normalisation, mix_channels, propagate
from multiscale_gcn.ops.epilogue import finish

MOST_HOPS = 1000


class ChebConv(WeightedConvolution):
    """Graph convolution with a polynomial of the Laplacian: Defferrard et al. 2016, equation 4.

    X' = sum over k = 0 .. K of T_k(L) X W_k, plus b. T_k is the k-th Chebyshev polynomial, and
    L = -D^-1/2 A D^-1/2 the normalised Laplacian, rescaled for a largest eigenvalue of 2. A node
    hears of those up to K edges away.

    Parameters
    ----------
    in_channels, out_channels : int
    graph : Graph, or anything that as_graph takes
        A is its binary pattern without self loops.
    hops : int
        K, from 0 to 1000.
    bias : bool

    Raises
    ------
    ValueError
        If a number of channels is not positive, if ``hops`` is no such number, if the graph has no
        nodes, and in ``forward`` if ``x`` does not have the shape [B, N, C_in], the device and the
        type of the layer.
    TypeError
        In ``forward`` if ``x`` is no tensor.

    See Also
    --------
    GConv : on the normalised adjacency
    KHopConv : neighbours of each distance by weights of their own

    Notes
    -----
    L is a buffer in the module's dtype, and no part of the ``state_dict``. It is applied K times,
    and no power of it is made.

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> layer = ChebConv(2, 5, nx.path_graph(4), hops=2)
    >>> layer(torch.zeros(8, 4, 2)).shape, layer.weight.shape
    (torch.Size([8, 4, 5]), torch.Size([3, 2, 5]))
    """

    laplacian: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        graph: Any,
        *,
        hops: int = 2,
        bias: bool = True,
    ) -> None:
        self.hops = whole_number(hops, "hops", least=0, most=MOST_HOPS)
        super().__init__(in_channels, out_channels, graph, self.hops + 1, bias)
        values = as_buffer(_rescaled_laplacian(self.pattern.graph), torch.get_default_dtype())
        self.register_buffer("laplacian", values, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As of other convolutions, so small that the sum over distances is of their size."""
        super().reset_parameters()
        with torch.no_grad():
            self.weight.div_(math.sqrt(self.hops + 1))

    def convolve(self, x: Tensor, norm: Normalisation | None, relu: bool) -> Tensor:
        values = self.laplacian.to(x.dtype)
        before, last = x, x
        result = mix_channels(x, self.weight[0], self.bias)
        for k in range(1, self.hops + 1):
            mixed = propagate(last, values, self.pattern.entries)
            before, last = last, mixed if k == 1 else 2 * mixed - before
            result = mix_channels(last, self.weight[k], result)
        return finish(result, norm, relu)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, hops={self.hops}"


def _rescaled_laplacian(graph: Graph) -> np.ndarray:
    """Entries of -D^-1/2 A D^-1/2 on the pattern of A + I, float64."""
    matrix = with_loops(graph)
    rows = np.repeat(np.arange(graph.num_nodes), np.diff(matrix.indptr))
    present = (rows != matrix.indices).astype(np.float64)
    degrees = np.bincount(rows, weights=present, minlength=graph.num_nodes)
    scale = np.maximum(degrees, 1.0) ** -0.5
    entries: np.ndarray = -present * scale[rows] * scale[matrix.indices]
    return entries
