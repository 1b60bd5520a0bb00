"""Blocks of graph convolutions on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from multiscale_gcn.checks.arguments import flag, real_number
from multiscale_gcn.nn.apply_norm import apply_norm, known_statistics, norm_step
from multiscale_gcn.nn.convolution_contract import Convolution
from multiscale_gcn.nn.convolutions import SemGConv, convolution_step
from multiscale_gcn.nn.layer_calls import LayerCalls, Place
from multiscale_gcn.nn.layer_checks import check_callable, made_by, positive, probability
from multiscale_gcn.nn.nonlocal_block import NonLocal
from multiscale_gcn.nn.weighted_convolution import takes_normalisation
from multiscale_gcn.ops.learning import ConvolutionStep, ResidualStep


class GraphConvBlock(nn.Module):
    """Convolution, batch normalisation over the channels, ReLU, and dropout if wanted.

    Parameters
    ----------
    in_channels, out_channels : int
    graph : Graph, or anything that as_graph takes
    convolution : callable (in_channels, out_channels, graph) -> Module
        ``GConv``, ``SemGConv``, a ``functools.partial`` of one, a :class:`ConvolutionLayer` of
        your own, or a convolution of PyTorch Geometric.
    dropout : float
        Probability, from 0 to below 1.

    Raises
    ------
    ValueError
        If a number of channels is not positive, or ``dropout`` no such probability.
    TypeError
        If ``convolution`` cannot be called like that, or makes no Module.

    See Also
    --------
    ResGConv : two convolutions and a shortcut

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> block = GraphConvBlock(2, 5, Graph([0, 1, 2], [1, 0]))
    >>> block(torch.randn(8, 2, 2)).shape
    torch.Size([8, 2, 5])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        graph: Any,
        *,
        convolution: Convolution = SemGConv,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        in_channels = positive(in_channels, "in_channels")
        out_channels = positive(out_channels, "out_channels")
        dropout = probability(dropout, "dropout")
        check_callable(convolution, "convolution", "in_channels", "out_channels", "graph")
        self.convolution: nn.Module = made_by(convolution, in_channels, out_channels, graph)
        self.norm: nn.BatchNorm1d = nn.BatchNorm1d(out_channels)
        self.dropout: nn.Dropout | None = nn.Dropout(dropout) if dropout else None
        self._calls = LayerCalls()

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
        add: Tensor | None = None,  # [B, N, C_out]
    ) -> Tensor:  # [B, N, C_out]
        """The block. ``add``, if given, is added to the result."""
        inputs = (x,) if add is None else (x, add)
        result: Tensor = self._calls(
            self, lambda: self._block(x, add), inputs, add is None, self._as_step
        )
        return result

    def _as_step(self, place: Place) -> ConvolutionStep | None:
        """What it is in training, if it is one step of kernels."""
        norm = norm_step(self.norm, place)
        if norm is None or self.dropout is not None:
            return None
        return convolution_step(self.convolution, norm, place)

    def _block(self, x: Tensor, add: Tensor | None) -> Tensor:
        if self.dropout is None:
            return self._normalised(x, add)
        result: Tensor = self.dropout(self._normalised(x, None))
        return result if add is None else result + add

    def _normalised(self, x: Tensor, add: Tensor | None) -> Tensor:
        statistics = known_statistics(self.norm) if takes_normalisation(self.convolution) else None
        if statistics is None:
            return apply_norm(self.norm, self.convolution(x), relu=True, add=add)
        result: Tensor = self.convolution(x, norm=statistics, relu=True)
        return result if add is None else result + add


class ResGConv(nn.Module):
    """Residual block: two :class:`GraphConvBlock` with a shortcut, then a :class:`NonLocal`.

    Parameters
    ----------
    channels : int
    graph : Graph, or anything that as_graph takes
    convolution, dropout
        As in :class:`GraphConvBlock`.
    non_local : bool
        Whether the non-local block follows.
    groups : sequence of sequences of int, optional
        Of the nodes, for the non-local block, as in :class:`NonLocal`.
    gain : float
        Size, at the start, of what the block adds: the scale of its last normalisation. With 1 / L
        a row of L blocks keeps the size of the features, whatever L is. It must be more than 0: a
        ReLU of nothing but zeros learns nothing.

    Raises
    ------
    ValueError
        As there, if there are fewer than 2 channels for the non-local block, if ``non_local``
        is no flag, if a node is in no group or in two, or if ``gain`` is not positive.
    TypeError
        As there.

    See Also
    --------
    GraphConvBlock : a convolution, its normalisation and ReLU
    PreNormResidual : layers with shortcuts, as in a transformer
    NonLocal : every node reads every other

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> block = ResGConv(16, Graph([0, 1, 2], [1, 0]))
    >>> block(torch.randn(8, 2, 16)).shape
    torch.Size([8, 2, 16])
    """

    def __init__(
        self,
        channels: int,
        graph: Any,
        *,
        convolution: Convolution = SemGConv,
        dropout: float = 0.0,
        non_local: bool = True,
        groups: Sequence[Sequence[int]] | None = None,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        non_local = flag(non_local, "non_local")
        gain = real_number(gain, "gain", above=0)
        channels = positive(channels, "channels")
        self.first, self.second = (
            GraphConvBlock(channels, channels, graph, convolution=convolution, dropout=dropout)
            for _ in range(2)
        )
        nn.init.constant_(self.second.norm.weight, gain)
        self.non_local: NonLocal | None = NonLocal(channels, groups=groups) if non_local else None
        self._calls = LayerCalls()

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        """The block."""
        result: Tensor = self._calls(self, lambda: self._block(x), (x,), None, self._as_step)
        return result

    def _as_step(self, place: Place) -> ResidualStep | None:
        first, second = self.first._as_step(place), self.second._as_step(place)
        attention = None if self.non_local is None else self.non_local._as_step(place)
        if first is None or second is None or (attention is None) != (self.non_local is None):
            return None
        return ResidualStep(first, second, attention)

    def _block(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x), add=x)
        return x if self.non_local is None else self.non_local(x)
