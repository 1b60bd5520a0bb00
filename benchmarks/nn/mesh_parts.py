"""A sparse matrix cut in parts with halos, so that several processes multiply with it.

The rows of a part are its nodes; its columns are these and its halo: the nodes of other parts that
its rows need. Before each product the features of the halo are fetched, and in the backward pass
their gradients go back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.distributed as dist
from torch import Tensor, nn

from multiscale_gcn.nn import MatrixPattern
from multiscale_gcn.ops import propagate


class Part(nn.Module):
    """One part of a matrix.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array, shape (N, N)
    labels : array of int, shape (N,)
        The part of each node.
    part : int
        Which is this one.
    group : ProcessGroup, optional
        Process k of it has part k; none where there is one part.
    """

    def __init__(
        self,
        matrix: sp.csr_array,
        labels: np.ndarray,
        part: int,
        group: dist.ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        self.group = group
        self.nodes = np.flatnonzero(labels == part)
        halos = [_halo(matrix, labels, other) for other in range(int(labels.max()) + 1)]
        columns = np.concatenate([self.nodes, halos[part]])
        local = sp.csr_array(matrix[self.nodes][:, columns])
        local.sort_indices()
        self.pattern = MatrixPattern(local)
        self.values: Tensor
        self.register_buffer("values", torch.from_numpy(local.data))
        sent = [halo[labels[halo] == part] for halo in halos]
        self.sizes_sent = [len(nodes) for nodes in sent]
        self.sizes_fetched = np.bincount(labels[halos[part]], minlength=len(halos)).tolist()
        self.sent: Tensor
        places = np.searchsorted(self.nodes, np.concatenate(sent))
        self.register_buffer("sent", torch.from_numpy(places))

    def forward(
        self,
        x: Tensor,  # [n, C] of the part's nodes
    ) -> Tensor:  # [n, C]
        """The part's rows of the product."""
        if self.group is not None:
            x = torch.cat([x, _Fetch.apply(x, self)])
        return propagate(x[None], self.values, self.pattern.entries)[0]


def _halo(matrix: sp.csr_array, labels: np.ndarray, part: int) -> np.ndarray:
    """Nodes of other parts that a part's rows need, part by part."""
    needed = np.unique(matrix[labels == part].indices)
    halo = needed[labels[needed] != part]
    return halo[np.argsort(labels[halo], kind="stable")]


class _Fetch(torch.autograd.Function):
    """Features of the halo; their gradients are added up where the features came from."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, part: Part) -> Tensor:
        ctx.part, ctx.rows = part, len(x)
        halo = x.new_empty((sum(part.sizes_fetched), x.shape[1]))
        dist.all_to_all_single(
            halo, x[part.sent], part.sizes_fetched, part.sizes_sent, group=part.group
        )
        return halo

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        part = ctx.part
        back = gradient.new_empty((len(part.sent), gradient.shape[1]))
        dist.all_to_all_single(
            back, gradient.contiguous(), part.sizes_sent, part.sizes_fetched, group=part.group
        )
        total = gradient.new_zeros((ctx.rows, gradient.shape[1]))
        return total.index_add_(0, part.sent, back), None


class Convolutions(nn.Module):
    """Graph convolutions with ReLU between them: y = A x W, a layer after another.

    Parameters
    ----------
    part : Part
    channels : int
    layers : int
    """

    def __init__(self, part: Part, channels: int, layers: int) -> None:
        super().__init__()
        self.part = part
        self.maps = nn.ModuleList(nn.Linear(channels, channels, bias=False) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:  # [n, C] -> [n, C]
        """The part's rows of the result."""
        for layer in self.maps:
            x = self.part(layer(x)).relu()
        return x
