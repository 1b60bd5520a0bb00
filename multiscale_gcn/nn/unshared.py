"""Convolutions whose nodes, or pairs of nodes, have weight matrices of their own."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from multiscale_gcn.checks.arguments import flag, one_of
from multiscale_gcn.nn.adjacency import normalised_adjacency
from multiscale_gcn.nn.pattern_buffers import GraphPattern, as_buffer
from multiscale_gcn.nn.weighted_convolution import WeightedConvolution
from multiscale_gcn.ops import Normalisation, propagate
from multiscale_gcn.ops.epilogue import finish

Owner = Literal["sender", "receiver", "pair"]


class UnsharedGConv(WeightedConvolution):
    """Graph convolution with a weight matrix for every node or pair: Liu et al. 2020.

    X'_i = sum_j S_ij X_j W + b with S = D^-1/2 (A + I) D^-1/2, where W belongs to node j, the
    sender (the paper's pre-aggregation), to node i, the receiver (post-aggregation), or to the pair
    (no sharing). With ``separate_self`` a node's own features have another matrix (decoupled). On
    the graph of all nodes within k hops, ``"pair"`` is the locally connected layer of Ci et al.
    2019, whose matrices take S in.

    Parameters
    ----------
    in_channels, out_channels : int
    graph : Graph, or anything that as_graph takes
        A is its binary pattern without self loops.
    owner : {"sender", "receiver", "pair"}
        Whose the weight matrices are.
    separate_self : bool
        Two matrices for each node instead of one; of pairs each has its own anyway.
    bias : bool
        Shared by all nodes.

    Raises
    ------
    ValueError
        If a number of channels is not positive, if ``owner`` is none of these, if a flag is none,
        if the graph has no nodes, and in ``forward`` if ``x`` does not have the shape [B, N, C_in],
        the device and the type of the layer.
    TypeError
        In ``forward`` if ``x`` is no tensor.

    See Also
    --------
    ModulatedGConv : with factors a node
    SemGConv : with a learned weight an edge

    Notes
    -----
    ``weight`` holds N matrices, or 2 N, those of the nodes themselves first, or one for every entry
    of A + I. For pairs a matrix of N C_in x N C_out numbers is made: for bodies, not for meshes.

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> layer = UnsharedGConv(2, 5, nx.path_graph(4), separate_self=True)
    >>> layer(torch.zeros(8, 4, 2)).shape, layer.weight.shape
    (torch.Size([8, 4, 5]), torch.Size([8, 2, 5]))
    """

    own: Tensor
    others: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        graph: Any,
        *,
        owner: Owner = "sender",
        separate_self: bool = False,
        bias: bool = True,
    ) -> None:
        self.owner = one_of(owner, "owner", get_args(Owner))
        self.separate_self = flag(separate_self, "separate_self")
        pattern = GraphPattern(graph)
        matrices = pattern.num_entries
        if owner != "pair":
            matrices = pattern.num_nodes * (2 if separate_self else 1)
        super().__init__(in_channels, out_channels, pattern.graph, matrices, bias)
        values = normalised_adjacency(self.pattern.graph)
        diagonal = self.pattern.diagonal.cpu().numpy()
        others = values.copy()
        if self.separate_self and owner != "pair":
            others[diagonal] = 0.0
        dtype = torch.get_default_dtype()
        self.register_buffer("own", as_buffer(values[diagonal], dtype), persistent=False)
        self.register_buffer("others", as_buffer(others, dtype), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As of other convolutions; larger where what a node adds up has a matrix for each sender.

        Such terms do not agree, so their sum is smaller than the mean that ``GConv`` takes.
        """
        super().reset_parameters()
        if self.owner != "receiver":
            entries = normalised_adjacency(self.pattern.graph)
            with torch.no_grad():
                self.weight.div_(float(np.square(entries).sum() / self.pattern.num_nodes) ** 0.5)

    def convolve(self, x: Tensor, norm: Normalisation | None, relu: bool) -> Tensor:
        result = self._of_pairs(x) if self.owner == "pair" else self._of_nodes(x)
        return finish(result if self.bias is None else result + self.bias, norm, relu)

    def _of_nodes(self, x: Tensor) -> Tensor:
        *own, weight = torch.unflatten(self.weight, 0, (-1, self.pattern.num_nodes))
        others = self.others.to(x.dtype)
        if self.owner == "sender":
            result = propagate(_node_by_node(x, weight), others, self.pattern.entries)
        else:
            result = _node_by_node(propagate(x, others, self.pattern.entries), weight)
        for matrices in own:
            result = result + self.own.to(x.dtype)[:, None] * _node_by_node(x, matrices)
        return result

    def _of_pairs(self, x: Tensor) -> Tensor:
        nodes = self.pattern.num_nodes
        places = self.pattern.columns * nodes + self.pattern.rows
        weight = self.others.to(x.dtype)[:, None, None] * self.weight
        dense = weight.new_zeros(nodes * nodes, *weight.shape[1:]).index_copy(0, places, weight)
        blocks = torch.unflatten(dense, 0, (nodes, nodes))  # [N, N, C_in, C_out], sender first
        matrix = blocks.transpose(1, 2).flatten(2).flatten(0, 1)
        return torch.unflatten(x.flatten(1) @ matrix, 1, (nodes, self.out_channels))

    def extra_repr(self) -> str:
        separate_self = ", separate_self=True" if self.separate_self else ""
        return f"{super().extra_repr()}, owner={self.owner!r}{separate_self}"


def _node_by_node(
    x: Tensor,  # [B, N, C_in]
    weight: Tensor,  # [N, C_in, C_out]
) -> Tensor:  # [B, N, C_out]
    return torch.einsum("bnc,nco->bno", x, weight)
