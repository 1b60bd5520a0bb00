"""Residual blocks with the layer normalisation first, as of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.nn.adaptive import AdaptiveGConv
from multiscale_gcn.nn.convolution_contract import Convolution
from multiscale_gcn.nn.feature_checks import check_features, check_fits_layer
from multiscale_gcn.nn.layer_checks import (
    check_callable,
    listed,
    made_by,
    positive,
    probability,
)
from multiscale_gcn.ops import on_rows
from multiscale_gcn.ops.operand_checks import check_operands


class StochasticDepth(nn.Module):
    """Leave what a residual branch adds out, for a random part of the batch: Huang et al. 2016.

    In training every member of a batch is set to 0 with some probability p, and the others are
    divided by 1 - p, which keeps the mean. Otherwise nothing is done.

    Parameters
    ----------
    drop : float
        p, from 0 to below 1.

    Raises
    ------
    ValueError
        If ``drop`` is no such probability.
    TypeError
        In ``forward`` if ``x`` is no tensor.

    See Also
    --------
    PreNormResidual : layers with shortcuts, as in a transformer

    Examples
    --------
    >>> import torch
    >>> kept = StochasticDepth(0.5)(torch.ones(1000, 3, 2))
    >>> sorted({float(value) for value in kept.unique()})
    [0.0, 2.0]
    """

    def __init__(self, drop: float) -> None:
        super().__init__()
        self.drop = probability(drop, "drop")

    def forward(
        self,
        x: Tensor,  # [B, ...]
    ) -> Tensor:  # [B, ...]
        """``x``, without some of its members."""
        check_operands(x=x)
        if x.dim() == 0:
            raise ValueError("x has no axis; give a batch, [B, ...]")
        if not self.training or not self.drop:
            return x
        keep = 1 - self.drop
        kept = torch.rand(x.shape[0], *[1] * (x.dim() - 1), device=x.device) < keep
        return x * (kept / keep).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.drop}"


class PreNormResidual(nn.Module):
    """Layers in a row, each of which adds to the features what it reads in them, normalised.

    x <- x + D(f(LN(x))) for every layer f, with a layer normalisation LN of its own and
    :class:`StochasticDepth` D: a block of a transformer, whatever its layers are. The features are
    not normalised on their way, so that a row of blocks may be deep.

    Parameters
    ----------
    channels : int
    layers : sequence of nn.Module
        Each from [B, N, C] to [B, N, C].
    drop : float
        Probability, in training, that a layer adds nothing to a member of the batch.

    Raises
    ------
    ValueError
        If ``channels`` is not positive, if there is no layer, if ``drop`` is no probability below
        1, and in ``forward`` for other features, or a layer that changes their shape.
    TypeError
        For what is no sequence of modules, and in ``forward`` if ``x`` is no tensor.

    See Also
    --------
    StochasticDepth : leaves branches out at random
    GraphMLP : a perceptron that knows its neighbours
    GraphAttention : attention that knows the graph

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> from multiscale_gcn.nn import GraphAttention, GraphMLP
    >>> graph = nx.path_graph(5)
    >>> block = PreNormResidual(16, [GraphAttention(16, 16, graph), GraphMLP(16, graph)], drop=0.1)
    >>> block(torch.randn(8, 5, 16)).shape
    torch.Size([8, 5, 16])
    """

    def __init__(self, channels: int, layers: Sequence[nn.Module], *, drop: float = 0.0) -> None:
        super().__init__()
        self.channels = positive(channels, "channels")
        given = listed(layers, "layers")
        if not given:
            raise ValueError("layers is empty; give at least one")
        for place, layer in enumerate(given):
            if not isinstance(layer, nn.Module):
                raise TypeError(f"layers[{place}] = {shown(layer)} is no Module; give one")
        self.norms: nn.ModuleList = nn.ModuleList(nn.LayerNorm(self.channels) for _ in given)
        self.layers: nn.ModuleList = nn.ModuleList(given)
        self.depth: StochasticDepth = StochasticDepth(drop)

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        """The block."""
        check_features(x, None, self.channels)
        check_fits_layer(self.norms[0].weight, x=x)  # type: ignore[arg-type]
        for place, (norm, layer) in enumerate(zip(self.norms, self.layers, strict=True)):
            added = layer(on_rows(norm, x))
            if added.shape != x.shape:
                raise ValueError(
                    f"layers[{place}] made features of shape {list(added.shape)} of those of shape "
                    f"{list(x.shape)}; give a layer that keeps their shape"
                )
            x = x + self.depth(added)
        return x


class GraphMLP(nn.Module):
    """A perceptron of each node whose hidden layer hears of other nodes.

    f(X) = GELU(conv(X)) W + b: the map of a transformer's block, with a graph convolution for its
    first half. By default that is :class:`AdaptiveGConv`, so the hidden layer is the node's own,
    and S times those of the others.

    Parameters
    ----------
    channels : int
    graph : Graph, or anything that as_graph takes
    hidden_channels : int, optional
        Twice as many by default.
    convolution : callable (in_channels, out_channels, graph) -> Module
        See :class:`GraphConvBlock`.

    Raises
    ------
    ValueError
        If a number of channels is not positive, and in ``forward`` for features that do not fit.
    TypeError
        If ``convolution`` cannot be called like that, or makes no Module, and in ``forward`` if
        ``x`` is no tensor.

    See Also
    --------
    PreNormResidual : layers with shortcuts, as in a transformer
    GraphAttention : attention that knows the graph

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> layer = GraphMLP(16, nx.path_graph(5))
    >>> layer(torch.randn(8, 5, 16)).shape, layer.convolution.support.shape
    (torch.Size([8, 5, 16]), torch.Size([5, 5]))
    """

    def __init__(
        self,
        channels: int,
        graph: Any,
        *,
        hidden_channels: int | None = None,
        convolution: Convolution = AdaptiveGConv,
    ) -> None:
        super().__init__()
        self.channels = positive(channels, "channels")
        hidden = 2 * self.channels
        if hidden_channels is not None:
            hidden = positive(hidden_channels, "hidden_channels")
        check_callable(convolution, "convolution", "in_channels", "out_channels", "graph")
        self.convolution: nn.Module = made_by(convolution, self.channels, hidden, graph)
        self.output: nn.Linear = nn.Linear(hidden, self.channels)

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        """The perceptron of every node."""
        check_features(x, None, self.channels)
        hidden = nn.functional.gelu(self.convolution(x))
        return on_rows(self.output, hidden)
