"""What blocks and networks ask of a convolution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from multiscale_gcn.nn.graph_buffers import GraphBuffers

Convolution = Callable[[int, int, Any], nn.Module]
"""Makes a convolution of (in_channels, out_channels, graph): a class derived from
:class:`ConvolutionLayer`, or a ``functools.partial`` of one. Blocks and networks also take a class
of PyTorch Geometric's layers, or a ``functools.partial`` of one, such as ``GATv2Conv``."""


class ConvolutionLayer(GraphBuffers, ABC):
    """The base of every convolution: what it does, whatever its parameters are called.

    A convolution is made of ``(in_channels, out_channels, graph)`` and options with defaults. Every
    member of a batch is convolved by itself, and the nodes may be numbered in any way: a graph with
    its nodes renumbered gives the same features, renumbered. What belongs to the graph is in
    buffers that are not in the ``state_dict``. :class:`multiscale_gcn.testing.ConvolutionTests`
    holds a convolution to all of this.

    A class without ``forward`` or ``scale_parameters`` cannot be instantiated.

    Raises
    ------
    TypeError
        If one of the two methods is missing.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> class NodeWise(ConvolutionLayer):
    ...     def __init__(self, in_channels, out_channels, graph):
    ...         super().__init__()
    ...         self.map = nn.Linear(in_channels, out_channels)
    ...
    ...     def forward(self, x):
    ...         return self.map(x)
    ...
    ...     @torch.no_grad()
    ...     def scale_parameters(self, factor):
    ...         self.map.weight.mul_(factor)
    ...         self.map.bias.mul_(factor)
    >>> layer = NodeWise(2, 5, None)
    >>> x = torch.ones(1, 3, 2)
    >>> before = layer(x)
    >>> layer.scale_parameters(0.5)
    >>> torch.equal(layer(x), 0.5 * before)
    True
    """

    @abstractmethod
    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
    ) -> Tensor:  # [B, N, C_out]
        """The convolution; a ``ValueError`` for another number of nodes or channels."""

    @abstractmethod
    def scale_parameters(self, factor: float) -> None:
        """Multiply all that the result is linear in, in place and without a gradient.

        Afterwards the layer gives ``factor`` times what it gave. A network makes the start of a
        last layer small by it.

        Parameters
        ----------
        factor : float
        """
