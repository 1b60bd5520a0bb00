"""Attention among the nodes of a graph, which knows how far apart they are."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import one_of
from multiscale_gcn.nn.convolution_contract import ConvolutionLayer
from multiscale_gcn.nn.feature_checks import check_features, check_fits_layer
from multiscale_gcn.nn.hops import hop_distances
from multiscale_gcn.nn.layer_checks import positive
from multiscale_gcn.nn.pattern_buffers import GraphPattern, as_buffer
from multiscale_gcn.ops import on_rows

AttentionBias = Literal["hops", "edges", "pairs"]

MOST_HEADS = 4096


class GraphAttention(ConvolutionLayer):
    """Attention of several heads among all nodes, with a learned bias that knows the graph.

    Head h of node i reads node j by the share softmax_j(q_i . k_j / sqrt(d) + B_hij), where q, k
    and the values v are linear maps of the features to d channels (Vaswani et al. 2017); a linear
    map of all heads is the result. B is the spatial encoding of Ying et al. 2021 (Graphormer),
    equation 6: a learned number for each number of hops from i to j; or it has more numbers, as
    ``bias`` says. It begins as -m_h times the hops, with the slopes m_h = 2^(-8 (h + 1) / H) of
    Press et al. 2022 (ALiBi): the first heads look near, the last ones everywhere.

    Parameters
    ----------
    in_channels, out_channels : int
    graph : Graph, or anything that as_graph takes
        Only its pattern counts.
    heads : int
        H. Each has ``out_channels / heads`` channels, rounded up.
    bias : {"hops", "edges", "pairs"}
        ``"hops"``: a number for each head and number of hops; nodes that no path joins share one
        more. ``"edges"``: so too, but every edge, in either direction, and every node with itself
        has a number of its own. ``"pairs"``: each pair of nodes has one, H x N x N in all.

    Raises
    ------
    ValueError
        If a number is not positive, for an unknown bias, if the graph has no nodes, and in
        ``forward`` if ``x`` does not have the shape [B, N, C_in], the device and the type of the
        layer.
    TypeError
        In ``forward`` if ``x`` is no tensor.

    See Also
    --------
    NonLocal : every node reads every other
    AdaptiveGConv : on a learned matrix
    PreNormResidual : layers with shortcuts, as in a transformer

    Notes
    -----
    B x H x N x N scores are made: for bodies and coarse levels, not for meshes. The linear maps
    begin as in transformers, so its features are smaller at the start than those of other
    convolutions: put it into a :class:`PreNormResidual`.

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> layer = GraphAttention(16, 32, nx.path_graph(5), heads=4)
    >>> layer(torch.zeros(8, 5, 16)).shape
    torch.Size([8, 5, 32])
    >>> layer.table.shape, GraphAttention(16, 32, nx.path_graph(5), bias="pairs").table.shape
    (torch.Size([4, 5]), torch.Size([8, 5, 5]))
    """

    place: Tensor
    first: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        graph: Any,
        *,
        heads: int = 8,
        bias: AttentionBias = "hops",
    ) -> None:
        super().__init__()
        self.in_channels = positive(in_channels, "in_channels")
        self.out_channels = positive(out_channels, "out_channels")
        self.heads = positive(heads, "heads")
        if self.heads > MOST_HEADS:
            raise ValueError(f"heads = {self.heads} must be at most {MOST_HEADS}")
        self.bias = one_of(bias, "bias", get_args(AttentionBias))
        self.pattern: GraphPattern = GraphPattern(graph)
        hops = hop_distances(self.pattern.graph)
        place = hops if self.bias == "hops" else _places(hops, self.pattern)
        first = -hops.astype(np.float64)
        if self.bias != "pairs":
            first = np.zeros(place.max() + 1)
            first[place] = -hops
        self.register_buffer("place", as_buffer(place), persistent=False)
        dtype = torch.get_default_dtype()
        self.register_buffer("first", as_buffer(first, dtype), persistent=False)
        inner = self.heads * math.ceil(self.out_channels / self.heads)
        self.query_key_value: nn.Linear = nn.Linear(self.in_channels, 3 * inner)
        self.table: nn.Parameter = nn.Parameter(torch.empty(self.heads, *first.shape))
        self.output: nn.Linear = nn.Linear(inner, self.out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Linear maps as nn.Linear draws them; the bias by hops."""
        self.query_key_value.reset_parameters()
        self.output.reset_parameters()
        with torch.no_grad():
            for head, numbers in enumerate(self.table, 1):
                numbers.copy_(self.first).mul_(2.0 ** (-8 * head / self.heads))

    @torch.no_grad()
    def scale_parameters(self, factor: float) -> None:
        self.output.weight.mul_(factor)
        self.output.bias.mul_(factor)

    def pair_bias(self) -> Tensor:  # [H, N, N]
        """B, the learned bias of every head and pair of nodes.

        Examples
        --------
        >>> import networkx as nx
        >>> GraphAttention(4, 4, nx.path_graph(3), heads=2).pair_bias()[0, 0].tolist()
        [0.0, -0.0625, -0.125]
        """
        if self.bias == "pairs":
            return self.table
        return self.table.index_select(1, self.place.flatten()).view(-1, *self.place.shape)

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
    ) -> Tensor:  # [B, N, C_out]
        """What every node reads of all."""
        check_features(x, self.pattern.num_nodes, self.in_channels)
        check_fits_layer(self.table, x=x)
        mapped = torch.unflatten(on_rows(self.query_key_value, x), 2, (3, self.heads, -1))
        query, key, value = mapped.permute(2, 0, 3, 1, 4)  # each [B, H, N, d]
        scores = query @ key.transpose(2, 3) * query.shape[3] ** -0.5
        shares = (scores + self.pair_bias()).softmax(3)
        read = (shares.to(value.dtype) @ value).movedim(1, 2).flatten(2)
        return on_rows(self.output, read)

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, heads={self.heads}, bias={self.bias!r}"


def _places(hops: np.ndarray, pattern: GraphPattern) -> np.ndarray:  # [N, N]
    """The number of each pair of nodes: entries of A + I first, then distances from two hops on."""
    entries = pattern.num_entries
    place = hops + (entries - 2)
    rows, columns = pattern.rows.cpu().numpy(), pattern.columns.cpu().numpy()
    place[rows, columns] = np.arange(entries)
    return place
